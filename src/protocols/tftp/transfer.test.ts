import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  begin,
  decide,
  type Step,
  type TransferAction,
  type TransferEvent,
  type TransferPlan,
  type TransferState,
  type TransferTimes,
} from "./transfer.ts";

const times: TransferTimes = {
  initial: 1000,
  floor: 50,
  ceiling: 4000,
  firstAnswer: 10_000,
  silence: 30_000,
  whole: 3_600_000,
};
const plan = (changes: Partial<TransferPlan> = {}): TransferPlan => ({
  blocks: 10,
  windowsize: 1,
  offers: false,
  sizeAsked: false,
  timeoutMs: undefined,
  times,
  ...changes,
});

/** Feeds events from the beginning and gives the last step. */
function run(terms: TransferPlan, events: TransferEvent[]): Step {
  let step = begin(terms, 0);
  for (const event of events) step = decide(terms, step.state, event);
  return step;
}
const ack = (block: number, at: number): TransferEvent => ({ kind: "ack", block, at });
const timeout = (at: number): TransferEvent => ({ kind: "timeout", at });
const dueAt = (state: TransferState) => (state.phase === "ended" ? Number.NaN : state.dueAt);
const data = (first: number, count: number): TransferAction[] => [{ kind: "send-data", first, count }];

test("without options the first block answers; each ACK brings the next; the last ends it", () => {
  const terms = plan({ blocks: 2 });
  expect(begin(terms, 0).actions).toEqual(data(1, 1));
  expect(run(terms, [ack(1, 1)]).actions).toEqual(data(2, 1));
  expect(run(terms, [ack(1, 1), ack(2, 2)])).toMatchObject({ state: { outcome: "completed" }, actions: [] });
});

test("with options an OACK opens and only ACK 0 releases the first window", () => {
  const terms = plan({ offers: true, windowsize: 4 });
  expect(begin(terms, 0).actions).toEqual([{ kind: "send-oack" }]);
  expect(run(terms, [ack(1, 1)]).actions).toEqual([]);
  expect(run(terms, [ack(0, 1)]).actions).toEqual(data(1, 4));
});

test("RFC 1123: a repeated ACK in lock step sends nothing again", () => {
  expect(run(plan(), [ack(1, 1), ack(1, 2)]).actions).toEqual([]);
  expect(run(plan(), [ack(1, 1), ack(1, 49)]).actions).toEqual([]);
  expect(run(plan({ offers: true }), [ack(0, 1), ack(0, 30)]).actions).toEqual([]);
});

test("RFC 7440: an ACK inside the window goes on right after the last block before the gap", () => {
  const terms = plan({ windowsize: 4 });
  const step = run(terms, [ack(2, 1)]);
  expect(step.actions).toEqual(data(3, 4));
  expect(step.state).toMatchObject({ retries: 1, acked: 2, sent: 6 });
});

test("a window whose first block was lost is sent again once, and not before a round trip", () => {
  const terms = plan({ windowsize: 4, blocks: 20 });
  const begun = [ack(4, 10)];
  expect(run(terms, [...begun, ack(4, 12)]).actions).toEqual([]);
  expect(run(terms, [...begun, ack(4, 21)]).actions).toEqual(data(5, 4));
  expect(run(terms, [...begun, ack(4, 21), ack(4, 40)]).actions).toEqual([]);
});

test("ACKs of what was never sent, and of long ago, are ignored", () => {
  const terms = plan({ windowsize: 2 });
  expect(run(terms, [ack(3, 1)]).actions).toEqual([]);
  expect(run(terms, [ack(2, 1), ack(4, 2), ack(1, 3)]).actions).toEqual([]);
});

test("the last window is as short as the file", () => {
  expect(run(plan({ windowsize: 4, blocks: 6 }), [ack(4, 1)]).actions).toEqual(data(5, 2));
});

test("block numbers go on past 65535", () => {
  const terms = plan({ windowsize: 64, blocks: 200_000 });
  let step = begin(terms, 0);
  let at = 0;
  while (step.state.phase === "sending")
    step = decide(terms, step.state, ack(step.state.sent & 0xffff, ++at));
  expect(step.state).toMatchObject({ outcome: "completed", acked: 200_000, retries: 0 });
});

