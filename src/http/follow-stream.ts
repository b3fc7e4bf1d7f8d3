import type { Clock } from "../platform/clock.ts";

/** What is followed: read on after a number, and a word when there may be more. */
export interface Followed {
  /** What comes after `id` as event-stream text, and where to go on; `undefined` when that is nothing. */
  read(id: number): Promise<{ text: string; id: number } | undefined>;
  /** Calls `run` when there may be more, until the returned function is called. */
  changed(run: () => void): () => void;
}

/** A server-sent event (HTML standard, section 9.2): one line of JSON needs one `data:`. */
export const formatEvent = (event: string, data: unknown, id: number) =>
  `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

/** Where a follower goes on: what it says it has seen, else `after`. */
export const readOn = (lastEventId: string | undefined, after: number | undefined): number =>
  lastEventId !== undefined && /^\d{1,16}$/.test(lastEventId) ? Number(lastEventId) : (after ?? 0);

const keepAliveMs = 15_000;

/** Goes on as fast as the follower takes it: nothing waits for it here. */
export function followStream(from: number, followed: Followed, clock: Clock): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let id = from;
  let changes = 0;
  let wake = () => {};
  const unsubscribe = followed.changed(() => {
    changes++;
    wake();
  });
  const quiet = () =>
    new Promise<void>((resolve) => {
      const cancel = clock.after(keepAliveMs, resolve);
      wake = () => {
        cancel();
        resolve();
      };
    });
  return new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(encoder.encode("retry: 2000\n\n")),
    async pull(controller) {
      const seen = changes;
      const found = await followed.read(id);
      if (found === undefined && seen === changes) await quiet();
      id = found?.id ?? id;
      // A comment keeps the connection, and lets this be asked for the next part.
      controller.enqueue(encoder.encode(found === undefined || found.text === "" ? ":\n\n" : found.text));
    },
    cancel() {
      unsubscribe();
      wake();
    },
  });
}
