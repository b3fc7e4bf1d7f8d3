import type { DhcpPacket } from "../protocols/dhcp4/packet.ts";
import { summary } from "../protocols/dhcp4/summary.ts";
import { formatIpv4 } from "../protocols/inet/ipv4.ts";
import type { BootFact, DhcpFact } from "./boot-fact.ts";
import type { DhcpExchange } from "./dhcp-events.ts";

/** What the TFTP edge tells, as far as the record keeps it. */
export type TftpObserved =
  | ({ kind: "transfer-started" } & TransferObserved)
  | ({
      kind: "transfer-ended";
      outcome: string;
      detail: string;
      bytes: number;
      retries: number;
      durationMs: number;
    } & TransferObserved)
  | { kind: "request-refused"; at: number; client: { address: string }; filename: string; reason: string };

interface TransferObserved {
  at: number;
  client: { address: string };
  path: string;
  size: number;
  blksize: number;
  windowsize: number;
}

/** No single text of a hostile packet takes more room than this in the record. */
const maxText = 400;
export const cut = (text: string) => (text.length > maxText ? `${text.slice(0, maxText)}…` : text);

/** An exchange as the record keeps it. */
export function dhcpFact(event: DhcpExchange): DhcpFact {
  const { at, port, client, request, outcome } = event;
  const reply = outcome.kind === "answered" ? outcome.reply : undefined;
  const address = addressOf(event);
  const bootFile = reply && (reply.options.bootFileName || reply.file);
  return {
    kind: "dhcp",
    at,
    port,
    interface: event.interface,
    message: request.options.messageType ?? "BOOTP",
    client: client.kind,
    platform: client.platform,
    ...(reply && { answer: reply.options.messageType ?? "BOOTP", reply: cut(summary(reply)) }),
    ...(address !== undefined && { address }),
    ...(bootFile ? { bootFile: cut(bootFile) } : {}),
    ...(outcome.kind !== "answered" && { ignored: cut(outcome.reason) }),
    request: cut(summary(request)),
  };
}

/** The address the client has from this exchange on; in proxy mode it says itself what the other server gave it. */
export function addressOf({ request, outcome }: DhcpExchange): string | undefined {
  const given = outcome.kind === "answered" ? outcome.reply.yiaddr : 0;
  const asked = request.options.messageType === "DHCPREQUEST" ? (request.options.requestedAddress ?? 0) : 0;
  const address = given || request.ciaddr || asked;
  return address === 0 ? undefined : formatIpv4(address);
}

export function tftpFact(event: TftpObserved): BootFact {
  const { at } = event;
  if (event.kind === "request-refused") {
    return { kind: "tftp-refused", at, path: cut(event.filename), reason: cut(event.reason) };
  }
  const { path, size, blksize, windowsize } = event;
  const transfer = { kind: "transfer", at, path: cut(path), size, blksize, windowsize } as const;
  if (event.kind === "transfer-started") return { ...transfer, outcome: "running" };
  const { outcome, detail, bytes, retries, durationMs } = event;
  return { ...transfer, at: at - durationMs, outcome, detail: cut(detail), bytes, retries, durationMs };
}

/** What another server gave, where it gave anything. */
export function addressGiven(reply: DhcpPacket): string | undefined {
  return reply.yiaddr === 0 ? undefined : formatIpv4(reply.yiaddr);
}
