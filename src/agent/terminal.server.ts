import { dlopen } from "bun:ffi";
import { chownSync, closeSync, constants, openSync, readlinkSync } from "node:fs";

/** The kernel's side of a pseudo-terminal: whoever writes to it can be made to wait. */
export interface TerminalGate {
  hold(): void;
  release(): void;
  close(): void;
}

const TCOOFF = 0;
const TCOON = 1;

/**
 * Opens the terminal the process `pid` was started on. Bun reads the other end without pause: only the kernel can stop
 * the flow (tcflow(3)). A process that is gone already needs no gate.
 */
export function openTerminalGate(pid: number, owner: number | undefined): TerminalGate {
  const path = terminalOf(pid);
  const fd = path === undefined ? undefined : open(path);
  if (path === undefined || fd === undefined) return { hold() {}, release() {}, close() {} };
  // Programs that ask for a password open their terminal anew: it has to be the user's.
  if (owner !== undefined) chownSync(path, owner, -1);
  const libc = dlopen("libc.so.6", { tcflow: { args: ["i32", "i32"], returns: "i32" } });
  let closed = false;
  const flow = (action: number) => {
    if (!closed) libc.symbols.tcflow(fd, action);
  };
  return {
    hold: () => flow(TCOOFF),
    release: () => flow(TCOON),
    close() {
      if (closed) return;
      flow(TCOON);
      closed = true;
      closeSync(fd);
      libc.close();
    },
  };
}

function terminalOf(pid: number): string | undefined {
  for (const stream of [0, 1, 2]) {
    try {
      const path = readlinkSync(`/proc/${pid}/fd/${stream}`);
      if (path.startsWith("/dev/pts/")) return path;
    } catch {
      return undefined;
    }
  }
  return undefined;
}

function open(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  } catch {
    return undefined;
  }
}
