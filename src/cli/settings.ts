import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import {
  type ClientConfig,
  clientConfigSchema,
  type DaemonConfig,
  daemonConfigSchema,
  parseConfig,
} from "../platform/config.ts";
import { AppError } from "../platform/errors.ts";
import type { OutputFormat } from "./output.ts";

const installedConfig = "/etc/labctl/config.yaml";
export const daemonConfigPath = () => process.env.LABCTL_CONFIG ?? installedConfig;
export const clientConfigPath = () => join(process.env.HOME ?? homedir(), ".labctl/config.yaml");

/** The file's YAML as plain values; an absent file is an empty one. */
export function readYaml(path: string): unknown {
  if (!existsSync(path)) return {};
  try {
    return Bun.YAML.parse(readFileSync(path, "utf8")) ?? {};
  } catch (cause) {
    throw new AppError("config", `${path}: ${cause instanceof Error ? cause.message : "not readable"}`, {
      hint: "mend the file's YAML, or move it away to start from the defaults",
      cause,
    });
  }
}

/** The daemon's settings; the installed file alone may be absent, one that is named has to be there. */
export function loadDaemonConfig(path: string = daemonConfigPath()): DaemonConfig {
  if (path !== installedConfig && !existsSync(path)) {
    throw new AppError("config", `there is no ${resolve(path)}`, {
      hint: "name the file that holds the settings, with --config or LABCTL_CONFIG",
    });
  }
  return parseConfig(daemonConfigSchema, readYaml(path), path, process.env);
}

/** The client's own file; `LABCTL_SOCKET` and `LABCTL_OUTPUT` override it. */
export function loadClientConfig(): ClientConfig {
  const path = clientConfigPath();
  return parseConfig(clientConfigSchema, readYaml(path), path, process.env);
}

/** The format a command prints in: its flag, else the user's configuration. */
export function outputFormat(flag: OutputFormat | undefined): OutputFormat {
  return flag ?? loadClientConfig().output;
}
