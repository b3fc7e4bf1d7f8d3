import { readFileSync } from "node:fs";

export interface WaitOptions {
  timeoutMs: number;
  /** Stops waiting, with this reason, when it returns one (the machine has ended, …). */
  giveUp?: () => string | undefined;
}

/** A file that grows: a serial console, a log. */
export interface TextLog {
  readonly path: string;
  text(): string;
  /** Waits until the text after `mark` holds `pattern`; gives the match and says what it waits for. */
  waitFor(pattern: string | RegExp, options: WaitOptions): Promise<RegExpMatchArray>;
  /** From here on `waitFor` looks only at what comes after this call. */
  mark(): void;
}

// Firmware and boot loaders draw: cursor movements and colours are not text.
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences start with one
const escapes = /\u001b(?:\[[0-?]*[ -/]*[@-~]|[()][A-Za-z0-9]|[=>A-Za-z])|[\u0000\u0007\r]/g;

const lockup = /BUG: soft lockup - CPU.*|INFO: rcu_\w+ (?:self-)?detected (?:expedited )?stalls? .*/;

/**
 * Linux' word of a processor that gets nowhere, when it is among its last 300 lines: no program in the machine can
 * cause that, an emulator can.
 */
export function stuckProcessor(console: string): string | undefined {
  return console.split("\n").slice(-300).join("\n").match(lockup)?.[0];
}

export function openTextLog(path: string, say: (text: string) => void): TextLog {
  let start = 0;
  const text = () => {
    try {
      return readFileSync(path, "utf8").replace(escapes, "");
    } catch {
      return "";
    }
  };
  return {
    path,
    text,
    mark() {
      start = text().length;
    },
    async waitFor(pattern, { timeoutMs, giveUp }) {
      const wanted = typeof pattern === "string" ? new RegExp(literal(pattern)) : pattern;
      const began = Date.now();
      say(`waiting for ${wanted.source} (at most ${Math.round(timeoutMs / 1000)} s)`);
      for (;;) {
        const reason = giveUp?.();
        const found = text().slice(start).match(wanted);
        if (found) {
          say(`  came after ${((Date.now() - began) / 1000).toFixed(1)} s`);
          return found;
        }
        if (reason !== undefined) throw new Error(`${wanted.source} did not come: ${reason}${last(text())}`);
        if (Date.now() - began > timeoutMs) {
          throw new Error(`${wanted.source} did not come within ${timeoutMs / 1000} s${last(text())}`);
        }
        await Bun.sleep(200);
      }
    },
  };
}

function last(text: string): string {
  const lines = text.trimEnd().split("\n").slice(-15);
  return `; the last lines of the console:\n${lines.map((line) => `  | ${line.slice(0, 200)}`).join("\n")}`;
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
