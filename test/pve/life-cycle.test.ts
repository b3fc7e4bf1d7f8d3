import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { PveClient } from "../../src/protocols/pve/client.ts";
import { parseVmid } from "../../src/protocols/pve/vmid.ts";
import { createFakePve, type FakePve } from "../fake-pve/fake.ts";
import { tokens } from "../fake-pve/lab.ts";
import { connect } from "./connect.ts";

describe.each(["7.4", "8.4", "9.2"] as const)("Proxmox VE %s", (version) => {
  let fake: FakePve;
  let pve: PveClient;
  beforeEach(async () => {
    fake = await createFakePve({ version, taskMs: 20 });
    pve = connect(fake, { token: tokens.appliance });
  });
  afterEach(async () => {
    await pve.close();
    await fake.close();
  });

  test("a token of least privilege carries a sandbox from clone to destruction", async () => {
    const node = await pve.cluster.pickNode(undefined);
    const template = await pve.guests.find(parseVmid(9000));
    if (!template) throw new Error("no template");
    const vmid = await pve.cluster.nextVmid();
    const sandbox = { kind: "qemu", node, vmid } as const;
    await pve.run(() =>
      pve.provisioning.clone(template, { newVmid: vmid, name: "sbx-1", pool: "lab", description: "id=01HX" }),
    );
    await pve.settings.set(sandbox, { set: { cores: 2, memory: 256, tags: "sbx;lab" } });
    const resized = await pve.run(() => pve.settings.resize(sandbox, "scsi0", "+1G"));
    // PVE 7 is done when it answers: there is no task to wait for.
    expect(resized === undefined).toBe(version === "7.4");
    const config = await pve.guests.config(sandbox);
    expect(config).toMatchObject({
      name: "sbx-1",
      cores: 2,
      memoryMib: 256,
      tags: ["sbx", "lab"],
      agent: true,
      template: false,
    });
    expect(config.disks.scsi0).toMatchObject({ storage: "local", options: { size: "2G" } });
    expect(config.nets.net0?.mac).toMatch(/^bc:24:11:/);

    await pve.run(() => pve.snapshots.take(sandbox, { name: "clean", description: "before" }));
    expect(await pve.guests.snapshots(sandbox)).toMatchObject([{ name: "clean", description: "before" }]);
    await pve.run(() => pve.power.start(sandbox));
    expect((await pve.guests.status(sandbox)).status).toBe("running");
    const guest = fake.world.guests.get(vmid);
    if (guest) guest.agent = { up: true, addresses: ["10.77.1.42/16"] };
    const cards = await pve.guests.interfaces(sandbox);
    expect(cards.find(({ mac }) => mac === config.nets.net0?.mac)?.addresses).toEqual(["10.77.1.42/16"]);

    await pve.run(() => pve.power.stop(sandbox));
    await pve.run(() => pve.snapshots.rollback(sandbox, "clean"));
    await pve.run(() => pve.snapshots.remove(sandbox, "clean"));
    await pve.run(() => pve.provisioning.destroy(sandbox, { purge: true, unreferencedDisks: true }));
    expect(await pve.guests.find(vmid)).toBeUndefined();
    expect((await pve.storage.content({ node, storage: "local" }, { vmid })).length).toBe(0);
  });

  test("a container is created, backed up, destroyed and restored", async () => {
    const vmid = parseVmid(210);
    const container = { kind: "lxc", node: "pve1", vmid } as const;
    const settings = {
      ostemplate: "local:vztmpl/debian-13-standard_13.0-1_amd64.tar.zst",
      hostname: "ct2",
      memory: 256,
      unprivileged: true,
      rootfs: "local:1",
      net0: "name=eth0,bridge=vmbr0,ip=dhcp",
    };
    await pve.run(() => pve.provisioning.createContainer({ node: "pve1", vmid, pool: "lab", settings }));
    expect(await pve.guests.config(container)).toMatchObject({
      name: "ct2",
      memoryMib: 256,
      unprivileged: true,
    });
    await pve.run(() => pve.power.start(container));
    if (version !== "7.4")
      expect((await pve.guests.interfaces(container)).map(({ name }) => name)).toEqual(["lo", "eth0"]);
    await pve.run(() =>
      pve.provisioning.vzdump(container, { storage: "store2", mode: "stop", compress: "zstd" }),
    );
    const [backup] = await pve.storage.content(
      { node: "pve1", storage: "store2" },
      { content: "backup", vmid },
    );
    if (!backup) throw new Error("no backup");
    await pve.run(() => pve.provisioning.destroy(container, { force: true, purge: true }));
    await pve.run(() =>
      pve.provisioning.restore({
        node: "pve1",
        kind: "lxc",
        vmid,
        archive: backup.volid,
        storage: "local",
        pool: "lab",
      }),
    );
    expect((await pve.guests.config(container)).name).toBe("ct2");
    await pve.run(() => pve.storage.remove("pve1", backup.volid));
  });

  test("a workspace outlives its guest on a holder, and its volume is renamed on the way", async () => {
    const node = "pve1";
    const vm = { kind: "qemu", node, vmid: parseVmid(500) } as const;
    const holder = { kind: "qemu", node, vmid: parseVmid(590) } as const;
    for (const { vmid } of [vm, holder]) {
      await pve.run(() => pve.provisioning.createVm({ node, vmid, pool: "lab", settings: { memory: 64 } }));
    }
    await pve.run(() =>
      pve.disks.attachNew(holder, "scsi0", { storage: "store2", sizeGib: 1, format: "qcow2" }),
    );
    const before = (await pve.guests.config(holder)).disks.scsi0?.volume;
    await pve.run(() => pve.disks.reassign(holder, "scsi0", { vmid: vm.vmid, disk: "scsi1" }));
    const attached = (await pve.guests.config(vm)).disks.scsi1?.volume;
    expect([before, attached]).toEqual(["store2:590/vm-590-disk-0.qcow2", "store2:500/vm-500-disk-0.qcow2"]);
    await pve.run(() => pve.disks.reassign(vm, "scsi1", { vmid: holder.vmid, disk: "scsi0" }));
    await pve.run(() => pve.provisioning.destroy(vm, { unreferencedDisks: true }));
    expect((await pve.guests.config(holder)).disks.scsi0?.volume).toBe("store2:590/vm-590-disk-0.qcow2");

    await pve.run(() => pve.disks.moveToStorage(holder, "scsi0", { storage: "local", deleteSource: true }));
    await pve.run(() => pve.disks.detach(holder, "scsi0"));
    const detached = await pve.guests.config(holder);
    expect(detached.disks.scsi0).toBeUndefined();
    expect(detached.unused.unused0?.storage).toBe("local");
    await pve.disks.unlink(holder, "unused0");
    expect((await pve.guests.config(holder)).unused).toEqual({});
  });
});
