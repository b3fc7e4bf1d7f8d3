import { z } from "zod";
import { type CallOptions, type PveApi, readAs, route } from "./api.ts";
import { type GuestConfig, guestConfig } from "./guest-config.ts";
import { type GuestKind, type GuestRef, isVmid, type Vmid } from "./vmid.ts";
import { flag, integer, maybe, number, text, words } from "./wire.ts";

const vmid = integer.refine(isVmid, "not a vmid");
const common = {
  status: text,
  name: maybe(text),
  lock: maybe(text),
  tags: maybe(words).transform((tags) => tags ?? []),
  template: maybe(flag).transform((template) => template ?? false),
  uptime: maybe(integer),
  cpu: maybe(number),
  cpus: maybe(number),
  mem: maybe(integer),
  maxmem: maybe(integer),
  maxdisk: maybe(integer),
  pid: maybe(integer),
};
const listed = z.object({ ...common, vmid });
const status = z.object({
  ...common,
  vmid: maybe(integer),
  /** `running`, `paused`, `prelaunch` …: `status` stays `running` while the guest is suspended. */
  qmpstatus: maybe(text),
  agent: maybe(flag),
  ha: maybe(z.object({ managed: maybe(flag), state: maybe(text) })),
});

const snapshot = z.object({
  name: text,
  description: maybe(text),
  /** Seconds since the epoch. */
  snaptime: maybe(integer),
  parent: maybe(text),
  vmstate: maybe(flag),
  snapstate: maybe(text),
});

const agentInterfaces = z.object({
  result: z.array(
    z.object({
      name: maybe(text),
      "hardware-address": maybe(text),
      "ip-addresses": maybe(
        z.array(z.object({ "ip-address": text, "ip-address-type": maybe(text), prefix: maybe(integer) })),
      ),
    }),
  ),
});
const lxcInterfaces = z.array(
  z.object({ name: maybe(text), hwaddr: maybe(text), inet: maybe(text), inet6: maybe(text) }),
);

export type ListedGuest = z.infer<typeof listed> & { kind: GuestKind; node: string };
export type GuestStatus = z.infer<typeof status>;
export type Snapshot = z.infer<typeof snapshot>;
export interface GuestInterface {
  name: string | undefined;
  /** In lower case. */
  mac: string | undefined;
  /** `10.77.1.42/16` */
  addresses: string[];
}

export const guestPath = ({ node, kind, vmid: number }: GuestRef) => route`/nodes/${node}/${kind}/${number}`;

export function createGuests(api: PveApi) {
  return {
    /** Filtered by VM.Audit: what the token may not see is not there. */
    list: async (node: string, kind: GuestKind, options?: CallOptions): Promise<ListedGuest[]> => {
      const found = await readAs(api, z.array(listed), route`/nodes/${node}/${kind}`, undefined, options);
      return found.map((guest) => ({ ...guest, kind, node }));
    },
    /** Where a guest is now; `undefined` when there is none, or none the token may see. */
    find: async (wanted: Vmid, options?: CallOptions): Promise<GuestRef | undefined> => {
      const resources = await readAs(api, z.array(located), "/cluster/resources", { type: "vm" }, options);
      const found = resources.find((resource) => resource.vmid === wanted);
      return found && { kind: found.type, node: found.node, vmid: wanted };
    },
    status: (guest: GuestRef, options?: CallOptions): Promise<GuestStatus> =>
      readAs(api, status, `${guestPath(guest)}/status/current`, undefined, options),
    /** The configuration as it is set, or as a snapshot holds it. */
    config: (guest: GuestRef, snapshotName?: string, options?: CallOptions): Promise<GuestConfig> =>
      readAs(api, guestConfig, `${guestPath(guest)}/config`, { snapshot: snapshotName }, options),
    /** Without the pseudo-entry `current` that every list ends in. */
    snapshots: async (guest: GuestRef, options?: CallOptions): Promise<Snapshot[]> => {
      const found = await readAs(api, z.array(snapshot), `${guestPath(guest)}/snapshot`, undefined, options);
      return found.filter(({ name }) => name !== "current");
    },
    /** Of a VM by its guest agent: each call blocks 3 s while that is down, so poll gently. */
    interfaces: async (guest: GuestRef, options?: CallOptions): Promise<GuestInterface[]> => {
      if (guest.kind === "qemu") {
        const path = `${guestPath(guest)}/agent/network-get-interfaces`;
        return (await readAs(api, agentInterfaces, path, undefined, options)).result.map((each) => ({
          name: each.name,
          mac: each["hardware-address"]?.toLowerCase(),
          addresses: (each["ip-addresses"] ?? []).map((address) =>
            address.prefix === undefined
              ? address["ip-address"]
              : `${address["ip-address"]}/${address.prefix}`,
          ),
        }));
      }
      return (await readAs(api, lxcInterfaces, `${guestPath(guest)}/interfaces`, undefined, options)).map(
        (each) => ({
          name: each.name,
          mac: each.hwaddr?.toLowerCase(),
          addresses: [each.inet, each.inet6].filter((address) => address !== undefined),
        }),
      );
    },
  };
}

const located = z.object({ vmid: integer, node: text, type: z.enum(["qemu", "lxc"]) });

export type PveGuests = ReturnType<typeof createGuests>;
