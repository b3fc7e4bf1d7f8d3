import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import type { Mac } from "../platform/mac.ts";
import {
  formatLogEvents,
  formatStageEvent,
  formatStateEvent,
  keepAlive,
  streamStart,
} from "./event-stream.ts";
import type { LogBatch, NumberedReport } from "./log-repository.ts";
import type { Machine } from "./machine.ts";

/** What a follower is told of the time before it connected. */
export interface Past {
  /** What happened after `event`, as event-stream text, and where to go on; `undefined` when that is nothing. */
  readOn(event: number): { text: string; event: number } | undefined;
  machine(): Machine | undefined;
}

export interface FollowOptions {
  /** The last event the follower has seen; 0 for all there is. */
  after: number;
  /** Log lines too, or stages and states alone. */
  lines: boolean;
}

/** The part of a batch that followers are shown. */
export type FedLines = Pick<LogBatch, "event" | "lines" | "at">;

/** Hands out what happens to machines to those who follow it, as an event stream. */
export interface Feed<Key extends string = Mac> {
  /** First what was there before, then the state, then what happens from now on. @throws `too-many` followers. */
  follow(key: Key, options: FollowOptions, past: Past): ReadableStream<Uint8Array>;
  lines(key: Key, batch: FedLines): void;
  stage(key: Key, report: NumberedReport): void;
  state(key: Key, machine: Machine, forgotten: boolean): void;
  readonly followers: number;
  /** Ends every stream. */
  close(): void;
}

const maxFollowers = 5000;
/** Bytes that may wait for a follower; one that lets more pile up is cut off and may connect again. */
const maxWaiting = 256 * 1024;
const keepAliveMs = 15_000;

interface Follower {
  controller: ReadableStreamDefaultController<Uint8Array>;
  lines: boolean;
  /** The last event that was sent. */
  event: number;
  /** It has what was there before, and gets what comes. */
  live: boolean;
}

/** The next piece of the past, as the follower takes it, however much there is; then the state, and it is live. */
function catchUp(follower: Follower, past: Past): string {
  for (;;) {
    const found = past.readOn(follower.event);
    if (found === undefined) break;
    follower.event = found.event;
    if (found.text !== "") return found.text;
  }
  follower.live = true;
  const machine = past.machine();
  return machine === undefined ? keepAlive : formatStateEvent(machine, false);
}

export function createFeed<Key extends string = Mac>(clock: Clock): Feed<Key> {
  const followers = new Map<Key, Set<Follower>>();
  const encoder = new TextEncoder();
  const keepAliveBytes = encoder.encode(keepAlive);
  let count = 0;
  let stopKeepAlive: (() => void) | undefined;

  function remove(key: Key, follower: Follower): void {
    const those = followers.get(key);
    if (!those?.delete(follower)) return;
    if (those.size === 0) followers.delete(key);
    count--;
    if (count > 0) return;
    stopKeepAlive?.();
    stopKeepAlive = undefined;
  }

  function send(key: Key, follower: Follower, bytes: Uint8Array): void {
    const { controller } = follower;
    if ((controller.desiredSize ?? 0) <= 0) {
      remove(key, follower);
      // Without a reason: the server would print one, and the follower only sees the connection end.
      controller.error();
      return;
    }
    controller.enqueue(bytes);
  }

  function everyone(): [Key, Follower][] {
    return [...followers].flatMap(([key, those]) =>
      [...those].map((follower): [Key, Follower] => [key, follower]),
    );
  }

  /** Encodes once for all followers of `key`, and not at all when there are none. */
  function publish(key: Key, last: number | undefined, lines: boolean, format: () => string): void {
    const those = followers.get(key);
    if (those === undefined) return;
    let bytes: Uint8Array | undefined;
    for (const follower of those) {
      if (!follower.live || (last !== undefined && last <= follower.event)) continue;
      if (last !== undefined) follower.event = last;
      if (lines && !follower.lines) continue;
      bytes ??= encoder.encode(format());
      send(key, follower, bytes);
    }
  }

  return {
    follow(key, options, past) {
      if (count >= maxFollowers) {
        throw new AppError("too-many", `${maxFollowers} followers are connected`, {
          hint: "close some, or follow fewer machines at once",
        });
      }
      let own: Follower | undefined;
      return new ReadableStream<Uint8Array>(
        {
          start(controller) {
            own = { controller, lines: options.lines, event: options.after, live: false };
            const those = followers.get(key) ?? new Set();
            followers.set(key, those.add(own));
            count++;
            stopKeepAlive ??= clock.every(keepAliveMs, () => {
              for (const [each, follower] of everyone())
                if (follower.live) send(each, follower, keepAliveBytes);
            });
            controller.enqueue(encoder.encode(streamStart));
          },
          pull(controller) {
            if (own === undefined || own.live) return;
            controller.enqueue(encoder.encode(catchUp(own, past)));
          },
          cancel() {
            if (own) remove(key, own);
          },
        },
        new ByteLengthQueuingStrategy({ highWaterMark: maxWaiting }),
      );
    },
    lines: (key, batch) =>
      publish(key, batch.event + batch.lines.length - 1, true, () => formatLogEvents(batch)),
    stage: (key, report) => publish(key, report.event, false, () => formatStageEvent(report)),
    state(key, machine, forgotten) {
      publish(key, undefined, false, () => formatStateEvent(machine, forgotten));
      // Should it be met again, its events are numbered from 1.
      if (forgotten) for (const follower of followers.get(key) ?? []) follower.event = 0;
    },
    get followers() {
      return count;
    },
    close() {
      for (const [key, follower] of everyone()) {
        remove(key, follower);
        follower.controller.close();
      }
    },
  };
}