test("silence: the same again, each time after twice as long, up to the ceiling, then the end", () => {
  const terms = plan();
  let step = begin(terms, 0);
  const waits: number[] = [];
  let at = 0;
  while (step.state.phase !== "ended") {
    const due = dueAt(step.state);
    waits.push(due - at);
    at = due;
    step = decide(terms, step.state, timeout(at));
    if (step.state.phase !== "ended") expect(step.actions).toEqual(data(1, 1));
  }
  expect(waits).toEqual([1000, 2000, 4000, 4000]);
  expect(step.state.outcome).toBe("timed-out");
  expect(step.actions).toMatchObject([{ kind: "send-error", code: 0 }]);
});

test("a timeout that is not due changes nothing", () => {
  const step = run(plan(), [timeout(999)]);
  expect(step.actions).toEqual([]);
  expect(dueAt(step.state)).toBe(1000);
});

test("the interval follows the measured round trip, never below the floor", () => {
  expect(dueAt(run(plan(), [ack(1, 2)]).state)).toBe(2 + 50);
  expect(dueAt(run(plan(), [ack(1, 100)]).state)).toBe(100 + 300);
});

test("Karn: the answer to a retransmitted block measures nothing", () => {
  expect(run(plan(), [timeout(1000), ack(1, 1001)]).state).toMatchObject({ rtt: undefined, acked: 1 });
});

test("RFC 2349: a timeout the client asked for is the first interval, and what was measured only shortens it", () => {
  const terms = plan({ timeoutMs: 3000 });
  expect(dueAt(begin(terms, 0).state)).toBe(3000);
  expect(dueAt(run(terms, [ack(1, 2)]).state)).toBe(2 + 50);
  expect(dueAt(run(terms, [ack(1, 2999)]).state)).toBe(2999 + 3000);
});

test("back-off ends above the interval at which the client repeats its own ACK", () => {
  const terms = plan({ timeoutMs: 5000 });
  expect(dueAt(run(terms, [timeout(5000)]).state)).toBe(15_000);
  expect(dueAt(run(terms, [timeout(5000), timeout(15_000)]).state)).toBe(25_000);
});

test("an OACK nobody answers is sent again, then given up sooner than a transfer under way", () => {
  const terms = plan({ offers: true });
  expect(run(terms, [timeout(1000)]).actions).toEqual([{ kind: "send-oack" }]);
  expect(run(terms, [timeout(10_000)]).state).toMatchObject({ phase: "ended", outcome: "timed-out" });
  expect(run(terms, [ack(0, 1), timeout(10_000)]).state).toMatchObject({ phase: "sending" });
});

test("rule 17: asking for the size and leaving is normal, with an ERROR, a closed port or in silence", () => {
  const terms = plan({ offers: true, sizeAsked: true });
  const leave: TransferEvent[] = [
    { kind: "error", code: 8, message: "aborted" },
    { kind: "unreachable" },
    timeout(1e6),
  ];
  for (const event of leave) {
    expect(run(terms, [event])).toMatchObject({ state: { outcome: "probed" }, actions: [] });
  }
  expect(run(terms, [ack(0, 1), ack(1, 2), { kind: "error", code: 0, message: "" }]).state).toMatchObject({
    outcome: "aborted",
  });
});

test("a client that is gone after the last block was sent leaves the transfer unconfirmed", () => {
  expect(run(plan({ blocks: 1 }), [{ kind: "unreachable" }]).state).toMatchObject({ outcome: "unconfirmed" });
  expect(run(plan({ blocks: 2 }), [{ kind: "unreachable" }]).state).toMatchObject({ outcome: "unreachable" });
});

test("a transfer that crawls is ended by the absolute bound", () => {
  const terms = plan({ blocks: 1e6, times: { ...times, whole: 5000 } });
  expect(run(terms, [ack(1, 4990), timeout(30_000)]).state).toMatchObject({ outcome: "timed-out" });
});

