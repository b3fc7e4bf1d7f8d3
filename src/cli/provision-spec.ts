import { existsSync, readFileSync } from "node:fs";
import { AppError } from "../platform/errors.ts";
import { readYaml } from "./settings.ts";

/** What describes an install on the command line. */
export const specFlags = {
  role: { type: "string", description: "worker, infra or plain (default): decides the disk's layout" },
  os: { type: "string", description: "debian-12, fedora-42, image:NAME …" },
  disk: { type: "string", description: "largest, /dev/…, or rules such as model=SSD,size>=200G" },
  "ssh-key": { type: "string", description: "public key or its file, for root and users; repeatable" },
  user: { type: "string", description: "an administrator's account; repeatable" },
  domain: { type: "string", description: "domain appended to the name" },
  address: { type: "string", description: "static address such as 10.0.0.5/24; DHCP without it" },
  gateway: { type: "string", description: "with --address" },
  dns: { type: "string", description: "with --address; repeatable" },
  wipe: { type: "boolean", description: "destroy the data volume of an earlier install too" },
  spec: {
    type: "string",
    description: "YAML file with any of these and more; flags win",
    valueHint: "FILE",
  },
} as const;

type SpecFlags = { [Flag in Exclude<keyof typeof specFlags, "wipe">]?: string | undefined } & {
  wipe?: boolean | undefined;
};

/** The fields that were given: those of `--spec`, and over them those of the flags. */
export function readSpecFlags(flags: SpecFlags, many: (flag: string) => string[]): Record<string, unknown> {
  const keys = many("ssh-key").map(readKey);
  const users = many("user").map((name) => ({ name }));
  return {
    ...readSpec(flags.spec),
    ...given("role", flags.role),
    ...given("os", flags.os),
    ...given("disk", flags.disk),
    ...given("domain", flags.domain),
    ...(keys.length > 0 && { sshKeys: keys }),
    ...(users.length > 0 && { users }),
    ...(flags.wipe === true && { wipe: true }),
    ...(flags.address !== undefined && {
      network: {
        kind: "static",
        address: flags.address,
        ...given("gateway", flags.gateway),
        dns: many("dns"),
      },
    }),
  };
}

const given = <Key extends string>(key: Key, value: string | undefined): { [K in Key]?: string } =>
  // checked: a computed key widens to string; there is one, and it is Key
  (value === undefined ? {} : { [key]: value }) as { [K in Key]?: string };

function readSpec(path: string | undefined): Record<string, unknown> {
  if (path === undefined) return {};
  if (!existsSync(path)) throw new AppError("usage", `there is no file ${path}`);
  const value = readYaml(path);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new AppError("usage", `${path} does not hold an install`, {
    hint: "write fields such as os: debian-12",
  });
}

/** A key as it was typed, or the one line of the file it names. */
function readKey(text: string): string {
  if (/^(ssh|ecdsa|sk)-\S+ /.test(text)) return text;
  if (!existsSync(text)) {
    throw new AppError("usage", `there is no SSH key file ${text}`, {
      hint: "name a .pub file, or give the key itself in quotes",
    });
  }
  return readFileSync(text, "utf8").trim();
}
