import { toAppError } from "../platform/errors.ts";
import { at, type Client, openEnded } from "./client.ts";
import { note } from "./output.ts";

export interface StreamEvent {
  event: string;
  data: unknown;
}

/** Milliseconds before a lost connection is made again. */
const reconnectMs = 2000;

/** The events of a machine, for as long as the caller reads. */
export const followEvents = (
  client: Client,
  wanted: { machine: string; lines?: "true" | "false" },
  signal: AbortSignal,
): AsyncGenerator<StreamEvent> =>
  followStream(
    (options) =>
      client.logs[":machine"].follow.$get(
        { ...at({ machine: wanted.machine }), query: { lines: wanted.lines } },
        options,
      ),
    signal,
  );

type Streamed = Promise<{ body: ReadableStream<Uint8Array<ArrayBuffer>> | null }>;
type StreamOptions = { headers: Record<string, string> } & ReturnType<typeof openEnded>;

/**
 * The events of a stream. A connection that breaks is made again and goes on after the last event that came
 * (Last-Event-ID). @throws whatever the first connection is refused with.
 */
export async function* followStream(
  open: (options: StreamOptions) => Streamed,
  signal: AbortSignal,
  /** Whether it has answered before: then a first connection that fails is one that broke. */
  answered = false,
): AsyncGenerator<StreamEvent> {
  let last: string | undefined;
  let connected = answered;
  let told = false;
  while (!signal.aborted) {
    try {
      const headers: Record<string, string> = last === undefined ? {} : { "last-event-id": last };
      const response = await open({ headers, ...openEnded(signal) });
      if (told) note("connected again");
      connected = true;
      told = false;
      for await (const { id, ...event } of parseEvents(response)) {
        yield event;
        last = id ?? last;
      }
    } catch (thrown) {
      if (signal.aborted) return;
      const error = toAppError(thrown);
      const passing = error.code === "unavailable" || error.code === "internal" || error.code === "too-many";
      if (!connected || !passing) throw error;
    }
    if (!told && !signal.aborted) note("the connection was lost; trying again");
    told = true;
    await Bun.sleep(reconnectMs);
  }
}

/** Server-sent events as this product writes them: one `data:` line each. */
async function* parseEvents(response: {
  body: ReadableStream<Uint8Array<ArrayBuffer>> | null;
}): AsyncGenerator<StreamEvent & { id: string | undefined }> {
  if (response.body === null) return;
  let rest = "";
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + chunk).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const fields = new Map(block.split("\n").map((line) => splitField(line)));
      const data = fields.get("data");
      const event = fields.get("event");
      if (event === undefined || data === undefined) continue;
      yield { id: fields.get("id"), event, data: JSON.parse(data) };
    }
  }
}

function splitField(line: string): [string, string] {
  const at = line.indexOf(":");
  return at === -1 ? [line, ""] : [line.slice(0, at), line.slice(at + 1).replace(/^ /, "")];
}
