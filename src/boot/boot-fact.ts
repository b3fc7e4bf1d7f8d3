import { z } from "zod";

const at = z.number();
/** Whatever the network said, cut to what a screen holds. */
const text = z.string();

/** One thing that happened while a machine booted. `at` in milliseconds since the epoch. */
export const bootFactSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("dhcp"),
    at,
    /** 67, or 4011 for BINL. */
    port: z.union([z.literal(67), z.literal(4011)]),
    interface: text,
    /** `DHCPDISCOVER` … */
    message: text,
    client: z.enum(["pxe", "http", "ipxe", "plain"]),
    platform: text,
    /** What it was answered: `DHCPOFFER` … */
    answer: text.optional(),
    /** What it was given, or has. */
    address: text.optional(),
    bootFile: text.optional(),
    /** Why it was not answered. */
    ignored: text.optional(),
    /** The packets, option by option. */
    request: text,
    reply: text.optional(),
  }),
  z.object({ kind: z.literal("trouble"), at, trouble: text, message: text }),
  z.object({
    kind: z.literal("transfer"),
    at,
    path: text,
    /** Bytes. */
    size: z.number(),
    blksize: z.number(),
    windowsize: z.number(),
    /** `running`, or how the TFTP transfer ended. */
    outcome: text,
    detail: text.optional(),
    /** Bytes the machine acknowledged. */
    bytes: z.number().optional(),
    retries: z.number().optional(),
    durationMs: z.number().optional(),
  }),
  z.object({ kind: z.literal("tftp-refused"), at, path: text, reason: text }),
  z.object({
    kind: z.literal("fetch"),
    at,
    method: text,
    path: text,
    status: z.number(),
    size: z.number(),
    range: text.optional(),
  }),
  z.object({
    kind: z.literal("script"),
    at,
    via: z.enum(["ipxe", "grub"]),
    order: z.enum(["discover", "install", "local", "menu", "refusal"]),
    reason: text.optional(),
    /** URL paths it makes the machine fetch: kernel, then initrds. */
    files: z.array(text),
  }),
  z.object({ kind: z.literal("discovered"), at }),
  z.object({
    kind: z.literal("stage"),
    at,
    stage: text,
    outcome: z.enum(["running", "done", "failed"]),
    message: text.optional(),
  }),
  z.object({
    kind: z.literal("install"),
    at,
    what: z.enum(["started", "finished", "failed", "stalled"]),
    name: text,
    reason: text.optional(),
  }),
]);

export type BootFact = z.output<typeof bootFactSchema>;
export type DhcpFact = Extract<BootFact, { kind: "dhcp" }>;
export type TransferFact = Extract<BootFact, { kind: "transfer" }>;

/** How far a boot came: 0 DHCP, 1 loader, 2 script, 3 kernel, 4 system. */
export type Phase = 0 | 1 | 2 | 3 | 4;

/** What this fact says about how far the machine is. */
export function phaseOf(fact: BootFact): Phase {
  switch (fact.kind) {
    case "dhcp":
      return fact.client === "ipxe" ? 1 : 0;
    case "trouble":
      return 0;
    case "transfer":
    case "tftp-refused":
      return isKernel(fact.path) ? 3 : 1;
    case "fetch":
      return isKernel(fact.path) ? 3 : 1;
    case "script":
      return 2;
    default:
      return 4;
  }
}

const isKernel = (path: string) => /^\/?(ram|installer)\//.test(path);

/** The same thing again, so that it is counted and not listed once more. */
export function isSame(a: BootFact, b: BootFact): boolean {
  if (a.kind !== b.kind) return false;
  const words = (fact: BootFact) => {
    switch (fact.kind) {
      case "dhcp": {
        const { port, message, client, answer, address, bootFile, ignored } = fact;
        return [port, message, client, answer, address, bootFile, ignored].join("\n");
      }
      case "fetch":
        return [fact.method, fact.path, fact.status].join("\n");
      case "script":
        return [fact.via, fact.order, fact.reason, ...fact.files].join("\n");
      case "tftp-refused":
        return [fact.path, fact.reason].join("\n");
      case "trouble":
        return fact.trouble;
      case "discovered":
        return "";
      default:
        return JSON.stringify(fact);
    }
  };
  return words(a) === words(b);
}

/** The fact in one line, without its time. */
export function describeFact(fact: BootFact): string {
  switch (fact.kind) {
    case "dhcp": {
      const who = fact.client === "plain" ? "" : ` by ${clientNames[fact.client]} (${fact.platform})`;
      const asked = `${fact.message} on ${fact.port}${who}`;
      if (fact.answer === undefined) return `${asked}: not answered: ${fact.ignored ?? "no reason given"}`;
      const given = [
        fact.address === undefined ? "" : ` ${fact.address}`,
        fact.bootFile === undefined ? "" : `, boot file ${fact.bootFile}`,
      ].join("");
      return `${asked} → ${fact.answer}${given}`;
    }
    case "trouble":
      return fact.message;
    case "transfer": {
      const head = `TFTP ${fact.path}, ${fact.size} bytes in blocks of ${fact.blksize}, window ${fact.windowsize}`;
      if (fact.outcome === "running") return `${head}: under way`;
      // An RRQ that only wants the size and is then dropped is normal (rule 17).
      if (fact.outcome === "probed") return `TFTP ${fact.path}: asked for its size, ${fact.size} bytes`;
      const { bytes = 0, durationMs = 0, retries = 0 } = fact;
      const rate = durationMs > 0 ? `, ${Math.round(bytes / durationMs)} kB/s` : "";
      const why = fact.detail === undefined || fact.detail === "" ? "" : ` (${fact.detail})`;
      return `${head}: ${fact.outcome}${why} after ${bytes} bytes, ${retries} retries${rate}`;
    }
    case "tftp-refused":
      return `TFTP ${fact.path}: refused: ${fact.reason}`;
    case "fetch":
      return `HTTP ${fact.method} ${fact.path}${fact.range === undefined ? "" : ` ${fact.range}`}: ${fact.status}, ${fact.size} bytes`;
    case "script":
      return `${fact.via === "ipxe" ? "iPXE script" : "GRUB configuration"}: ${fact.order}${fact.reason === undefined ? "" : ` (${fact.reason})`}`;
    case "discovered":
      return "reported what it is";
    case "stage":
      return `stage ${fact.stage} ${fact.outcome}${fact.message === undefined ? "" : `: ${fact.message}`}`;
    case "install":
      return `install ${fact.name} ${fact.what}${fact.reason === undefined ? "" : `: ${fact.reason}`}`;
  }
}

export const clientNames = {
  pxe: "firmware PXE",
  http: "firmware HTTP Boot",
  ipxe: "iPXE",
  plain: "an operating system",
} as const;
