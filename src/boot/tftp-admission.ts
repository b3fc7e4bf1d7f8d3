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

/** Who may have a transfer now: so many in all, so many for one client address. */
export interface Admission {
  find(key: string): Slot | undefined;
  /** A slot, or why there is none, in words for the client. */
  enter(
    key: string,
    client: TftpClient,
    request: RequestPacket,
  ): { kind: "slot"; slot: Slot } | { kind: "busy"; reason: string };
  release(slot: Slot): void;
  /** May be released while being gone through. */
  slots(): Iterable<Slot>;
  size(): number;
}

export function createAdmission(
  limits: Pick<TftpLimits, "transfers" | "perClient">,
  onChange: (size: number) => void,
): Admission {
  const slots = new Map<string, Slot>();
  const perClient = new Map<string, number>();
  return {
    find: (key) => slots.get(key),
    enter(key, client, request) {
      const { address } = client;
      const own = perClient.get(address) ?? 0;
      if (slots.size >= limits.transfers) {
        return { kind: "busy", reason: `server busy with ${limits.transfers} transfers, try again` };
      }
      if (own >= limits.perClient) {
        return { kind: "busy", reason: `${address} has ${own} transfers under way, the most it may have` };
      }
      const slot: Slot = { key, client, request, transfer: undefined, released: false };
      slots.set(key, slot);
      perClient.set(address, own + 1);
      onChange(slots.size);
      return { kind: "slot", slot };
    },
    release(slot) {
      if (slot.released) return;
      slot.released = true;
      if (slots.get(slot.key) === slot) slots.delete(slot.key);
      const { address } = slot.client;
      const left = (perClient.get(address) ?? 1) - 1;
      if (left > 0) perClient.set(address, left);
      else perClient.delete(address);
      onChange(slots.size);
    },
    slots: () => slots.values(),
    size: () => slots.size,
  };
}
