import { z } from "zod";
import { badParams } from "./failure.ts";
import { bit, type Call, int, type Operation } from "./operation.ts";
import { node, required, string, vmid } from "./params.ts";
import type { Guest } from "./world.ts";

const gib = 1024 ** 3;
const versions = { "7.4": "7.4-19", "8.4": "8.4.14", "9.2": "9.2.11" } as const;

const nodeEntry = z.looseObject({
  node: z.string(),
  id: z.string().optional(),
  type: z.string().optional(),
  status: z.enum(["unknown", "online", "offline"]),
  ssl_fingerprint: z.string().optional(),
  level: z.string().optional(),
  cpu: z.number().optional(),
  maxcpu: int.optional(),
  mem: int.optional(),
  maxmem: int.optional(),
  disk: int.optional(),
  maxdisk: int.optional(),
  uptime: int.optional(),
});
const use = z.looseObject({ total: int, used: int, free: int });
const resource = z.looseObject({
  id: z.string(),
  type: z.enum(["node", "storage", "pool", "qemu", "lxc", "sdn", "network"]),
  node: z.string().optional(),
  vmid: int.optional(),
  name: z.string().optional(),
  status: z.string().optional(),
  template: bit.optional(),
  pool: z.string().optional(),
  tags: z.string().optional(),
  lock: z.string().optional(),
  storage: z.string().optional(),
  shared: bit.optional(),
  content: z.string().optional(),
  plugintype: z.string().optional(),
  level: z.string().optional(),
  cpu: z.number().optional(),
  maxcpu: z.number().optional(),
  mem: int.optional(),
  maxmem: int.optional(),
  disk: int.optional(),
  maxdisk: int.optional(),
  diskread: int.optional(),
  diskwrite: int.optional(),
  netin: int.optional(),
  netout: int.optional(),
  uptime: int.optional(),
});

export const memoryBytes = (guest: Guest) =>
  Number(String(guest.config.memory ?? 512).replace(/^current=/, "")) * 1024 * 1024;

/** The boot disk's size, as lists give it. */
export function diskBytes(call: Call, guest: Guest): number {
  const name =
    guest.kind === "lxc"
      ? "rootfs"
      : Object.keys(guest.config).find((key) => /^(scsi|virtio|sata|ide)\d+$/.test(key));
  const volid = String(guest.config[name ?? ""] ?? "").split(",")[0] ?? "";
  return volid.includes(":") ? (call.world.volume(volid)?.size ?? 0) : 0;
}

function guestResource(call: Call, guest: Guest) {
  const { world } = call;
  const settling = world.nodes.get(guest.node)?.settling === true;
  const pool = world.rights.poolOf(guest.vmid);
  const base = { id: `${guest.kind}/${guest.vmid}`, type: guest.kind, vmid: guest.vmid, node: guest.node };
  if (settling) return { ...base, status: "unknown" };
  const { config } = guest;
  return {
    ...base,
    name: String(config.name ?? config.hostname ?? `${guest.kind === "qemu" ? "VM" : "CT"} ${guest.vmid}`),
    status: guest.running ? "running" : "stopped",
    template: config.template === 1 ? 1 : 0,
    cpu: 0,
    maxcpu: Number(config.cores ?? 1),
    mem: 0,
    maxmem: memoryBytes(guest),
    disk: 0,
    maxdisk: diskBytes(call, guest),
    diskread: 0,
    diskwrite: 0,
    netin: 0,
    netout: 0,
    uptime: guest.running ? world.now() - guest.startedAt : 0,
    ...(world.major >= 9 && { memhost: 0 }),
    ...(config.tags !== undefined && { tags: String(config.tags) }),
    ...(config.lock !== undefined && { lock: String(config.lock) }),
    ...(pool !== undefined && { pool }),
  };
}

export const canSee = (call: Call, number: number) => call.can(`/vms/${number}`, "VM.Audit");
export const canSeeStorage = (call: Call, name: string) =>
  call.can(`/storage/${name}`, "Datastore.Audit", "Datastore.AllocateSpace");

function nodeList(call: Call) {
  return [...call.world.nodes.values()].map(({ name, online, fingerprint }) => ({
    node: name,
    id: `node/${name}`,
    type: "node",
    status: online ? "online" : "offline",
    level: "",
    ssl_fingerprint: fingerprint,
    ...(online && {
      cpu: 0.1,
      maxcpu: 4,
      mem: gib,
      maxmem: 16 * gib,
      disk: gib,
      maxdisk: 200 * gib,
      uptime: 86_400,
    }),
  }));
}

function resources(call: Call) {
  const { world } = call;
  const type = call.maybe("type");
  const guests = [...world.guests.values()].filter(({ vmid: number }) => canSee(call, number));
  const storages = [...world.nodes.keys()].flatMap((name) =>
    [...world.storages.values()]
      .filter((storage) => canSeeStorage(call, storage.name))
      .map((storage) => ({
        id: `storage/${name}/${storage.name}`,
        type: "storage",
        node: name,
        storage: storage.name,
        status: "available",
        plugintype: storage.type,
        content: storage.content.join(","),
        shared: storage.shared ? 1 : 0,
        disk: 30 * gib,
        maxdisk: 250 * gib,
      })),
  );
  const pools = [...world.rights.pools.keys()]
    .filter((name) => call.can(`/pool/${name}`, "Pool.Audit"))
    .map((name) => ({ id: `/pool/${name}`, type: "pool", pool: name }));
  const nodes = nodeList(call).map(({ ssl_fingerprint: _, ...entry }) => entry);
  const all = [...pools, ...guests.map((guest) => guestResource(call, guest)), ...nodes, ...storages];
  const wanted: Record<string, string[]> = {
    vm: ["qemu", "lxc"],
    storage: ["storage"],
    node: ["node"],
    sdn: ["sdn"],
  };
  return type === undefined ? all : all.filter((entry) => wanted[type]?.includes(entry.type));
}

