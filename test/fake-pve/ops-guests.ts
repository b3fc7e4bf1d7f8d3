import { z } from "zod";
import { refuse } from "./failure.ts";
import { bit, type Call, int, type Operation } from "./operation.ts";
import { canSee, diskBytes, memoryBytes } from "./ops-cluster.ts";
import { boolean, configId, node, required, vmid } from "./params.ts";
import type { Config, Guest, Kind } from "./world.ts";

const kinds: Kind[] = ["qemu", "lxc"];
const anyVmid = required(vmid());

const entry = {
  vmid: int,
  status: z.enum(["stopped", "running"]),
  name: z.string().optional(),
  lock: z.string().optional(),
  tags: z.string().optional(),
  template: bit.optional(),
  uptime: int.optional(),
  cpu: z.number().optional(),
  cpus: z.number().optional(),
  mem: int.optional(),
  maxmem: int.optional(),
  disk: int.optional(),
  maxdisk: int.optional(),
  netin: int.optional(),
  netout: int.optional(),
  pid: int.optional(),
};
const current = z.looseObject({
  ...entry,
  qmpstatus: z.string().optional(),
  agent: bit.optional(),
  ha: z.looseObject({ managed: bit }),
});
const config = z.looseObject({
  digest: z.string(),
  name: z.string().optional(),
  hostname: z.string().optional(),
  // A VM's memory is text, a container's a number.
  memory: z.union([z.string(), int]).optional(),
  cores: int.optional(),
  onboot: bit.optional(),
  tags: z.string().optional(),
  lock: z.string().optional(),
});

function entryOf(call: Call, guest: Guest) {
  const { config: set, running, kind } = guest;
  const { major } = call.world;
  const pressure = Object.fromEntries(
    ["cpufull", "cpusome", "iofull", "iosome", "memoryfull", "memorysome"].map((name) => [
      `pressure${name}`,
      kind === "lxc" ? "0.00" : 0,
    ]),
  );
  return {
    vmid: guest.vmid,
    name: String(set.name ?? set.hostname ?? `${kind === "qemu" ? "VM" : "CT"} ${guest.vmid}`),
    status: running ? "running" : "stopped",
    uptime: running ? call.world.now() - guest.startedAt : 0,
    cpu: 0,
    cpus: Number(set.cores ?? 1),
    mem: 0,
    maxmem: memoryBytes(guest),
    disk: 0,
    maxdisk: diskBytes(call, guest),
    netin: 0,
    netout: 0,
    ...(kind === "lxc" && { type: "lxc", swap: 0, maxswap: 512 * 1024 * 1024, diskread: 0, diskwrite: 0 }),
    ...(running && { pid: guest.pid }),
    ...(running && major >= 9 && pressure),
    ...(major >= 9 && kind === "qemu" && { memhost: 0 }),
    ...(set.tags !== undefined && { tags: String(set.tags) }),
    ...(set.lock !== undefined && { lock: String(set.lock) }),
    ...(set.template === 1 && { template: 1 }),
  };
}

/** What a VM's configuration sends as text, and what as a number: the wobble of the real thing. */
export function configOf(call: Call, guest: Guest, from: Config): Record<string, unknown> {
  const sent: Record<string, unknown> = { ...from };
  if (guest.kind === "qemu" && sent.memory !== undefined) sent.memory = String(sent.memory);
  if (sent.agent !== undefined) sent.agent = String(sent.agent);
  return { ...sent, digest: call.world.digest(from) };
}

function audited(call: Call, kind: Kind): Guest {
  call.demand(`/vms/${call.vmid}`, "VM.Audit");
  return call.guest(kind);
}

