/** What the demo shows: a title per act, a line per event with the time since power-on, a status at the bottom. */
export interface Screen {
  act(title: string): void;
  line(source: string, text: string): void;
  /** What is being waited for: a line that is rewritten on a terminal, and not printed elsewhere. */
  status(text: string): void;
  /** Times in later lines count from here. */
  startClock(): void;
  table(rows: readonly (readonly string[])[]): void;
  close(): void;
}

export function createScreen(out: NodeJS.WriteStream, now: () => number): Screen {
  const terminal = out.isTTY === true;
  const bold = (text: string) => (terminal ? `\u001b[1m${text}\u001b[0m` : text);
  const dim = (text: string) => (terminal ? `\u001b[2m${text}\u001b[0m` : text);
  let origin = now();
  let status = "";
  const elapsed = () => seconds(now() - origin).padStart(8);

  const clear = () => {
    if (terminal && status !== "") out.write("\r\u001b[2K");
  };
  const draw = () => {
    const width = (out.columns ?? 80) - 1;
    if (terminal && status !== "") out.write(dim(`${elapsed()}  … ${status}`.slice(0, width)));
  };
  const print = (text: string) => {
    clear();
    out.write(`${text}\n`);
    draw();
  };
  // The seconds behind a status move by themselves: a wait must not look like a hang.
  const ticker = terminal
    ? setInterval(() => {
        clear();
        draw();
      }, 1000)
    : undefined;

  return {
    act: (title) => print(`\n${bold(title)}`),
    line: (source, text) => print(`${elapsed()}  ${dim(source.padEnd(7))} ${text}`),
    status(text) {
      clear();
      status = text;
      draw();
    },
    startClock() {
      origin = now();
    },
    table(rows) {
      const widths = (rows[0] ?? []).map((_, column) =>
        Math.max(...rows.map((row) => row[column]?.length ?? 0)),
      );
      for (const row of rows) {
        print(
          `  ${row
            .map((cell, column) => cell.padEnd(widths[column] ?? 0))
            .join("  ")
            .trimEnd()}`,
        );
      }
    },
    close() {
      clear();
      status = "";
      if (ticker) clearInterval(ticker);
    },
  };
}

/** `8.4 s`, `2 min 05 s`. */
export function seconds(ms: number): string {
  const total = ms / 1000;
  if (total < 60) return `${total.toFixed(1)} s`;
  const whole = Math.round(total);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}
