import { chmodSync, chownSync, mkdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { z } from "zod";
import { clientConfigSchema, daemonConfigSchema } from "../platform/config.ts";
import {
  atKey,
  configKeys,
  environmentName,
  parseConfig,
  readValue,
  withKey,
} from "../platform/config-reading.ts";
import { AppError } from "../platform/errors.ts";
import { nearest } from "../platform/nearest.ts";
import { defineCommand, defineGroup, outputFlag } from "./define.ts";
import { formatData, print, printRecords } from "./output.ts";
import { clientConfigPath, daemonConfigPath, isThere, outputFormat, placeIn, readYaml } from "./settings.ts";

const scopeFlag = {
  client: {
    type: "boolean",
    description: "the client's file (~/.labctl/config.yaml) instead of the daemon's",
  },
} as const;

const scopeOf = (client: boolean | undefined): { path: string; schema: z.ZodType } =>
  client === true
    ? { path: clientConfigPath(), schema: clientConfigSchema }
    : { path: daemonConfigPath(), schema: daemonConfigSchema };

function knownKey(schema: z.ZodType, key: string): string {
  const keys = configKeys(schema);
  if (keys.includes(key)) return key;
  const close = nearest(key, keys);
  throw new AppError("usage", `there is no key '${key}'`, {
    hint: close === undefined ? "labctl config list shows every key" : `did you mean '${close}'?`,
  });
}

const list = defineCommand({
  summary: "every key with its value and where it comes from",
  example: "labctl config list -o yaml",
  args: { ...scopeFlag, ...outputFlag },
  run: ({ client, output }) => {
    const { path, schema } = scopeOf(client);
    const file = readYaml(path);
    const value = parseConfig(schema, file, placeIn(path), process.env);
    const format = outputFormat(output);
    if (format !== "table") {
      print(formatData(value, format));
      return;
    }
    const rows = configKeys(schema).map((key) => ({
      key,
      value: atKey(value, key),
      origin: originOf(key, file),
    }));
    printRecords(
      rows,
      [
        { title: "KEY", value: (row) => row.key },
        { title: "VALUE", value: (row) => (row.value === undefined ? undefined : JSON.stringify(row.value)) },
        { title: "FROM", value: (row) => row.origin },
      ],
      "table",
    );
  },
});

function originOf(key: string, file: unknown): string {
  if (process.env[environmentName(key)] !== undefined) return environmentName(key);
  return atKey(file, key) === undefined ? "default" : "file";
}

const get = defineCommand({
  summary: "the value of one key",
  example: "labctl config get http.port",
  args: {
    key: { type: "positional", required: true, description: "dotted key" },
    ...scopeFlag,
    ...outputFlag,
  },
  run: ({ key, client, output }) => {
    const { path, schema } = scopeOf(client);
    const settings = parseConfig(schema, readYaml(path), placeIn(path), process.env);
    const value = atKey(settings, knownKey(schema, key));
    print(
      output === "json" || output === "yaml"
        ? formatData(value, output)
        : typeof value === "object"
          ? JSON.stringify(value)
          : String(value ?? ""),
    );
  },
});

const set = defineCommand({
  summary: "change one key in the file; comments in it are not kept",
  example: "labctl config set http.port 8080",
  args: {
    key: { type: "positional", required: true, description: "dotted key" },
    value: { type: "positional", required: true, description: "new value, as YAML" },
    ...scopeFlag,
  },
  run: ({ key, value, client }) => {
    const { path, schema } = scopeOf(client);
    const changed = withKey(readYaml(path), knownKey(schema, key).split("."), readValue(value, key));
    parseConfig(schema, changed, path);
    writeWhole(path, `${formatData(changed, "yaml")}\n`);
  },
});

/** Replaces a file so that a crash leaves either the old or the new one, and those who may read it still may. */
function writeWhole(path: string, text: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    const temporary = `${path}.${process.pid}.tmp`;
    writeFileSync(temporary, text, { mode: 0o640, flush: true });
    const old = statSync(path, { throwIfNoEntry: false });
    if (old) chmodSync(temporary, old.mode & 0o777);
    // The service reads it by its group: a new file gets that of its directory.
    if (process.getuid?.() === 0) chownSync(temporary, old?.uid ?? 0, (old ?? statSync(dirname(path))).gid);
    renameSync(temporary, path);
  } catch (cause) {
    throw new AppError(
      "unavailable",
      `cannot write ${path}: ${cause instanceof Error ? cause.message : cause}`,
      {
        hint: "run as a user who may write there, or use --client",
        cause,
      },
    );
  }
}

const path = defineCommand({
  summary: "where the file is",
  example: "labctl config path",
  args: scopeFlag,
  run: ({ client }) => {
    const at = scopeOf(client).path;
    print(isThere(at) ? at : `${at} (not there: the defaults hold)`);
  },
});

export const config = defineGroup({
  summary: "read and change the configuration",
  example: "labctl config set http.port 8080",
  commands: {
    list: { summary: list.summary, load: async () => list },
    get: { summary: get.summary, load: async () => get },
    set: { summary: set.summary, load: async () => set },
    path: { summary: path.summary, load: async () => path },
  },
});