function perKind(kind: Kind): Operation[] {
  const base = `/nodes/{node}/${kind}`;
  return [
    {
      method: "GET",
      path: base,
      params: kind === "qemu" ? { node, full: boolean() } : { node },
      returns: z.array(z.looseObject(entry)),
      run: (call) =>
        [...call.world.guests.values()]
          .filter((guest) => guest.kind === kind && guest.node === call.node && canSee(call, guest.vmid))
          .map((guest) => entryOf(call, guest)),
    },
    {
      method: "GET",
      path: `${base}/{vmid}/status/current`,
      params: { node, vmid: anyVmid },
      returns: current,
      run: (call) => {
        const guest = audited(call, kind);
        const qmp = guest.paused ? "paused" : guest.running ? "running" : "stopped";
        return {
          ...entryOf(call, guest),
          ha: { managed: 0 },
          ...(kind === "qemu" && { qmpstatus: qmp }),
          ...(kind === "qemu" && String(guest.config.agent ?? "").startsWith("1") && { agent: 1 }),
        };
      },
    },
    {
      method: "GET",
      path: `${base}/{vmid}/config`,
      params: { node, vmid: anyVmid, current: boolean(), snapshot: configId() },
      returns: config,
      run: (call) => {
        const guest = audited(call, kind);
        if (!call.has("snapshot")) return configOf(call, guest, guest.config);
        const name = call.text("snapshot");
        const snapshot = guest.snapshots.find((each) => each.name === name);
        if (!snapshot) throw refuse(`snapshot '${name}' does not exist`);
        return configOf(call, guest, snapshot.config);
      },
    },
    {
      method: "GET",
      path: `${base}/{vmid}/snapshot`,
      params: { node, vmid: anyVmid },
      returns: z.array(
        z.looseObject({
          name: z.string(),
          description: z.string(),
          snaptime: int.optional(),
          parent: z.string().optional(),
          vmstate: bit.optional(),
          digest: z.string().optional(),
          running: bit.optional(),
        }),
      ),
      run: (call) => {
        const guest = audited(call, kind);
        const last = guest.snapshots.at(-1)?.name;
        return [
          ...guest.snapshots.map((snapshot) => ({
            name: snapshot.name,
            description: snapshot.description,
            snaptime: snapshot.snaptime,
            ...(snapshot.parent !== undefined && { parent: snapshot.parent }),
            ...(kind === "qemu" && { vmstate: snapshot.vmstate ? 1 : 0 }),
          })),
          {
            name: "current",
            description: "You are here!",
            digest: call.world.digest(guest.config),
            running: guest.running ? 1 : 0,
            ...(last !== undefined && { parent: last }),
          },
        ];
      },
    },
  ];
}

const address = z.looseObject({ "ip-address": z.string(), "ip-address-type": z.string(), prefix: int });

export const macOf = (guest: Guest) =>
  (/([0-9A-F]{2}:){5}[0-9A-F]{2}/i.exec(String(guest.config.net0 ?? ""))?.[0] ?? "").toLowerCase();

export const guestOperations: Operation[] = [
  ...kinds.flatMap(perKind),
  {
    method: "GET",
    path: "/nodes/{node}/qemu/{vmid}/agent/network-get-interfaces",
    params: { node, vmid: anyVmid },
    returns: z.looseObject({
      result: z.array(
        z.looseObject({ name: z.string(), "hardware-address": z.string(), "ip-addresses": z.array(address) }),
      ),
    }),
    run: async (call) => {
      const wanted =
        call.world.major >= 9 ? ["VM.GuestAgent.Audit", "VM.GuestAgent.Unrestricted"] : ["VM.Monitor"];
      call.demand(`/vms/${call.vmid}`, ...wanted);
      const guest = call.guest("qemu");
      if (!guest.running) throw refuse(`VM ${guest.vmid} is not running`);
      if (!guest.agent.up) {
        await call.world.sleep(3_000);
        throw refuse("QEMU guest agent is not running");
      }
      const statistics = {
        "rx-packets": 0,
        "rx-bytes": 0,
        "tx-packets": 0,
        "tx-bytes": 0,
        "rx-errs": 0,
        "tx-errs": 0,
      };
      const spell = (spelled: string) => {
        const [ip = "", prefix = "24"] = spelled.split("/");
        return {
          "ip-address": ip,
          "ip-address-type": ip.includes(":") ? "ipv6" : "ipv4",
          prefix: Number(prefix),
        };
      };
      const card = (name: string, mac: string, addresses: string[]) => ({
        name,
        "hardware-address": mac,
        "ip-addresses": addresses.map(spell),
        statistics,
      });
      return {
        result: [
          card("lo", "00:00:00:00:00:00", ["127.0.0.1/8", "::1/128"]),
          card("eth0", macOf(guest), guest.agent.addresses),
        ],
      };
    },
  },
  {
    method: "GET",
    path: "/nodes/{node}/lxc/{vmid}/interfaces",
    params: { node, vmid: anyVmid },
    since: 8,
    returns: z.array(z.looseObject({ name: z.string(), hwaddr: z.string(), inet: z.string().optional() })),
    run: (call) => {
      const guest = audited(call, "lxc");
      if (!guest.running) throw refuse(`CT ${guest.vmid} not running`);
      const card = (name: string, mac: string, inet?: string) => ({
        name,
        hwaddr: mac,
        ...(inet !== undefined && { inet }),
        ...(call.world.major >= 9 && { "hardware-address": mac, "ip-addresses": [] }),
      });
      return [
        card("lo", "00:00:00:00:00:00", "127.0.0.1/8"),
        card("eth0", macOf(guest), guest.agent.addresses[0]),
      ];
    },
  },
];
