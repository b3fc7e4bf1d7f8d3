import type { Command } from "../fleet/protocol.ts";

/** What a running command tells; `output` may ask to be held back by returning false. */
export interface CommandListener {
  /** False: stop reading until `resume`. */
  output(stream: "stdout" | "stderr", data: Uint8Array): boolean;
  inputTaken(seq: number): void;
  exit(result: { code: number | null; signal: string | null; reason?: string }): void;
}

export interface RunningCommand {
  input(seq: number, data: Uint8Array, end: boolean): void;
  resize(columns: number, rows: number): void;
  signal(name: NodeJS.Signals): void;
  /** Reads on after `output` said false. */
  resume(): void;
  /** SIGTERM to the whole group, SIGKILL five seconds later. */
  cancel(reason: string): void;
}

/** Starts a command; a failure to start is told by `exit`, with its reason. */
export type Runner = (command: Command, listener: CommandListener) => RunningCommand;
