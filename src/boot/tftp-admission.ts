import type { RequestPacket } from "../protocols/tftp/packet.ts";
import type { TftpLimits } from "./tftp-limits.ts";
import type { TftpClient } from "./tftp-source.ts";
import type { Transfer } from "./tftp-transfer.server.ts";

/** One request's place among the transfers, from its first packet to its end. */
export interface Slot {
  /** Who asked whom: client address and port, our address. */
  readonly key: string;
  readonly client: TftpClient;
  readonly request: RequestPacket;
  /** `undefined` while the file is being opened. */
  transfer: Transfer | undefined;
  released: boolean;
}

/** Somebody's request for a file, and what to do with the slot it gets. */
export interface Applicant {
  key: string;
  client: TftpClient;
  request: RequestPacket;
  start(slot: Slot): void;
}

export type Entry =
  | { kind: "admitted" }
  /** Until there is room, as long as the client keeps asking; `before` it as many others. */
  | { kind: "waits"; before: number }
  /** Why there is no place, in words for the client. */
  | { kind: "busy"; reason: string };

/** Who may have a transfer now: so many in all, so many for one client address; who comes late waits for his turn. */
export interface Admission {
  find(key: string): Slot | undefined;
  enter(applicant: Applicant, now: number): Entry;
  release(slot: Slot, now: number): void;
  /** Nobody waits any more for what this address of ours was asked. */
  dismiss(local: string): void;
  /** May be released while being gone through. */
  slots(): Iterable<Slot>;
  size(): number;
  waiting(): number;
}

export function createAdmission(
  limits: Pick<TftpLimits, "transfers" | "perClient" | "waiting" | "patienceMs">,
  onChange: (size: number) => void,
): Admission {
  const slots = new Map<string, Slot>();
  const perClient = new Map<string, number>();
  /** Oldest first. */
  const waiting = new Map<string, Applicant & { askedAt: number }>();

  function leave({ address }: TftpClient): void {
    const left = (perClient.get(address) ?? 1) - 1;
    if (left > 0) perClient.set(address, left);
    else perClient.delete(address);
  }

  function admit({ key, client, request, start }: Applicant): void {
    const slot: Slot = { key, client, request, transfer: undefined, released: false };
    slots.set(key, slot);
    onChange(slots.size);
    start(slot);
  }

  /** The oldest whose client has not given up; those who have make room. */
  function next(now: number): Applicant | undefined {
    for (const [key, applicant] of waiting) {
      waiting.delete(key);
      if (now - applicant.askedAt <= limits.patienceMs) return applicant;
      leave(applicant.client);
    }
    return undefined;
  }

  return {
    find: (key) => slots.get(key),
    enter(applicant, now) {
      const { key, client } = applicant;
      const { address } = client;
      const known = waiting.has(key);
      const own = perClient.get(address) ?? 0;
      if (!known && own >= limits.perClient) {
        return { kind: "busy", reason: `${address} has ${own} transfers under way, the most it may have` };
      }
      const full = slots.size >= limits.transfers;
      if (full && !known && waiting.size >= limits.waiting) {
        return { kind: "busy", reason: `server busy with ${slots.size} transfers, ${waiting.size} wait` };
      }
      if (!known) perClient.set(address, own + 1);
      if (full) {
        waiting.set(key, { ...applicant, askedAt: now });
        return { kind: "waits", before: waiting.size - 1 };
      }
      waiting.delete(key);
      admit(applicant);
      return { kind: "admitted" };
    },
    release(slot, now) {
      if (slot.released) return;
      slot.released = true;
      if (slots.get(slot.key) === slot) slots.delete(slot.key);
      leave(slot.client);
      onChange(slots.size);
      const applicant = slots.size < limits.transfers ? next(now) : undefined;
      if (applicant !== undefined) admit(applicant);
    },
    dismiss(local) {
      for (const [key, { client }] of waiting) {
        if (client.local !== local) continue;
        waiting.delete(key);
        leave(client);
      }
    },
    slots: () => slots.values(),
    size: () => slots.size,
    waiting: () => waiting.size,
  };
}
