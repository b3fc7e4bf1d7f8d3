import type { LeaseChange, LeasesRepository } from "./leases-repository.ts";

/** Gathers the leases of one turn of the loop into one commit: a rack that asks at once costs one disk sync. */
export interface LeaseJournal {
  /** Resolves once the lease is on disk. @throws what the store throws; the lease was not given then. */
  save(change: LeaseChange): Promise<void>;
  /** Resolves when nothing is under way. */
  settled(): Promise<void>;
}

/** @param defer runs its argument when what has arrived has been read. */
export function createLeaseJournal(
  repository: Pick<LeasesRepository, "save">,
  defer: (run: () => void) => void,
): LeaseJournal {
  let waiting: { change: LeaseChange; done: PromiseWithResolvers<void> }[] = [];
  let writing: Promise<void> | undefined;

  async function writeAll(): Promise<void> {
    await new Promise<void>((resolve) => defer(resolve));
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        await repository.save(batch.map(({ change }) => change));
        for (const { done } of batch) done.resolve();
      } catch (error) {
        for (const { done } of batch) done.reject(error);
      }
    }
    writing = undefined;
  }

  return {
    save(change) {
      const done = Promise.withResolvers<void>();
      waiting.push({ change, done });
      writing ??= writeAll();
      return done.promise;
    },
    settled: async () => {
      await writing;
    },
  };
}
