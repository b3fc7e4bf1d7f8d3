import type { Mac } from "../platform/mac.ts";
import { formatIpv4, type Ipv4, readIpv4, unspecified } from "../protocols/inet/ipv4.ts";
import type { DownloadEnd } from "../protocols/tftp/download.ts";
import type { Bound } from "./dhcp-client.ts";
import { ipxeOn, type Profile } from "./profile.ts";
import { isScript, readScript } from "./script.ts";
import type { Stop } from "./stop.ts";

/** What a booting machine does next; each is done by the edge and answered by a `Done`. */
export type Task =
  | { kind: "dhcp"; profile: Profile }
  | { kind: "tftp"; server: Ipv4; file: string; sizeOnly: boolean; profile: Profile }
  | { kind: "http"; method: "HEAD" | "GET"; url: string };

export type Done =
  | { kind: "bound"; bound: Bound }
  | { kind: "stopped"; stop: Stop }
  | { kind: "downloaded"; end: DownloadEnd; size: number | undefined; fetched: Fetched }
  | { kind: "response"; response: HttpResponse };

export interface Fetched {
  bytes: number;
  ms: number;
  /** The first bytes as text: enough for a script. */
  text: string;
  retries: number;
}

export type HttpResponse =
  | { kind: "failed"; reason: string }
  | ({
      kind: "answered";
      status: number;
      /** What Content-Length says. */
      length: number | undefined;
      location: string | undefined;
    } & Fetched);

/** Where the machine is on its way. */
type Place =
  | { at: "firmware-dhcp" }
  | { at: "program"; source: Source; step: "probe" | "load" }
  | { at: "ipxe-dhcp" }
  | { at: "script"; source: Source; links: number }
  | { at: "kernel"; left: readonly string[]; says: string };
type Source = { kind: "tftp"; server: Ipv4; file: string } | { kind: "http"; url: string };

export interface Walk {
  readonly firmware: Profile;
  readonly mac: Mac;
  readonly place: Place;
  readonly boundAt: Ipv4 | undefined;
}

export type WalkEnd = { kind: "boots"; what: string } | { kind: "stopped"; stop: Stop };

export interface WalkStep {
  walk: Walk;
  /** What there is to tell, in the order it happened. */
  lines: readonly string[];
  next: Task | WalkEnd;
}

/** Scripts that chain to scripts: iPXE's own limit is the machine's patience. */
const maxLinks = 6;
/** Bytes a second below which a boot is felt to hang: a program of 1 MB then takes ten seconds. */
export const slowTftp = 100_000;

export function beginWalk(firmware: Profile, mac: Mac, isIpxe: boolean): WalkStep {
  const place: Place = isIpxe ? { at: "ipxe-dhcp" } : { at: "firmware-dhcp" };
  return {
    walk: { firmware, mac, place, boundAt: undefined },
    lines: [],
    next: { kind: "dhcp", profile: isIpxe ? ipxeOn(firmware) : firmware },
  };
}

export function decideWalk(walk: Walk, done: Done): WalkStep {
  if (done.kind === "stopped") return stop(walk, done.stop);
  if (done.kind === "bound") return onBound(walk, done.bound);
  if (done.kind === "downloaded") return onDownloaded(walk, done);
  return onResponse(walk, done.response);
}

function onBound(walk: Walk, { bootFile, bootServer, address }: Bound): WalkStep {
  const next = { ...walk, boundAt: address };
  const source = sourceOf(bootFile, bootServer);
  if (source === undefined) return stop(next, noWay(bootFile));
  if (walk.place.at === "ipxe-dhcp") return fetchScript(next, source, 0, []);
  return loadProgram(next, source);
}

