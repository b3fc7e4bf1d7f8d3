import type { AgentMessage, Command, LabdMessage, LogQuery } from "../fleet/protocol.ts";
import { maxChunk, maxReason, outputWindow } from "../fleet/protocol.ts";
import { createOutbox, type Outbox } from "./outbox.ts";
import type { Runner, RunningCommand } from "./runner.ts";

type Kept = Extract<AgentMessage, { kind: "output" | "exit" }>;
type Without<Message, Key extends PropertyKey> = Message extends unknown ? Omit<Message, Key> : never;
type Unnumbered = Without<Kept, "seq">;

interface Work {
  running: RunningCommand;
  outbox: Outbox<Unnumbered>;
  ended: boolean;
  /** The last input that came, and the last the command took. */
  inputCame: number;
  inputTaken: number;
}

/** The commands of one agent: they outlive a lost connection, not the agent. */
export interface CommandSession {
  /** A connection stands: what labd has is forgotten, the rest is sent again, what it does not know is ended. */
  resume(commands: readonly { command: string; seq: number }[]): void;
  receive(message: LabdMessage): void;
  /** Ends everything. */
  stop(reason: string): void;
  readonly count: number;
}

/** Commands at once; labd has the same bound, but a bound is kept where the memory is. */
const maxCommands = 32;

export interface SessionDeps {
  run: Runner;
  /** How a log query is read on this host. */
  logCommand(query: LogQuery): Command;
  /** How one of the fixed operations is done; see `host-operations.ts`. */
  operationCommand(operation: Extract<LabdMessage, { kind: "operate" }>["operation"]): Command;
  /** False while there is no connection: what is kept in the outbox is sent when there is one. */
  send(message: AgentMessage): boolean;
}

export function createCommandSession({
  run,
  logCommand,
  operationCommand,
  send,
}: SessionDeps): CommandSession {
  const work = new Map<string, Work>();

  function keep(id: string, item: Unnumbered, size: number): boolean {
    const entry = work.get(id);
    if (!entry) return true;
    const { seq, full } = entry.outbox.add(item, size);
    send(numbered(item, seq));
    return !full;
  }

  function start(id: string, command: Command): void {
    if (work.has(id)) return;
    if (work.size >= maxCommands) {
      send({
        kind: "exit",
        command: id,
        seq: 1,
        code: null,
        signal: null,
        reason: `${maxCommands} commands run here already`,
      });
      return;
    }
    const outbox = createOutbox<Unnumbered>(outputWindow);
    const entry: Work = {
      outbox,
      ended: false,
      inputCame: 0,
      inputTaken: 0,
      running: run(command, {
        output(stream, data) {
          let more = true;
          for (let at = 0; at < data.length; at += maxChunk) {
            const chunk = data.subarray(at, at + maxChunk);
            more = keep(
              id,
              { kind: "output", command: id, stream, data: Buffer.from(chunk).toString("base64") },
              chunk.length,
            );
          }
          return more;
        },
        inputTaken(seq) {
          entry.inputTaken = seq;
          send({ kind: "input-taken", command: id, seq });
        },
        exit({ reason, ...exit }) {
          entry.ended = true;
          const why = reason === undefined ? {} : { reason: reason.slice(0, maxReason) };
          keep(id, { kind: "exit", command: id, ...exit, ...why }, 0);
        },
      }),
    };
    work.set(id, entry);
  }

  function taken(id: string, seq: number): void {
    const entry = work.get(id);
    if (!entry) return;
    if (entry.outbox.taken(seq)) entry.running.resume();
    if (entry.ended && entry.outbox.after(0).length === 0) work.delete(id);
  }

  function input({ command, seq, data, end }: Extract<LabdMessage, { kind: "input" }>): void {
    const entry = work.get(command);
    if (!entry) return;
    if (seq > entry.inputCame) {
      entry.inputCame = seq;
      entry.running.input(seq, Buffer.from(data, "base64"), end);
      // After a reconnection labd sends again what it did not hear was taken.
    } else if (seq <= entry.inputTaken) send({ kind: "input-taken", command, seq });
  }

  function drop(id: string, reason: string): void {
    work.get(id)?.running.cancel(reason);
    work.delete(id);
  }

  return {
    get count() {
      return work.size;
    },
    resume(commands) {
      const known = new Map(commands.map(({ command, seq }) => [command, seq]));
      for (const [id, entry] of [...work]) {
        const seq = known.get(id);
        if (seq === undefined) {
          drop(id, "nobody waits for it any more");
          continue;
        }
        taken(id, seq);
        for (const { seq: own, item } of entry.outbox.after(seq)) send(numbered(item, own));
      }
      for (const [id, seq] of known) {
        // Lost on the way here: it never started.
        if (!work.has(id)) {
          send({
            kind: "exit",
            command: id,
            seq: seq + 1,
            code: null,
            signal: null,
            reason: "the agent does not know this command",
          });
        }
      }
    },
    receive(message) {
      switch (message.kind) {
        case "run":
          return start(message.command, message.spec);
        case "read-logs":
          return start(message.command, logCommand(message.query));
        case "operate":
          return start(message.command, operationCommand(message.operation));
        case "input":
          return input(message);
        case "resize":
          return work.get(message.command)?.running.resize(message.terminal.columns, message.terminal.rows);
        case "signal":
          return work.get(message.command)?.running.signal(message.signal);
        case "cancel":
          return drop(message.command, "its client went away");
        case "taken":
          return taken(message.command, message.seq);
      }
    },
    stop(reason) {
      for (const id of [...work.keys()]) drop(id, reason);
    },
  };
}

const numbered = (item: Unnumbered, seq: number): AgentMessage =>
  // checked: the outbox keeps output and exit messages whole but for their number
  ({ ...item, seq }) as Kept;