function nextId(call: Call): string {
  const { guests } = call.world;
  if (call.has("vmid")) {
    if (guests.has(call.vmid)) throw badParams({ vmid: `VM ${call.vmid} already exists` });
    return String(call.vmid);
  }
  for (let candidate = 100; ; candidate++) if (!guests.has(candidate)) return String(candidate);
}

function poolMembers(call: Call, name: string) {
  const pool = call.world.rights.pools.get(name);
  const guests = [...(pool?.vms ?? [])].flatMap((number) => call.world.guests.get(number) ?? []);
  return {
    ...(pool?.comment !== undefined && { comment: pool.comment }),
    members: guests
      .filter(({ vmid: number }) => canSee(call, number))
      .map((guest) => guestResource(call, guest)),
  };
}

/** What the token may do, at every path that says something about it or its owner. */
function permissions(call: Call) {
  const { rights } = call.world;
  const { user, tokenid } = call.caller;
  const named = rights.acl
    .filter(({ who }) => who === user || who === `${user}!${tokenid}`)
    .map(({ path }) => path);
  const usual = ["/", "/access", "/nodes", "/pool", "/sdn", "/storage", "/vms"];
  const pooled = [...rights.pools.values()].flatMap(({ vms }) => [...vms].map((number) => `/vms/${number}`));
  const paths = [...new Set([...usual, ...named, ...pooled])].filter(
    (path) => call.maybe("path") === undefined || call.text("path") === path,
  );
  const found: Record<string, Record<string, number>> = {};
  for (const path of paths) {
    const held = [...rights.effective(call.caller, path)];
    if (held.length > 0)
      found[path] = Object.fromEntries(held.map(([name, propagate]) => [name, propagate ? 1 : 0]));
  }
  return found;
}

export const clusterOperations: Operation[] = [
  {
    method: "GET",
    path: "/version",
    params: {},
    returns: z.looseObject({ version: z.string(), release: z.string(), repoid: z.string() }),
    run: ({ world }) => ({
      version: versions[world.options.version],
      release: world.options.version,
      repoid: "f00dfeedbeef0123",
    }),
  },
  { method: "GET", path: "/nodes", params: {}, returns: z.array(nodeEntry), run: nodeList },
  {
    method: "GET",
    path: "/nodes/{node}/status",
    params: { node },
    returns: z.looseObject({
      pveversion: z.string(),
      uptime: int,
      cpu: z.number(),
      loadavg: z.array(z.string()),
      memory: use,
      rootfs: use,
      cpuinfo: z.looseObject({ cpus: int, model: z.string(), sockets: int }),
    }),
    run: (call) => {
      call.demand(`/nodes/${call.node}`, "Sys.Audit");
      return {
        pveversion: `pve-manager/${versions[call.world.options.version]}/f00dfeedbeef0123`,
        kversion: "Linux 6.8.0-1-pve #1 SMP",
        uptime: 86_400,
        cpu: 0.1,
        wait: 0,
        idle: 0,
        loadavg: ["0.10", "0.20", "0.30"],
        memory: { total: 16 * gib, used: 4 * gib, free: 12 * gib },
        swap: { total: 0, used: 0, free: 0 },
        rootfs: { total: 200 * gib, used: 20 * gib, free: 180 * gib, avail: 170 * gib },
        cpuinfo: {
          cpus: 4,
          cores: 4,
          sockets: 1,
          model: "Fake CPU",
          mhz: "2500.000",
          user_hz: 100,
          hvm: "1",
          flags: "fpu",
        },
        ksm: { shared: 0 },
        ...(call.world.major >= 8 && {
          "boot-info": { mode: "efi" },
          "current-kernel": {
            sysname: "Linux",
            release: "6.8.0-1-pve",
            version: "#1 SMP",
            machine: "x86_64",
          },
        }),
      };
    },
  },
  {
    method: "GET",
    path: "/cluster/resources",
    params: { type: string({ enum: ["vm", "storage", "node", "sdn"] }) },
    returns: z.array(resource),
    run: resources,
  },
  {
    method: "GET",
    path: "/cluster/nextid",
    params: { vmid: vmid() },
    // Described as an integer, sent as text.
    returns: z.string().regex(/^\d+$/),
    run: nextId,
  },
  {
    method: "GET",
    path: "/pools",
    params: {
      poolid: string({ format: "pve-poolid", since: 8 }),
      type: string({ enum: ["qemu", "lxc", "storage"], since: 8 }),
    },
    returns: z.array(z.looseObject({ poolid: z.string(), comment: z.string().optional() })),
    run: (call) =>
      [...call.world.rights.pools]
        .filter(([name]) => call.can(`/pool/${name}`, "Pool.Audit"))
        .filter(([name]) => !call.has("poolid") || name === call.text("poolid"))
        .map(([name, { comment }]) => ({
          poolid: name,
          ...(comment !== undefined && { comment }),
          ...(call.has("poolid") && poolMembers(call, name)),
        })),
  },
  {
    method: "GET",
    path: "/pools/{poolid}",
    params: {
      poolid: required(string({ format: "pve-poolid" })),
      type: string({ enum: ["qemu", "lxc", "storage"] }),
    },
    returns: z.looseObject({ members: z.array(resource), comment: z.string().optional() }),
    run: (call) => {
      call.demand(`/pool/${call.text("poolid")}`, "Pool.Audit");
      return poolMembers(call, call.text("poolid"));
    },
  },
  {
    method: "GET",
    path: "/access/permissions",
    params: { path: string(), userid: string() },
    returns: z.record(z.string(), z.record(z.string(), bit)),
    run: permissions,
  },
];
