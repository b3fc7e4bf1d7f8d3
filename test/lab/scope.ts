/**
 * What has to be undone, in the reverse order of its making: also when a step in the middle fails, and on
 * Ctrl-C or SIGTERM, after which the process ends.
 */
export interface Scope extends AsyncDisposable {
  /** Remembers `undo`; the returned function runs it early, once. */
  defer(undo: () => void | Promise<void>): () => Promise<void>;
  close(): Promise<void>;
  /** Leaves everything as it is: nothing is undone any more. */
  release(): void;
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export function createScope(): Scope {
  const undos: (() => void | Promise<void>)[] = [];
  let closing: Promise<void> | undefined;

  async function unwind(): Promise<void> {
    const errors: unknown[] = [];
    for (let undo = undos.pop(); undo; undo = undos.pop()) {
      try {
        await undo();
      } catch (error) {
        errors.push(error);
      }
    }
    ignoreSignals();
    if (errors.length > 0)
      throw new AggregateError(errors, `could not undo: ${errors.map(String).join("; ")}`);
  }
  const ignoreSignals = () => {
    for (const signal of signals) process.off(signal, onSignal);
  };
  const close = () => {
    closing ??= unwind();
    return closing;
  };
  const onSignal = (signal: NodeJS.Signals) => {
    close()
      .catch((error) => console.error(String(error)))
      .finally(() => process.exit(signal === "SIGINT" ? 130 : 143));
  };
  for (const signal of signals) process.on(signal, onSignal);

  return {
    defer(undo) {
      undos.push(undo);
      return async () => {
        const at = undos.lastIndexOf(undo);
        if (at < 0) return;
        undos.splice(at, 1);
        await undo();
      };
    },
    close,
    release() {
      undos.length = 0;
      ignoreSignals();
    },
    [Symbol.asyncDispose]: close,
  };
}
