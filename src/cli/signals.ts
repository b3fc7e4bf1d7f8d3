/** Resolves at the first SIGTERM or SIGINT; a second one ends the process at once. */
export function waitForStop(): Promise<void> {
  return new Promise((resolve) => {
    const signals = ["SIGTERM", "SIGINT"] as const;
    const first = () => {
      for (const signal of signals) {
        process.removeListener(signal, first);
        process.once(signal, () => process.exit(130));
      }
      resolve();
    };
    for (const signal of signals) process.once(signal, first);
  });
}
