import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAuditLog } from "../../src/access/audit-log.ts";
import { type Actor, anonymous } from "../../src/access/service.ts";
import { createReprovision } from "../../src/machines/reprovision-service.ts";
import type { HostControl } from "../../src/machines/service.ts";
import { buildExecutable } from "../lab/artifacts.ts";
import { executable } from "../lab/bastion.ts";
import { createNetwork } from "../lab/network.ts";
import { run, start } from "../lab/process.ts";
import { createScope } from "../lab/scope.ts";
import { until } from "../stack/stack.ts";
import { mac, openRoom, type Room, sshKey } from "./room.ts";

describe("reprovision", () => {
  let room: Room;
  let ordered: string[];
  let woken: string[][];
  let answers: Record<string, { done: boolean; said: string }>;
  const actor: Actor = { principal: anonymous, from: "", requestId: "r", startedAt: 0 };
  beforeEach(() => {
    room = openRoom();
    ordered = [];
    woken = [];
    answers = {
      "boot-from-network": { done: true, said: "next start: Boot0003 PXE" },
      reboot: { done: true, said: "" },
    };
  });
  afterEach(() => room.close());

  const agent: HostControl = {
    connected: () => "node1",
    async operate(_, server, operation) {
      ordered.push(`${operation} on ${server}`);
      return answers[operation] ?? { done: false, said: "unknown" };
    },
  };
  const open = (hosts: HostControl | undefined) =>
    createReprovision({
      machines: room.machines,
      wake: async (nics) => {
        woken.push([...nics]);
        return ["eth0"];
      },
      hosts,
      audit: createAuditLog(room.store, room.clock),
    });
  async function installed(firmware = "uefi"): Promise<void> {
    await room.discover({ firmware: { mode: firmware } });
    await room.queue();
    const token = await room.start();
    await room.progress(token, 1, "installed", "done");
  }
  const steps = async (hosts: HostControl | undefined, spec = {}) =>
    (await open(hosts).reprovision(actor, room.machines.find(mac), spec)).steps.map(
      ({ step, result }) => `${step} ${result}`,
    );

  test("with an agent: the next start is from the network, and the host starts anew", async () => {
    await installed();
    expect(await steps(agent)).toEqual(["queue done", "next-boot done", "reboot done"]);
    expect(ordered).toEqual(["boot-from-network on node1", "reboot on node1"]);
    expect(woken).toEqual([]);
    const [last, before] = room.machines.installsOf(mac);
    expect(last?.spec).toEqual(before?.spec);
    expect(last?.id).not.toBe(before?.id);
  });

  test("what is given changes the install before", async () => {
    await installed();
    await steps(agent, { wipe: true, role: "infra", sshKeys: [sshKey] });
    expect(room.machines.installsOf(mac)[0]?.spec).toMatchObject({
      name: "node1",
      os: "image:web",
      role: "infra",
      wipe: true,
    });
  });

  test("a BIOS is not asked what it cannot do, and the user is told what to do", async () => {
    await installed("bios");
    const { steps: done } = await open(agent).reprovision(actor, room.machines.find(mac), {});
    expect(ordered).toEqual(["reboot on node1"]);
    expect(done[1]).toMatchObject({ result: "skipped", detail: expect.stringContaining("boot menu") });
  });

  test("a firmware without a network entry: the reason, what to do, and the restart all the same", async () => {
    answers["boot-from-network"] = { done: false, said: "the firmware has no boot entry for the network" };
    await installed();
    const { steps: done } = await open(agent).reprovision(actor, room.machines.find(mac), {});
    expect(done[1]).toMatchObject({ result: "failed", detail: expect.stringContaining("no boot entry") });
    expect(done[2]).toMatchObject({ step: "reboot", result: "done" });
  });

  test("without an agent every network card is woken", async () => {
    await installed();
    expect(await steps(undefined)).toEqual(["queue done", "wake done"]);
    expect(woken).toEqual([[mac, "52:54:00:00:00:02"]]);
  });

  test("a machine that installs is left alone: no loop of installs that start each other", async () => {
    await room.discover();
    await room.queue();
    await room.start();
    await expect(steps(agent)).rejects.toThrow("an install is running");
    expect(ordered).toEqual([]);
    expect(room.machines.find(mac).state.kind).toBe("installing");
  });

  test("one that was never installed says what it lacks", async () => {
    await room.discover();
    await expect(steps(agent)).rejects.toThrow("was never installed");
  });
});

test.skipIf(process.getuid?.() !== 0)(
  "a magic packet goes out of the bastion's interface, for a card of the machine",
  async () => {
    await buildExecutable();
    const scope = createScope();
    const home = mkdtempSync(join(tmpdir(), "labctl-wake-"));
    try {
      const network = await createNetwork(scope);
      const sleeper = await network.addHost("nic", 9);
      const config = join(home, "config.yaml");
      writeFileSync(
        config,
        JSON.stringify({
          dataDir: join(home, "data"),
          adminSocket: join(home, "labctl.sock"),
          interfaces: [{ name: network.serverInterface, dhcp: "off" }],
          install: { mirrors: { debian: "http://mirror.test/debian" }, sshKeys: [sshKey] },
        }),
      );
      const bastion = start([executable, "bastion", "run", "--config", config], {
        namespace: network.server,
        log: join(home, "bastion.log"),
      });
      scope.defer(() => bastion.stop());
      const heard = join(home, "heard");
      const listener = start([process.execPath, join(import.meta.dir, "hear-packet.ts"), "9"], {
        namespace: sleeper.namespace,
        log: heard,
      });
      scope.defer(() => listener.stop());
      await until(
        "both are ready",
        () =>
          readFileSync(heard, "utf8").includes("listening") &&
          readFileSync(join(home, "bastion.log"), "utf8").includes("bastion is ready"),
      );
      const env = { LABCTL_SOCKET: join(home, "labctl.sock"), HOME: home };
      const labctl = (...words: string[]) => run([executable, ...words], { env });
      await labctl("provision", "install", mac, "node1", "--os", "debian-12");
      expect(await labctl("provision", "wake", "node1")).toMatch(
        /^wake +done +magic packets for 52:54:00:00:00:01/,
      );
      const wanted = `ffffffffffff${mac.replaceAll(":", "").repeat(16)}`;
      await until("the packet", () => readFileSync(heard, "utf8").includes(wanted));
      expect(await labctl("audit", "list", "--action", "machines:wake")).toContain(`machine/${mac}`);
    } finally {
      await scope.close();
      rmSync(home, { recursive: true, force: true });
    }
  },
  60_000,
);
