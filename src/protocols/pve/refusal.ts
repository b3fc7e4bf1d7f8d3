/** What the text of a refusal says, in Proxmox's own wordings (seen on 9.2; older ones use the same). */
export type Refusal =
  | { kind: "forbidden"; path: string | undefined; privileges: string[] }
  /** The guest's configuration holds a lock (`backup`, `clone`, `snapshot` …): no token can clear it. */
  | { kind: "locked"; lock: string; vmid: number | undefined }
  /** The lock *file* was not to be had in 5–10 s: passes by itself. */
  | { kind: "lock-timeout" }
  | { kind: "guest-missing" }
  | { kind: "guest-exists" }
  | { kind: "digest-mismatch" }
  | { kind: "agent-down" }
  | { kind: "guest-running" }
  | { kind: "guest-stopped" }
  | { kind: "protected" }
  | { kind: "other" };

export type RefusalKind = Refusal["kind"];

const privilege = /Permission check failed(?: \(([^)]*)\))?/;

/** Reads a status line, a message, a task's exit status or a line of its log. */
export function readRefusal(text: string): Refusal {
  const denied = privilege.exec(text);
  if (denied) return readForbidden(denied[1]);
  if (/can't lock file '[^']*' - got timeout/.test(text)) return { kind: "lock-timeout" };
  const locked = /(?:(?:VM|CT)(?: (\d+))? is locked|is locked) \(([^)]+)\)/.exec(text);
  if (locked) {
    const vmid = locked[1] === undefined ? undefined : Number(locked[1]);
    return { kind: "locked", lock: locked[2] ?? "", vmid };
  }
  return { kind: plainKind(text) };
}

const wordings: readonly [RegExp, Exclude<RefusalKind, "forbidden" | "locked" | "lock-timeout">][] = [
  [/(VM|CT) \d+ already exists|config file already exists/, "guest-exists"],
  [/Configuration file '[^']*' does not exist|unable to find configuration file/, "guest-missing"],
  [/checksum mismatch|detected modified configuration/, "digest-mismatch"],
  [/QEMU guest agent is not running|No QEMU guest agent configured/i, "agent-down"],
  [/is running - destroy failed|container is running|while the source VM is running/, "guest-running"],
  [/(VM|CT) \d+ not running/, "guest-stopped"],
  [/protection mode enabled/, "protected"],
];

function plainKind(text: string): Exclude<RefusalKind, "forbidden" | "locked" | "lock-timeout"> {
  return wordings.find(([wording]) => wording.test(text))?.[1] ?? "other";
}

/** `/vms/101, VM.PowerMgmt`, alternatives joined by `|`; nothing at all for create and clone. */
function readForbidden(inner: string | undefined): Refusal {
  const found = /^(\/[^,]*), ([A-Za-z.|]+)$/.exec(inner ?? "");
  if (!found) return { kind: "forbidden", path: undefined, privileges: [] };
  return { kind: "forbidden", path: found[1], privileges: (found[2] ?? "").split("|") };
}