function sourceOf(file: string, server: Ipv4): Source | undefined {
  if (/^https?:\/\//.test(file)) return { kind: "http", url: file };
  const tftp = /^tftp:\/\/(\d+\.\d+\.\d+\.\d+)\/(.*)$/.exec(file);
  if (tftp === null) return file.includes("://") ? undefined : { kind: "tftp", server, file };
  const address = readIpv4(tftp[1] ?? "");
  return address === undefined ? undefined : { kind: "tftp", server: address, file: tftp[2] ?? "" };
}

function loadProgram(walk: Walk, source: Source): WalkStep {
  const probes = source.kind === "http" || walk.firmware.tftp.probe !== undefined;
  return loading(walk, source, probes ? "probe" : "load", []);
}

function loading(walk: Walk, source: Source, step: "probe" | "load", lines: readonly string[]): WalkStep {
  const place: Place = { at: "program", source, step };
  return { walk: { ...walk, place }, lines, next: taskOf(source, step === "probe", walk.firmware) };
}

function taskOf(source: Source, sizeOnly: boolean, profile: Profile): Task {
  return source.kind === "tftp"
    ? { ...source, sizeOnly, profile }
    : { kind: "http", method: sizeOnly ? "HEAD" : "GET", url: source.url };
}

function fetchScript(walk: Walk, source: Source, links: number, lines: readonly string[]): WalkStep {
  const place: Place = { at: "script", source, links };
  return { walk: { ...walk, place }, lines, next: taskOf(source, false, ipxeOn(walk.firmware)) };
}

function onDownloaded(walk: Walk, { end, size, fetched }: Extract<Done, { kind: "downloaded" }>): WalkStep {
  const { place } = walk;
  if (!("source" in place) || place.source.kind !== "tftp") return unexpected(walk);
  const where = `tftp://${formatIpv4(place.source.server)}/${place.source.file}`;
  switch (end.kind) {
    case "refused":
      return stop(walk, {
        reason: "tftp-refused",
        detail: `${where}: error ${end.code}${end.message ? `, ${end.message}` : ""}`,
        next:
          end.code === 1
            ? "put that file where the TFTP server looks, or mend the boot file name the DHCP server sends"
            : "the TFTP server's log says why",
      });
    case "silent":
      return stop(walk, {
        reason: "tftp-silent",
        detail: `${where}: no answer${fetched.bytes > 0 ? ` after ${fetched.bytes} bytes` : ""}`,
        next: "let UDP 69 and the server's high UDP ports through every firewall; where that cannot be, set tftp.singlePort",
      });
    case "broken":
      return stop(walk, {
        reason: "tftp-broken",
        detail: `${where}: ${end.detail}`,
        next: "the TFTP server breaks RFC 2347 to 2349: update or replace it",
      });
    case "size":
      return loading(walk, place.source, "load", [
        `TFTP ${where} has ${size ?? "an unknown number of"} bytes`,
      ]);
    case "done": {
      const again = fetched.retries > 0 ? `, ${fetched.retries} packets sent again` : "";
      const rate = fetched.bytes / Math.max(fetched.ms / 1000, 0.001);
      const slow =
        rate < slowTftp && fetched.ms > 2000
          ? ["warning: TFTP is slow: look for packet loss on the way, or use UEFI HTTP Boot"]
          : [];
      return onLoaded(walk, fetched, [`TFTP ${where}: ${amount(fetched)}${again}`, ...slow]);
    }
  }
}

function onResponse(walk: Walk, response: HttpResponse): WalkStep {
  const { place } = walk;
  if (place.at === "kernel") return onKernel(walk, place, response);
  if (!("source" in place) || place.source.kind !== "http") return unexpected(walk);
  const { url } = place.source;
  const dispatching = place.at === "script" && place.links > 0;
  if (response.kind === "failed") return stop(walk, unreachable(url, response.reason));
  if (response.status >= 300 && response.status < 400) {
    if (place.at === "script" && response.location !== undefined) {
      return fetchScript(walk, { kind: "http", url: response.location }, place.links + 1, [
        `${url} redirects`,
      ]);
    }
    return stop(walk, {
      reason: "http-redirect",
      detail: `${url} redirects (${response.status}) to ${response.location ?? "nowhere"}`,
      next: "firmware follows no redirect: hand out the final URL",
    });
  }
  if (response.status !== 200) {
    return stop(walk, {
      reason: dispatching ? "dispatch-refused" : "http-status",
      detail: `${url}: status ${response.status}${response.text ? `, ${oneLine(response.text)}` : ""}`,
      next: "the server's log says why",
    });
  }
  if (place.at === "program" && response.length === undefined) {
    return stop(walk, {
      reason: "http-no-length",
      detail: `${url} is answered without Content-Length`,
      next: "UEFI HTTP Boot needs it: serve the file as a static one",
    });
  }
  if (place.at === "program" && place.step === "probe") {
    return loading(walk, place.source, "load", [`HEAD ${url}: 200, ${response.length} bytes`]);
  }
  return onLoaded(walk, response, [`GET ${url}: 200, ${amount(response)}`]);
}

const unreachable = (url: string, reason: string): Stop => ({
  reason: "http-unreachable",
  detail: `${url}: ${reason}`,
  next: "is the bastion's HTTP port open in every firewall between? A boot that gets DHCP and TFTP and no HTTP looks like this",
});

function onLoaded(walk: Walk, fetched: Fetched, lines: readonly string[]): WalkStep {
  const { place } = walk;
  if (place.at === "program") return onProgram(walk, place.source, fetched, lines);
  if (place.at !== "script") return unexpected(walk);
  return onScript(walk, place, fetched.text, lines);
}

const nameOf = (source: Source) => (source.kind === "tftp" ? source.file : source.url);

function onProgram(walk: Walk, source: Source, { text }: Fetched, lines: readonly string[]): WalkStep {
  if (isScript(text)) return onScript(walk, { source, links: 0 }, text, lines);
  const file = nameOf(source).split(/[/\\]/).at(-1) ?? "";
  if (/ipxe|undionly|snponly/i.test(file)) {
    const ipxe = ipxeOn(walk.firmware);
    return {
      walk: { ...walk, place: { at: "ipxe-dhcp" } },
      lines: [...lines, `${file} starts: ${ipxe.title} asks for itself`],
      next: { kind: "dhcp", profile: ipxe },
    };
  }
  if (/^shim/i.test(file)) {
    const beside = nameOf(source).slice(0, -file.length);
    const name = file.replace(/^shim/i, "grub");
    const grub: Source =
      source.kind === "tftp" ? { ...source, file: beside + name } : { ...source, url: beside + name };
    return loading(walk, grub, "load", [...lines, `${file} starts and loads ${name}`]);
  }
  return {
    walk,
    lines,
    next: { kind: "boots", what: `${file} is loaded; what it fetches next is its own affair` },
  };
}

function onScript(
  walk: Walk,
  { source, links }: { source: Source; links: number },
  text: string,
  lines: readonly string[],
): WalkStep {
  const name = nameOf(source);
  if (!isScript(text)) {
    return stop(
      walk,
      {
        reason: "not-a-script",
        detail: `${name} does not begin with #!ipxe: ${oneLine(text)}`,
        next: "point option 67 for iPXE (option 77 'iPXE') at an iPXE script: the bastion's /boot.ipxe",
      },
      lines,
    );
  }
  const end = readScript(text, variablesOf(walk));
  switch (end.kind) {
    case "chain": {
      const target = resolve(end.url, source);
      if (target === undefined) return stop(walk, noWay(end.url), lines);
      if (links >= maxLinks) return stop(walk, endless(name), lines);
      return fetchScript(walk, target, links + 1, lines);
    }
    case "boot": {
      const files = [end.kernel, ...end.initrds].map((url) => resolve(url, source));
      const urls = files.flatMap((each) => (each?.kind === "http" ? [each.url] : []));
      const what = `kernel ${end.kernel} ${end.args}`.trim();
      return checkNext(walk, urls, what, [...lines, `script: ${what.slice(0, 300)}`]);
    }
    case "local":
      return {
        walk,
        lines,
        next: { kind: "boots", what: `its local disk: ${end.says || "the script hands over"}` },
      };
    case "refusal":
      return stop(walk, { reason: "dispatch-refused", detail: end.says, next: "mend what it says" }, lines);
    case "nothing":
      return stop(
        walk,
        { reason: "not-a-script", detail: `${name} boots nothing`, next: "look at that script" },
        lines,
      );
  }
}

function checkNext(walk: Walk, left: readonly string[], says: string, lines: readonly string[]): WalkStep {
  const [url] = left;
  const place: Place = { at: "kernel", left, says };
  if (url === undefined) return { walk: { ...walk, place }, lines, next: { kind: "boots", what: says } };
  return { walk: { ...walk, place }, lines, next: { kind: "http", method: "HEAD", url } };
}

function onKernel(walk: Walk, place: Extract<Place, { at: "kernel" }>, response: HttpResponse): WalkStep {
  const [url = "", ...left] = place.left;
  if (response.kind === "failed") return stop(walk, unreachable(url, response.reason));
  if (response.status !== 200) {
    return stop(walk, {
      reason: "kernel-missing",
      detail: `${url}: status ${response.status}`,
      next: url.includes("/ram/")
        ? "install the RAM environment (package labctl-ram), or set ramDir to where it is"
        : "labctl image list shows which installers and images are there; labctl image pull fetches one",
    });
  }
  return checkNext(walk, left, place.says, [`HEAD ${url}: 200, ${response.length ?? "?"} bytes`]);
}

function variablesOf({ mac, firmware, boundAt }: Walk): Record<string, string> {
  const { platform, arch } = firmware.ipxe;
  const ip = boundAt === undefined ? "" : formatIpv4(boundAt);
  const card = ["", "net0/", "netX/"].flatMap((prefix) => [
    [`${prefix}mac`, mac],
    [`${prefix}ip`, ip],
  ]);
  return { ...Object.fromEntries(card), platform, buildarch: arch };
}

/** A URL of a script, or a name beside it. */
function resolve(url: string, source: Source): Source | undefined {
  if (url.includes("://")) return sourceOf(url, source.kind === "tftp" ? source.server : unspecified);
  const base = nameOf(source);
  if (source.kind === "tftp") {
    const folder = url.startsWith("/") ? "" : base.slice(0, base.lastIndexOf("/") + 1);
    return { ...source, file: folder + url.replace(/^\//, "") };
  }
  return URL.canParse(url, base) ? { kind: "http", url: new URL(url, base).href } : undefined;
}

const noWay = (file: string): Stop => ({
  reason: "no-way-there",
  detail: `'${file}' is neither a name for TFTP nor an http, https or tftp URL`,
  next: "mend the boot file name",
});
const endless = (name: string): Stop => ({
  reason: "not-a-script",
  detail: `${name} is the ${maxLinks + 1}th script that only names another`,
  next: "two scripts that chain to each other look like this",
});

const unexpected = (walk: Walk): WalkStep =>
  stop(walk, { reason: "no-way-there", detail: "an answer nobody asked for", next: "run it again" });

function stop(walk: Walk, why: Stop, lines: readonly string[] = []): WalkStep {
  return { walk, lines, next: { kind: "stopped", stop: why } };
}

function amount({ bytes, ms }: Fetched): string {
  const rate = ms > 0 ? ` (${(bytes / 1000 / ms).toFixed(1)} MB/s)` : "";
  return `${bytes} bytes in ${Math.round(ms)} ms${bytes > 100_000 ? rate : ""}`;
}

const oneLine = (text: string) => `'${text.replace(/\s+/g, " ").slice(0, 120)}'`;
