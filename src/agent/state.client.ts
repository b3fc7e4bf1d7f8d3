import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
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
  /** `undefined`: not enrolled. @throws `config` when the file is damaged. */
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
      if (!existsSync(path)) return undefined;
      try {
        return stateSchema.parse(JSON.parse(readFileSync(path, "utf8")));
      } catch (cause) {
        throw new AppError("config", `${path} is damaged`, {
          hint: "enrol again: labctl agent enroll SERVER --token …",
          cause,
        });
      }
    },
    write(state) {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      const temporary = `${path}.tmp`;
      writeFileSync(temporary, JSON.stringify(state), { mode: 0o600, flush: true });
      renameSync(temporary, path);
      // labd takes the last certificate back once this one is kept: a rename that power loss undoes would lock us out.
      const opened = openSync(directory, "r");
      fsyncSync(opened);
      closeSync(opened);
    },
    remove: () => rmSync(path, { force: true }),
  };
}
