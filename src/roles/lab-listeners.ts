import type { Clock } from "../platform/clock.ts";
import type { InterfaceConfig } from "../platform/config.ts";
import { toAppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";
import type { InterfaceReader } from "../protocols/inet/interfaces.client.ts";
import type { Running } from "./running.ts";

/** Interfaces come, go and change their address; looked at this often, in milliseconds. */
const watchInterval = 5000;

export interface LabListeners extends Running {
  /** The addresses that are served now. */
  addresses(): string[];
}

/**
 * Keeps what `open` starts running on the address of each configured interface, following the interfaces as they
 * come and go. A failure to open at the start is the caller's to hear; later ones are logged and tried again.
 */
export async function followInterfaces(
  interfaces: readonly InterfaceConfig[],
  readInterfaces: InterfaceReader,
  open: (address: string) => Promise<Running[]>,
  clock: Clock,
  logger: Logger,
): Promise<LabListeners> {
  const serving = new Map<string, Running[]>();

  async function close(address: string): Promise<void> {
    const parts = serving.get(address) ?? [];
    serving.delete(address);
    for (const part of parts) await part.stop();
  }

  async function follow(first: boolean): Promise<void> {
    const present = readInterfaces();
    const wanted = new Set(
      interfaces.flatMap(({ name, address }) => {
        const there = present.get(name)?.addresses.map((each) => each.address) ?? [];
        return address === undefined ? there.slice(0, 1) : there.filter((each) => each === address);
      }),
    );
    for (const address of serving.keys()) if (!wanted.has(address)) await close(address);
    for (const address of wanted) {
      if (serving.has(address)) continue;
      try {
        serving.set(address, await open(address));
      } catch (error) {
        if (first) throw error;
        logger.error(toAppError(error).message, { address });
      }
    }
  }

  async function stop(): Promise<void> {
    for (const address of [...serving.keys()]) await close(address);
  }

  await follow(true).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  let following = Promise.resolve();
  const stopWatching = clock.every(watchInterval, () => {
    following = following
      .then(() => follow(false))
      .catch((error: unknown) => logger.error(`watching the interfaces: ${toAppError(error).message}`));
  });
  return {
    addresses: () => [...serving.keys()],
    stop: async () => {
      stopWatching();
      await following;
      await stop();
    },
  };
}
