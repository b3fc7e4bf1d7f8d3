import type { Clock } from "../platform/clock.ts";
import { encode, type Packet } from "../protocols/tftp/packet.ts";
import {
  begin,
  decide,
  type Ended,
  type Step,
  type TransferEvent,
  type TransferPlan,
} from "../protocols/tftp/transfer.ts";
import type { Channel } from "./tftp-channel.server.ts";
import { packetRun } from "./tftp-outbox.ts";
import type { PacketReader, Run } from "./tftp-packets.ts";

export interface TransferSetup {
  plan: TransferPlan;
  /** The OACK, encoded; `undefined` where none is sent. */
  oack: Uint8Array | undefined;
  packets: PacketReader;
  channel: Channel;
  clock: Clock;
  /** Called once. */
  onEnd(ended: Ended): void;
}

/** One file on its way to one client: carries the decisions out. */
export interface Transfer {
  receive(packet: Packet): void;
  /** To be called every few milliseconds; acts when something is due. */
  tick(now: number): void;
  tell(event: TransferEvent): void;
  /** Blocks acknowledged so far. */
  progress(): number;
}

export function startTransfer(setup: TransferSetup): Transfer {
  const { plan, packets, channel, clock } = setup;
  let current: Run | undefined;
  let loading: Promise<Run> | undefined;
  /** What is to be sent as soon as its run was read. */
  let wanted = { first: 0, count: 0 };
  const opening = begin(plan, clock.monotonic());
  let state = opening.state;

  function apply(step: Step): void {
    const before = state;
    state = step.state;
    for (const action of step.actions) {
      switch (action.kind) {
        case "send-data":
          wanted = { first: action.first, count: action.count };
          sendWanted();
          break;
        case "send-oack":
          if (setup.oack) sendPacket(setup.oack);
          break;
        case "send-error":
          sendPacket(encode({ kind: "ERROR", code: action.code, message: action.message }));
          break;
      }
    }
    if (step.state.phase === "ended" && before.phase !== "ended") {
      wanted = { first: 0, count: 0 };
      packets.close();
      channel.close();
      setup.onEnd(step.state);
    }
  }

  function sendPacket(bytes: Uint8Array): void {
    channel.send(packetRun(bytes), 0, 1);
  }

  function sendWanted(): void {
    while (wanted.count > 0) {
      const run = runOf(wanted.first);
      if (run === undefined) return;
      const index = wanted.first - run.first;
      const count = Math.min(wanted.count, run.count - index);
      channel.send(run, index, count);
      wanted = { first: wanted.first + count, count: wanted.count - count };
    }
  }

  /** The run that holds `block`; `undefined` when it has to be read first, `sendWanted` then goes on. */
  function runOf(block: number): Run | undefined {
    if (current && block >= current.first && block < current.first + current.count) return current;
    if (loading) return undefined;
    let found: Run | Promise<Run>;
    try {
      found = packets.run(block);
    } catch (error) {
      queueMicrotask(() => unreadable(error));
      return undefined;
    }
    if (!(found instanceof Promise)) {
      current = found;
      return found;
    }
    loading = found;
    found.then((run) => {
      loading = undefined;
      current = run;
      sendWanted();
    }, unreadable);
    return undefined;
  }

  function unreadable(error: unknown): void {
    loading = undefined;
    const reason = error instanceof Error ? error.message : String(error);
    tell({ kind: "unreadable", reason });
  }

  function tell(event: TransferEvent): void {
    apply(decide(plan, state, event));
  }

  apply(opening);

  return {
    receive(packet) {
      switch (packet.kind) {
        case "ACK":
          return tell({ kind: "ack", block: packet.block, at: clock.monotonic() });
        case "ERROR":
          return tell({ kind: "error", code: packet.code, message: packet.message });
        default:
          return tell({ kind: "unexpected", what: packet.kind });
      }
    },
    tick(now) {
      if (state.phase !== "ended" && now >= state.dueAt) tell({ kind: "timeout", at: now });
    },
    tell,
    progress: () => state.acked,
  };
}
