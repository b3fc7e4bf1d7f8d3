import type { Clock } from "../platform/clock.ts";
import { formatIpv4 } from "../protocols/inet/ipv4.ts";
import {
  beginDownload,
  type DownloadEvent,
  type DownloadPlan,
  decideDownload,
} from "../protocols/tftp/download.ts";
import { decode, encode, type Packet } from "../protocols/tftp/packet.ts";
import type { Done, HttpResponse, Task } from "./walk.ts";

/** As much of a file as is kept to be read as a script. */
const textBytes = 64 << 10;
const scriptStart = "#".charCodeAt(0);
/** A server that takes longer for an answer, or for the rest of a file, is as good as silent. Milliseconds. */
const httpPatience = 30_000;

/** Fetches over TFTP or HTTP as a loader on a machine would. Never throws: what went wrong is part of the answer. */
export function requestFile(
  task: Exclude<Task, { kind: "dhcp" }>,
  local: string,
  clock: Clock,
): Promise<Done> {
  return task.kind === "tftp" ? download(task, local, clock) : askHttp(task, clock);
}

async function download(
  { server, file, sizeOnly, profile }: Extract<Task, { kind: "tftp" }>,
  local: string,
  clock: Clock,
): Promise<Done> {
  const { tftp } = profile;
  const options = (sizeOnly ? tftp.probe : tftp.get) ?? [];
  const plan: DownloadPlan = { filename: file, options, sizeOnly, waits: tftp.waits, tries: tftp.tries };
  const { promise, resolve } = Promise.withResolvers<Done>();
  const text: Uint8Array[] = [];
  let kept = 0;
  let cancel = () => {};
  const began = clock.monotonic();
  const target = formatIpv4(server);
  const socket = await Bun.udpSocket({
    hostname: local,
    port: 0,
    binaryType: "uint8array",
    socket: {
      data(_socket, bytes, port, address) {
        if (address !== target) return;
        const packet = decode(bytes);
        if (packet.kind !== "ignore") advance({ kind: "packet", packet, port, at: clock.monotonic() });
      },
      // Nobody listens there: the tries run out.
      error() {},
    },
  });
  const transmit = (packet: Packet) => {
    try {
      socket.send(encode(packet), step.state.port || 69, target);
    } catch {
      // An ICMP error of an earlier packet; this one is sent again.
    }
  };
  let step = beginDownload(plan, began);
  const advance = (event?: DownloadEvent) => {
    if (event) step = decideDownload(plan, step.state, event);
    const { state, send, take, end } = step;
    step = { state };
    // of a program its first packet is enough to see that it is none
    if (take && kept < textBytes && (kept === 0 || text[0]?.[0] === scriptStart)) {
      text.push(take.slice());
      kept += take.length;
    }
    if (send) transmit(send);
    if (end) {
      cancel();
      socket.close();
      const { bytes, size, retries } = state;
      const ms = clock.monotonic() - began;
      resolve({
        kind: "downloaded",
        end,
        size,
        fetched: { bytes, ms, text: decodeText(text), retries },
      });
    } else if (event?.kind !== "packet") watch();
  };
  /** One timer a transfer: it looks again when it was too early. */
  const watch = () => {
    cancel = clock.after(Math.max(10, step.state.dueAt - clock.monotonic()), () =>
      advance({ kind: "timeout", at: clock.monotonic() }),
    );
  };
  advance();
  return promise;
}

async function askHttp({ method, url }: Extract<Task, { kind: "http" }>, clock: Clock): Promise<Done> {
  const began = clock.monotonic();
  const answered = (response: HttpResponse): Done => ({ kind: "response", response });
  const abort = new AbortController();
  const cancel = clock.after(httpPatience, () =>
    abort.abort(new Error(`no answer within ${httpPatience / 1000} s`)),
  );
  try {
    const response = await fetch(url, {
      method,
      redirect: "manual",
      headers: { "accept-encoding": "identity" },
      signal: abort.signal,
    });
    const announced = response.headers.get("content-length");
    const kept: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of response.body ?? []) {
      if (bytes < textBytes) kept.push(part);
      bytes += part.length;
    }
    return answered({
      kind: "answered",
      status: response.status,
      length: announced === null ? undefined : Number(announced),
      location: response.headers.get("location") ?? undefined,
      ...{ bytes, ms: clock.monotonic() - began, text: decodeText(kept), retries: 0 },
    });
  } catch (error) {
    return answered({ kind: "failed", reason: error instanceof Error ? error.message : String(error) });
  } finally {
    cancel();
  }
}

const decodeText = (parts: readonly Uint8Array[]) =>
  new TextDecoder().decode(Buffer.concat(parts).subarray(0, textBytes));
