import { z } from "zod";
import { AppError } from "../platform/errors.ts";
import { nearest } from "../platform/nearest.ts";
import { parseDiskSelector } from "./disk-selector.ts";
import { findOperatingSystem, operatingSystems } from "./operating-systems.ts";
import { defaultRole, roleNames } from "./roles.ts";
import { readSshKey } from "./ssh-key.ts";

const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const domain = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;

/** A host name label (RFC 1123): the machine's name. */
const hostName = z
  .string()
  .regex(label, "must be a host name: letters a-z, digits and hyphens, at most 63")
  .refine((name) => name !== "localhost" && !/^\d+$/.test(name), "must not be 'localhost' or only digits");

const osId = z.string().superRefine((id, context) => {
  if (findOperatingSystem(id)) return;
  const close = nearest(
    id,
    operatingSystems.map((system) => system.id),
  );
  context.addIssue({
    code: "custom",
    message:
      close === undefined
        ? "must be a system such as debian-12, fedora-42 or image:NAME"
        : `is not known; did you mean '${close}'?`,
  });
});

const sshKey = z.string().transform((text, context) => {
  const read = readSshKey(text);
  if (read.kind === "key") return read.key;
  context.addIssue({ code: "custom", message: read.reason });
  return z.NEVER;
});

const diskRule = z
  .string()
  .max(400)
  .superRefine((text, context) => {
    try {
      parseDiskSelector(text);
    } catch (error) {
      const message =
        error instanceof AppError ? `${error.message}; ${error.hint ?? ""}` : "is not a disk rule";
      context.addIssue({ code: "custom", message });
    }
  });

const userName = z
  .string()
  .regex(/^[a-z_][a-z0-9_-]{0,30}$/, "must be a user name: letters a-z, digits, _ and -")
  .refine((name) => !reservedUsers.includes(name), "is an account the system makes itself");
const reservedUsers = ["root", "daemon", "bin", "sys", "nobody", "sshd", "mail", "man", "sync", "adm"];

/** crypt(5): a hash, never a password. */
const passwordHash = z
  .string()
  .regex(
    /^\$(6|5|y|2b)\$[./A-Za-z0-9$,=]{16,200}$/,
    "must be a crypt hash such as mkpasswd -m sha512 prints",
  );

const user = z.strictObject({
  name: userName,
  /** May become root without a password. */
  admin: z.boolean().default(true),
  /** Besides the machine's own keys. */
  sshKeys: z.array(sshKey).max(64).default([]),
  passwordHash: passwordHash.optional(),
});

const cidr = z.cidrv4("must be an address with its prefix such as 10.0.0.5/24");
const ipv4 = z.ipv4("must be an IPv4 address");

const network = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("dhcp") }),
  z.strictObject({
    kind: z.literal("static"),
    address: cidr,
    gateway: ipv4.optional(),
    dns: z.array(ipv4).max(8).default([]),
  }),
]);

/** One description of a machine; it renders to every installer. */
export const installSpecSchema = z.strictObject({
  name: hostName,
  /** Appended to the name for the fully qualified one. */
  domain: z.string().regex(domain, "must be a domain name").optional(),
  role: z.enum(roleNames).default(defaultRole),
  os: osId,
  /** Which disk: see `parseDiskSelector`; without one, the machine's only disk that fits. */
  disk: diskRule.optional(),
  /** For root and every user. */
  sshKeys: z.array(sshKey).max(64).default([]),
  users: z
    .array(user)
    .max(32)
    .refine((users) => new Set(users.map(({ name }) => name)).size === users.length, "name a user twice")
    .default([]),
  rootPasswordHash: passwordHash.optional(),
  /** Of the interface it boots from. */
  network: network.default({ kind: "dhcp" }),
  /** Destroy the data volume of an earlier install too. */
  wipe: z.boolean().default(false),
});

export type InstallSpec = z.output<typeof installSpecSchema>;
/** What a caller writes: everything with a default may be left out. */
export type InstallSpecInput = z.input<typeof installSpecSchema>;

/** @throws `invalid`, naming the field and what it must be. */
export function parseInstallSpec(value: unknown): InstallSpec {
  const result = installSpecSchema.safeParse(value);
  if (result.success) return withAccess(result.data);
  const issue = result.error.issues[0];
  const at = issue === undefined || issue.path.length === 0 ? "the install" : `'${issue.path.join(".")}'`;
  throw new AppError("invalid", `${at} ${issue?.message ?? "is not valid"}`, {
    hint: "labctl provision install --help shows every field with an example",
  });
}

/** A machine nobody can log in to is a mistake better found before its disk is gone. */
function withAccess(spec: InstallSpec): InstallSpec {
  const keys = spec.sshKeys.length + spec.users.reduce((sum, { sshKeys }) => sum + sshKeys.length, 0);
  const passwords = spec.users.some((one) => one.passwordHash !== undefined) || spec.rootPasswordHash;
  if (keys > 0 || passwords) return spec;
  throw new AppError("invalid", `nobody could log in to ${spec.name}: it has no SSH key and no password`, {
    hint: "give --ssh-key FILE, or set install.sshKeys in the daemon's configuration",
  });
}