test("DATA from a reader is refused, a stop and an unreadable file are told to the client", () => {
  expect(run(plan(), [{ kind: "unexpected", what: "DATA" }]).actions).toMatchObject([{ code: 4 }]);
  expect(run(plan(), [{ kind: "stop" }]).actions).toMatchObject([{ kind: "send-error", code: 0 }]);
  expect(run(plan(), [{ kind: "unreadable", reason: "disk on fire" }])).toMatchObject({
    state: { outcome: "failed", detail: "disk on fire" },
    actions: [{ message: "file cannot be read" }],
  });
});

test("after the end no event brings anything", () => {
  const ended = run(plan(), [{ kind: "stop" }]).state;
  for (const event of [ack(1, 1), timeout(1e9), { kind: "stop" } as const]) {
    expect(decide(plan(), ended, event)).toEqual({ state: ended, actions: [] });
  }
});

/** A reader by RFC 1350 and 7440 with losses on both ways; gives what it received, in order. */
function simulate(
  terms: TransferPlan,
  lost: () => boolean,
): { received: number[]; state: TransferState; sent: number } {
  const received: number[] = [];
  let expected = 1;
  let sinceAck = 0;
  let sent = 0;
  let at = 0;
  const inbox: TransferEvent[] = [];
  const answer = (block: number) => {
    sinceAck = 0;
    if (!lost()) inbox.push(ack(block & 0xffff, at));
  };
  let step = begin(terms, at);
  const deliver = () => {
    for (const action of step.actions) {
      if (action.kind === "send-oack" && !lost() && expected === 1) answer(0);
      if (action.kind !== "send-data") continue;
      sent += action.count;
      let gap = false;
      for (let block = action.first; block < action.first + action.count; block++) {
        if (lost()) continue;
        if (block === expected) {
          received.push(expected++);
          sinceAck++;
          if (sinceAck === terms.windowsize || block === terms.blocks) answer(block);
        } else if (!gap) {
          gap = true;
          answer(expected - 1);
        }
      }
    }
  };
  deliver();
  for (let turns = 0; step.state.phase !== "ended" && turns < 1e5; turns++) {
    const next = inbox.shift();
    at = next ? at + 1 : dueAt(step.state);
    const event = next?.kind === "ack" ? ack(next.block, at) : timeout(at);
    step = decide(terms, step.state, event);
    deliver();
  }
  return { received, state: step.state, sent };
}

/** Repeatable randomness in 0…1 that a shrinking property cannot bend (mulberry32). */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

test("every block arrives once and in order whatever is lost, and nothing is sent twice without loss", () => {
  const patient = { ...times, firstAnswer: 120_000, silence: 120_000 };
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 300 }),
      fc.integer({ min: 1, max: 16 }),
      fc.boolean(),
      fc.integer(),
      fc.constantFrom(0, 0.01, 0.05, 0.1),
      (blocks, windowsize, offers, seed, loss) => {
        const roll = dice(seed);
        const result = simulate(plan({ blocks, windowsize, offers, times: patient }), () => roll() < loss);
        expect(["completed", "unconfirmed"]).toContain(
          result.state.phase === "ended" ? result.state.outcome : "",
        );
        expect(result.received).toEqual(Array.from({ length: blocks }, (_, index) => index + 1));
        if (loss === 0) expect(result.sent).toBe(blocks);
      },
    ),
    { numRuns: 200 },
  );
});

test("no sequence of events throws or sends a block outside the file", () => {
  const event: fc.Arbitrary<TransferEvent> = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ kind: fc.constant("ack" as const), block: fc.nat(40), at: fc.nat(20_000) }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("timeout" as const), at: fc.nat(20_000) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("error" as const), code: fc.nat(9), message: fc.string() }),
    },
  );
  fc.assert(
    fc.property(fc.array(event), fc.integer({ min: 1, max: 8 }), (events, windowsize) => {
      const terms = plan({ windowsize, blocks: 30 });
      let step = begin(terms, 0);
      for (const one of events) {
        step = decide(terms, step.state, one);
        for (const action of step.actions) {
          if (action.kind !== "send-data") continue;
          expect(action.first).toBeGreaterThan(0);
          expect(action.first + action.count - 1).toBeLessThanOrEqual(30);
          expect(action.count).toBeLessThanOrEqual(windowsize);
        }
      }
    }),
  );
});
