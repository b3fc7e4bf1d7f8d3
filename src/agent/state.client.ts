import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../platform/errors.ts";

const stateSchema = z.object({
  /** `https://labd.example:8443` */
  server: z.url(),
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
  /** Replaces the whole file at once, readable by its owner alone. */
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
    },
    remove: () => rmSync(path, { force: true }),
  };
}
