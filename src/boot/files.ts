import { normalisePath } from "../protocols/tftp/path.ts";
import type { BootPrograms } from "./boot-programs.client.ts";
import type { Dispatch, Requester } from "./dispatch.ts";
import { readGrubMachinePath, renderFirstConfig } from "./grub-config.ts";
import { renderFirstScript } from "./ipxe-script.ts";

/** A file as both edges serve it: held in memory, or on disk. */
export type BootFile =
  | { kind: "bytes"; bytes: Uint8Array; type: string; etag: string }
  | {
      kind: "disk";
      path: string;
      /** Bytes. */
      size: number;
      /** Milliseconds since the epoch. */
      modified: number;
      type: string;
      etag: string;
    };

/** Everything a loader may ask for by name, over TFTP and HTTP alike. */
export interface BootFiles {
  /** `path` as the client wrote it; `undefined` when there is no such file. @throws `unavailable`. */
  open(path: string, from: Requester): Promise<BootFile | undefined>;
}

/** Finds the file of a path below one of the prefixes: `x86_64/vmlinuz` → `/usr/share/labctl/ram/x86_64/vmlinuz`. */
export type Mount = (path: string) => string | undefined;

export interface BootFilesDeps {
  programs: BootPrograms;
  dispatch: Pick<Dispatch, "config">;
  /** What lies below `/ram/`, `/installer/`, `/image/` and `/agent/`. */
  mounts: { ram: Mount; installer: Mount; image: Mount; agent: Mount };
  /** A regular file's size and time of change; `undefined` when there is none. */
  stat(path: string): { size: number; modified: number } | undefined;
}

const types: Readonly<Record<string, string>> = {
  // EDK2 knows a boot program by this type or by its name (rule 15).
  efi: "application/efi",
  ipxe: "text/plain; charset=utf-8",
  cfg: "text/plain; charset=utf-8",
};
const typeOf = (path: string) => types[path.slice(path.lastIndexOf(".") + 1)] ?? "application/octet-stream";

export function createBootFiles({ programs, dispatch, mounts, stat }: BootFilesDeps): BootFiles {
  const encoder = new TextEncoder();
  const firstConfig = renderFirstConfig();
  /** The first script by base URL: there is one per interface. */
  const firstScripts = new Map<string, BootFile>();

  const heldPrograms = new Map<string, BootFile>();

  const text = (content: string): BootFile => {
    const bytes = encoder.encode(content);
    return { kind: "bytes", bytes, type: "text/plain; charset=utf-8", etag: etagOf(bytes) };
  };

  function firstScript(baseUrl: string): BootFile {
    const known = firstScripts.get(baseUrl) ?? text(renderFirstScript(baseUrl));
    if (firstScripts.size < 64) firstScripts.set(baseUrl, known);
    return known;
  }

  async function program(name: string): Promise<BootFile | undefined> {
    const held = heldPrograms.get(name);
    if (held) return held;
    const bytes = await programs.read(name);
    if (!bytes) return undefined;
    const file: BootFile = { kind: "bytes", bytes, type: typeOf(name), etag: etagOf(bytes) };
    heldPrograms.set(name, file);
    return file;
  }

  function onDisk(path: string | undefined): BootFile | undefined {
    if (path === undefined) return undefined;
    const found = stat(path);
    if (!found) return undefined;
    const etag = `"${found.size.toString(16)}-${found.modified.toString(16)}"`;
    return { kind: "disk", path, ...found, type: typeOf(path), etag };
  }

  return {
    async open(wanted, from) {
      const normalised = normalisePath(wanted);
      if (normalised.kind === "ignore") return undefined;
      // Loaders look beside the program that started them, which HTTP has below boot/.
      const path = normalised.path.replace(/^boot\//, "");
      if (path === "boot.ipxe" || path === "autoexec.ipxe") return firstScript(from.baseUrl);
      const slash = path.indexOf("/");
      if (slash < 0) {
        return program(path);
      }
      const below = path.slice(slash + 1);
      switch (path.slice(0, slash)) {
        case "ram":
          return onDisk(mounts.ram(below));
        case "installer":
          return onDisk(mounts.installer(below));
        case "image":
          return onDisk(mounts.image(below));
        case "agent":
          return onDisk(mounts.agent(below));
        case "grub": {
          if (below === "grub.cfg") return text(firstConfig);
          const machine = readGrubMachinePath(path);
          return machine && text(await dispatch.config(machine.mac, machine.cpu, from));
        }
      }
      return undefined;
    },
  };
}

/** A directory as a mount; names that begin with a dot are nobody's business. */
export function directoryMount(directory: string): Mount {
  return (path) => (/(^|\/)\./.test(path) ? undefined : `${directory}/${path}`);
}

/** FNV-1a over the bytes: tells two texts apart, proves nothing. */
function etagOf(bytes: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return `"${bytes.length.toString(16)}-${hash.toString(16)}"`;
}
