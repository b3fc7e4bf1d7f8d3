declare const brand: unique symbol;
/** A task's identity as Proxmox spells it: `UPID:node:pid:pstart:starttime:type:id:user:`. */
export type Upid = string & { readonly [brand]: "Upid" };

export interface UpidParts {
  node: string;
  pid: number;
  /** Process start, in jiffies since the node's boot. */
  pstart: number;
  /** Seconds since the epoch, by the node's clock. */
  starttime: number;
  /** `qmclone`, `vzdump`, `imgcopy` … */
  type: string;
  /** Often the vmid; of a clone the *source's*; empty, `103@store2` or `101-unused0>103-scsi3` for others. */
  id: string;
  /** `lab@pve`, without the token's name. */
  user: string;
  /** `appliance` of `lab@pve!appliance`. */
  tokenid: string | undefined;
}

// pstart has eight digits and grows to nine on long-running nodes.
const spelled =
  /^UPID:([a-zA-Z0-9][a-zA-Z0-9-]*):([0-9A-Fa-f]{8}):([0-9A-Fa-f]{8,9}):([0-9A-Fa-f]{8}):([^:\s]+):([^:\s]*):([^:\s]+):$/;

export function isUpid(text: string): text is Upid {
  return spelled.test(text);
}

/** `undefined` for anything that is not a UPID. */
export function parseUpid(text: string): UpidParts | undefined {
  const found = spelled.exec(text);
  if (!found) return undefined;
  const [, node = "", pid = "", pstart = "", starttime = "", type = "", rawId = "", owner = ""] = found;
  const bang = owner.indexOf("!");
  const hex = (digits: string) => Number.parseInt(digits, 16);
  return {
    node,
    pid: hex(pid),
    pstart: hex(pstart),
    starttime: hex(starttime),
    type,
    id: unescapeId(rawId),
    user: bang < 0 ? owner : owner.slice(0, bang),
    tokenid: bang < 0 ? undefined : owner.slice(bang + 1),
  };
}

export function formatUpid(parts: UpidParts): string {
  const hex = (value: number) => value.toString(16).toUpperCase().padStart(8, "0");
  const owner = parts.tokenid === undefined ? parts.user : `${parts.user}!${parts.tokenid}`;
  return `UPID:${parts.node}:${hex(parts.pid)}:${hex(parts.pstart)}:${hex(parts.starttime)}:${parts.type}:${escapeId(parts.id)}:${owner}:`;
}

/** The id may hold any text; Proxmox writes `:` and other awkward bytes as `\xHH` (the form systemd uses). */
const escapeId = (id: string) =>
  id.replace(/[\\:\s]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
const unescapeId = (id: string) =>
  id.replace(/\\x([0-9A-Fa-f]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
