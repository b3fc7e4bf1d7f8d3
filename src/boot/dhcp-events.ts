import type { Mac } from "../platform/mac.ts";
import type { DhcpPacket } from "../protocols/dhcp4/packet.ts";
import type { BootClient } from "./classify.ts";

/** What happened on the DHCP ports, for the boot record and the log. */
export type DhcpEvent = DhcpExchange | DhcpOverheard | DhcpTrouble;

/** A request and what became of it. */
export interface DhcpExchange {
  kind: "exchange";
  /** Milliseconds since the epoch. */
  at: number;
  interface: string;
  /** 67, or 4011 for BINL. */
  port: 67 | 4011;
  mac: Mac;
  xid: number;
  client: BootClient;
  request: DhcpPacket;
  outcome:
    | { kind: "answered"; reply: DhcpPacket /** Milliseconds from the request to the send. */; took: number }
    | { kind: "recorded" | "ignored"; reason: string };
}

/** An answer of another server, broadcast on this wire. */
export interface DhcpOverheard {
  kind: "overheard";
  at: number;
  interface: string;
  mac: Mac;
  reply: DhcpPacket;
}

/** Something on this network that keeps machines from booting, and what to do about it. */
export interface DhcpTrouble {
  kind: "trouble";
  at: number;
  interface: string;
  /** Absent where the whole network has it. */
  mac?: Mac;
  trouble: TroubleCode;
  message: string;
}

export type TroubleCode =
  /** Rule 3: another server says `PXEClient` (option 60) and leaves option 43 out. */
  | "option-60-without-43"
  /** Rule 3: a client keeps asking on 4011, as if no answer reached it (PXE-E55). */
  | "binl-unanswered"
  /** Rule 9: EDK2 keeps the first proxy offer and drops the other. */
  | "second-proxy"
  /** Rule 10: a ROM that takes no boot file from one server and an address from another. */
  | "offers-not-merged"
  /** Another server hands out addresses where we do. */
  | "second-dhcp-server"
  /** Somebody holds an address that we were about to give, or gave. */
  | "address-conflict"
  | "range-exhausted";
