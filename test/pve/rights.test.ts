import { expect, test } from "bun:test";
import { PveApiError } from "../../src/protocols/pve/errors.ts";
import {
  type Feature,
  features,
  grantsFor,
  missingNeeds,
  renderRoleCommands,
} from "../../src/protocols/pve/features.ts";
import { grantCommands } from "../../src/protocols/pve/privileges.ts";
import { parseVmid } from "../../src/protocols/pve/vmid.ts";
import { createFakePve } from "../fake-pve/fake.ts";
import { runPveum } from "../fake-pve/pveum.ts";
import { connect } from "./connect.ts";

const scope = { pool: "farm", storages: ["local", "store2"], bridges: ["vmbr0"], nodes: ["pve1"] };
const user = "labctl@pve";
const tokenid = "appliance";

test.each([
  ["7.4", 7],
  ["8.4", 8],
  ["9.2", 9],
] as const)(
  "on %s the commands of `role` make a token that is enough, with nothing on the root or on guests of others",
  async (version, major) => {
    const fake = await createFakePve({ version });
    fake.world.rights.pools.clear();
    const request = {
      ...scope,
      major,
      features: ["sandboxes", "backups"] as Feature[],
      user,
      tokenid,
      prefix: "labctl",
      template: 9000,
    };
    const made = runPveum(fake.world, renderRoleCommands(request));
    const pve = connect(fake, { token: `${user}!${tokenid}=${made.get(`${user}!${tokenid}`)}` });
    expect(missingNeeds(request, await pve.access.permissions())).toEqual([]);

    const source = { kind: "qemu", node: "pve1", vmid: parseVmid(9000) } as const;
    const vm = { ...source, vmid: parseVmid(800) };
    await pve.run(() => pve.provisioning.clone(source, { newVmid: vm.vmid, pool: "farm", name: "s1" }));
    await pve.settings.set(vm, {
      set: {
        cores: 1,
        memory: 64,
        net0: "virtio,bridge=vmbr0",
        tags: "s",
        smbios1: "serial=eA==,base64=1",
        ciuser: "lab",
      },
    });
    await pve.run(() => pve.disks.attachNew(vm, "scsi1", { storage: "store2", sizeGib: 1 }));
    await pve.run(() => pve.settings.setAsTask(vm, { set: { ide2: "local:iso/agent.iso,media=cdrom" } }));
    await pve.run(() => pve.snapshots.take(vm, { name: "clean" }));
    await pve.run(() => pve.power.start(vm));
    const guest = fake.world.guests.get(800);
    if (guest) guest.agent.up = true;
    await pve.guests.interfaces(vm);
    await pve.run(() => pve.power.stop(vm));
    await pve.run(() => pve.snapshots.rollback(vm, "clean"));
    await pve.run(() => pve.provisioning.vzdump(vm, { storage: "store2" }));
    await pve.run(() => pve.provisioning.destroy(vm, { purge: true }));

    // Nothing on the root, and nothing on guests that are not ours.
    expect(grantsFor(request).flatMap(({ paths }) => paths)).not.toContain("/");
    const stranger = { ...source, vmid: parseVmid(101) };
    expect(await pve.power.stop(stranger).catch((error) => error)).toBeInstanceOf(PveApiError);
    await pve.close();
    await fake.close();
  },
);

test("the commands a 403 suggests grant exactly what was missing", async () => {
  const fake = await createFakePve();
  const request = {
    ...scope,
    major: 9,
    features: ["sandboxes"] as Feature[],
    user,
    tokenid,
    prefix: "labctl",
  };
  const made = runPveum(fake.world, renderRoleCommands(request));
  const pve = connect(fake, { token: `${user}!${tokenid}=${made.get(`${user}!${tokenid}`)}` });
  const vm = { kind: "qemu", node: "pve1", vmid: parseVmid(101) } as const;
  const error = await pve.guests.config(vm).catch((thrown) => thrown);
  if (!(error instanceof PveApiError) || !error.missing[0]) throw new Error("was not refused");
  runPveum(fake.world, grantCommands(error.missing[0], { user, tokenid }));
  expect((await pve.guests.config(vm)).name).toBe("c1");
  await pve.close();
  await fake.close();
});

test("every feature's role is of privileges its version knows, and a newer one's is refused by the older", async () => {
  for (const [version, major] of [
    ["7.4", 7],
    ["8.4", 8],
    ["9.2", 9],
  ] as const) {
    const fake = await createFakePve({ version, bare: true });
    runPveum(fake.world, renderRoleCommands({ ...scope, major, features, user, tokenid, prefix: "labctl" }));
    await fake.close();
  }
  const old = await createFakePve({ version: "8.4", bare: true });
  expect(() =>
    runPveum(old.world, renderRoleCommands({ ...scope, major: 9, features, user, tokenid, prefix: "x" })),
  ).toThrow("VM.GuestAgent.Audit");
  await old.close();
});
