import {
  chownSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { AppError } from "../platform/errors.ts";

const stateSchema = z.object({
  /** `https://labd.example:8443` */
  server: z.url(),
  /** Where labd was before it was moved: tried in turn until the new address has answered. */
  previousServer: z.url().optional(),
  name: z.string(),
  keyPem: z.string(),
  certificatePem: z.string(),
  authoritiesPem: z.string(),
});

/** What makes this host the one it is to labd; its key never leaves it. */
export type AgentState = z.output<typeof stateSchema>;

export interface AgentStateFile {
  /** `undefined`: not enrolled. @throws `config` when the file is damaged, `forbidden` for users it is hidden from. */
  read(): AgentState | undefined;
  /** Replaces the whole file at once, readable by its owner alone; on disk when it returns. */
  write(state: AgentState): void;
  remove(): void;
  readonly path: string;
}

export function createAgentStateFile(directory: string): AgentStateFile {
  const path = join(directory, "agent.json");
  return {
    path,
    read() {
      try {
        return stateSchema.parse(JSON.parse(readFileSync(path, "utf8")));
      } catch (cause) {
        const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
        if (code === "ENOENT") return undefined;
        if (code === "EACCES") {
          throw new AppError("forbidden", `${path} may not be read by this user`, {
            hint: "run as root, or as the service's user",
            cause,
          });
        }
        throw new AppError("config", `${path} is damaged`, {
          hint: "enrol again: labctl agent enroll SERVER --token …",
          cause,
        });
      }
    },
    write(state) {
      const made = mkdirSync(directory, { recursive: true, mode: 0o700 });
      const temporary = `${path}.tmp`;
      writeFileSync(temporary, JSON.stringify(state), { mode: 0o600, flush: true });
      // Root enrols for a service that may run as a user of its own, to whom the folder around it belongs.
      if (process.getuid?.() === 0) {
        if (made === directory) giveTo(directory, dirname(directory));
        giveTo(temporary, directory);
      }
      renameSync(temporary, path);
      // labd takes the last certificate back once this one is kept: a rename that power loss undoes would lock us out.
      const opened = openSync(directory, "r");
      fsyncSync(opened);
      closeSync(opened);
    },
    remove: () => rmSync(path, { force: true }),
  };
}

function giveTo(path: string, ownerOf: string): void {
  const { uid, gid } = statSync(ownerOf);
  chownSync(path, uid, gid);
}
