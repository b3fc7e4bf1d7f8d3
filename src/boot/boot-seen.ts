import type { BootFact, DhcpFact, TransferFact } from "./boot-fact.ts";

/** A fact as it was recorded: `times` in a row, the last at `lastAt` (milliseconds since the epoch). */
export interface Entry {
  fact: BootFact;
  times: number;
  lastAt: number;
}

type Of<Kind extends BootFact["kind"]> = Extract<BootFact, { kind: Kind }>;
/** A file that was handed over, by either protocol. */
export interface Handed {
  at: number;
  path: string;
  over: "TFTP" | "HTTP";
  /** All of it, as far as can be seen from here. */
  whole: boolean;
}

/** One boot's facts sorted into the questions a verdict asks of them. Names of files carry no first slash. */
export interface Seen {
  entries: readonly Entry[];
  firstAt: number;
  lastAt: number;
  /** The firmware's own, by message and port; iPXE's and operating systems' apart. */
  discovers: Entry[];
  binl: Entry[];
  /** Sum of the times of `discovers`. */
  discoverCount: number;
  /** The firmware accepted an address. */
  acked: DhcpFact | undefined;
  /** The last boot file the firmware was offered, with the fact that offered it. */
  offered: { file: string; fact: DhcpFact } | undefined;
  ipxe: DhcpFact | undefined;
  transfers: TransferFact[];
  refused: Of<"tftp-refused">[];
  fetches: Of<"fetch">[];
  handed: Handed[];
  script: Of<"script"> | undefined;
  troubles: Of<"trouble">[];
  discovered: Of<"discovered"> | undefined;
  stage: Of<"stage"> | undefined;
  install: Of<"install"> | undefined;
}

export function lookAt(entries: readonly Entry[]): Seen {
  const all = <Kind extends BootFact["kind"]>(kind: Kind) =>
    // checked: a fact of this kind is of this kind's type
    entries.filter(({ fact }) => fact.kind === kind).map(({ fact }) => fact as Of<Kind>);
  const firmware = entries.filter(
    ({ fact }) => fact.kind === "dhcp" && (fact.client === "pxe" || fact.client === "http"),
  );
  const dhcp = all("dhcp");
  const ofFirmware = dhcp.filter(({ client }) => client === "pxe" || client === "http");
  const discovers = firmware.filter(({ fact }) => fact.kind === "dhcp" && fact.message === "DHCPDISCOVER");
  const offering = ofFirmware.findLast(({ bootFile }) => bootFile !== undefined);
  const transfers = all("transfer");
  const fetches = all("fetch");
  return {
    entries,
    firstAt: entries[0]?.fact.at ?? 0,
    lastAt: entries.reduce((last, entry) => Math.max(last, entry.lastAt), 0),
    discovers,
    binl: firmware.filter(({ fact }) => fact.kind === "dhcp" && fact.port === 4011),
    discoverCount: discovers.reduce((sum, { times }) => sum + times, 0),
    acked: ofFirmware.find(({ message, port }) => message === "DHCPREQUEST" && port === 67),
    offered: offering?.bootFile === undefined ? undefined : { file: offering.bootFile, fact: offering },
    ipxe: dhcp.find(({ client }) => client === "ipxe"),
    transfers,
    refused: all("tftp-refused"),
    fetches,
    handed: [
      ...transfers
        .filter(({ outcome }) => outcome === "completed" || outcome === "unconfirmed")
        .map(({ at, path }) => ({ at, path: bare(path), over: "TFTP" as const, whole: true })),
      ...fetches
        .filter(
          ({ method, status }) => method === "GET" && (status === 200 || status === 206 || status === 304),
        )
        .map(({ at, path, status }) => ({
          at,
          path: bare(path),
          over: "HTTP" as const,
          whole: status === 200,
        })),
    ].sort((a, b) => a.at - b.at),
    script: all("script").at(-1),
    troubles: all("trouble"),
    discovered: all("discovered").at(-1),
    stage: all("stage").at(-1),
    install: all("install").at(-1),
  };
}

/** `http://10.0.0.1:8080//boot/x.efi?y` and `/boot/x.efi` and `boot/x.efi` are one file. */
export const bare = (path: string) =>
  path
    .replace(/^https?:\/\/[^/]*/, "")
    .replace(/\?.*$/, "")
    .replace(/\/{2,}/g, "/")
    .replace(/^\//, "");
