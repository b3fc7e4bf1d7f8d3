import type { MachineEvents } from "../machines/service.ts";
import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import type { EventBus } from "../platform/events.ts";

/** Tells open lists that there is something new, not what: they ask for that under their reader's own rights. */
export interface ChangeStream {
  /** Server-sent events: `changed`. @throws `too-many`. */
  follow(): ReadableStream<Uint8Array>;
  close(): void;
}

const maxFollowers = 500;
/** Milliseconds: of many changes at once a list is told once. */
const gather = 500;
const keepAliveEvery = 15_000;
/** Events that may wait for a follower; one that does not take them is cut off, and its browser comes again. */
const maxWaiting = 20;

/** What a list of machines shows; log lines are none of it. */
const shown = [
  "machine.discovered",
  "machine.changed",
  "install.queued",
  "install.started",
  "install.stage-reached",
  "install.finished",
  "install.failed",
  "install.stalled",
] as const satisfies (keyof MachineEvents)[];

export function createChangeStream(
  bus: Pick<EventBus<MachineEvents>, "subscribe">,
  clock: Pick<Clock, "after" | "every">,
): ChangeStream {
  const encoder = new TextEncoder();
  const followers = new Set<ReadableStreamDefaultController<Uint8Array>>();
  let cancel: (() => void) | undefined;

  function send(text: string): void {
    const bytes = encoder.encode(text);
    for (const follower of followers) {
      if ((follower.desiredSize ?? 0) > 0) follower.enqueue(bytes);
      else {
        followers.delete(follower);
        follower.close();
      }
    }
  }
  const unsubscribe = shown.map((name) =>
    bus.subscribe("pages", name, () => {
      if (followers.size === 0) return;
      cancel ??= clock.after(gather, () => {
        cancel = undefined;
        send("event: changed\ndata:\n\n");
      });
    }),
  );
  const endKeepAlive = clock.every(keepAliveEvery, () => send(":\n\n"));

  return {
    follow() {
      if (followers.size >= maxFollowers) throw new AppError("too-many", `${maxFollowers} pages are open`);
      let own: ReadableStreamDefaultController<Uint8Array> | undefined;
      return new ReadableStream<Uint8Array>(
        {
          start(controller) {
            own = controller;
            followers.add(controller);
            controller.enqueue(encoder.encode("retry: 3000\n\n"));
          },
          cancel() {
            if (own) followers.delete(own);
          },
        },
        new CountQueuingStrategy({ highWaterMark: maxWaiting }),
      );
    },
    close() {
      for (const end of unsubscribe) end();
      endKeepAlive();
      cancel?.();
      for (const follower of followers) follower.close();
      followers.clear();
    },
  };
}
