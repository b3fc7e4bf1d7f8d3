import type { Clock } from "../platform/clock.ts";
import type { BootFile } from "./files.ts";

/** Larger files than a kernel or an initrd are not for GRUB. Bytes. */
const maxSize = 512 << 20;
const releaseAfter = 60_000;

/**
 * Files held in memory while GRUB fetches them, one copy for all machines, released a minute after the last.
 *
 * GRUB knows a length only when the header is spelled `Content-Length`, and verifies no file of unknown length,
 * as Secure Boot demands. Bun spells it so for bodies in memory, and in lower case for files it sends from disk.
 */
export interface WholeFiles {
  /** `undefined`: it is too large to be held. */
  read(file: Extract<BootFile, { kind: "disk" }>): Promise<Blob | undefined>;
  stop(): Promise<void>;
}

export function createWholeFiles(clock: Clock): WholeFiles {
  const held = new Map<string, { content: Promise<Blob>; cancel: () => void }>();
  return {
    async read({ path, etag, size }) {
      if (size > maxSize) return undefined;
      const key = `${path} ${etag}`;
      const known = held.get(key);
      known?.cancel();
      const content = known?.content ?? load(path);
      const cancel = clock.after(releaseAfter, () => held.delete(key));
      held.set(key, { content, cancel });
      // What could not be read is tried again by whoever asks next.
      content.catch(() => held.delete(key));
      return content;
    },
    async stop() {
      for (const { cancel } of held.values()) cancel();
      held.clear();
    },
  };
}

const load = async (path: string) => new Blob([await Bun.file(path).arrayBuffer()]);
