import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import {
  type ClientConfig,
  clientConfigSchema,
  type DaemonConfig,
  daemonConfigSchema,
} from "../platform/config.ts";
import { parseConfig } from "../platform/config-reading.ts";
import { AppError } from "../platform/errors.ts";
import { lineOf, linesThatParse } from "../platform/yaml-line.ts";
import type { OutputFormat } from "./output.ts";

const installedConfig = "/etc/labctl/config.yaml";
export const daemonConfigPath = () => process.env.LABCTL_CONFIG ?? installedConfig;
export const clientConfigPath = () => join(process.env.HOME ?? homedir(), ".labctl/config.yaml");

/** @throws `forbidden` for a file that is there, or may be, and is not this user's to read. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    if (code === "EACCES") {
      throw new AppError("forbidden", `${path} may not be read by this user`, {
        hint: "run as root, or as a member of the group that may read it",
        cause,
      });
    }
    throw new AppError("config", `${path}: ${cause instanceof Error ? cause.message : "cannot be read"}`, {
      cause,
    });
  }
}

export const isThere = (path: string) => readText(path) !== undefined;

const parses = (text: string) => {
  try {
    Bun.YAML.parse(text);
    return true;
  } catch {
    return false;
  }
};

/** The file's YAML as plain values; an absent file is an empty one. */
export function readYaml(path: string): unknown {
  const text = readText(path) ?? "";
  try {
    return Bun.YAML.parse(text) ?? {};
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : "not readable";
    const line = linesThatParse(text, parses) + 1;
    throw new AppError("config", `${path}: ${reason}, in line ${line} or later`, {
      hint: "mend the file's YAML, or move it away to start from the defaults",
      cause,
    });
  }
}

/** The file's name with the line of a key. */
export const placeIn = (path: string) => (key: readonly PropertyKey[]) => {
  const line = lineOf(readText(path) ?? "", key);
  return line === undefined ? path : `${path}:${line}`;
};

/** The daemon's settings; the installed file alone may be absent, one that is named has to be there. */
export function loadDaemonConfig(path: string = daemonConfigPath()): DaemonConfig {
  if (path !== installedConfig && !isThere(path)) {
    throw new AppError("config", `there is no ${resolve(path)}`, {
      hint: "name the file that holds the settings, with --config or LABCTL_CONFIG",
    });
  }
  return parseConfig(daemonConfigSchema, readYaml(path), placeIn(path), process.env);
}

/** The admin socket of this host's daemon; the default one for users who may not read its configuration. */
export function adminSocket(): string {
  try {
    return loadDaemonConfig().adminSocket;
  } catch (error) {
    if (error instanceof AppError && error.code === "forbidden")
      return parseConfig(daemonConfigSchema, {}, "the environment", process.env).adminSocket;
    throw error;
  }
}

/** The client's own file; `LABCTL_SOCKET` and `LABCTL_OUTPUT` override it. */
export function loadClientConfig(): ClientConfig {
  const path = clientConfigPath();
  return parseConfig(clientConfigSchema, readYaml(path), placeIn(path), process.env);
}

/** The format a command prints in: its flag, else the user's configuration. */
export function outputFormat(flag: OutputFormat | undefined): OutputFormat {
  return flag ?? loadClientConfig().output;
}
