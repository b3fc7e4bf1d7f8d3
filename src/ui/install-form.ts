import type { z } from "zod";
import { installSpecSchema } from "../machines/service.ts";

/** The form as it was sent: text, all of it. */
export const installFields = [
  "name",
  "domain",
  "role",
  "os",
  "disk",
  "sshKeys",
  "users",
  "rootPasswordHash",
  "network",
  "address",
  "gateway",
  "dns",
  "wipe",
  "replace",
] as const;
export type InstallField = (typeof installFields)[number];
export type InstallForm = Partial<Record<InstallField, string>>;
export type InstallErrors = Partial<Record<InstallField, string>>;

const lines = (text = "") =>
  text
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
const words = (text = "") => text.split(/[\s,]+/).filter((word) => word !== "");
const given = (text: string | undefined) => (text?.trim() ? text.trim() : undefined);

/** The install the form describes, as the API takes it. What is empty is left out: the schema has the defaults. */
export function specOf(form: InstallForm): Record<string, unknown> {
  const fields = {
    name: given(form.name),
    domain: given(form.domain),
    role: given(form.role),
    os: given(form.os),
    disk: given(form.disk),
    rootPasswordHash: given(form.rootPasswordHash),
  };
  return {
    ...Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)),
    ...(lines(form.sshKeys).length > 0 && { sshKeys: lines(form.sshKeys) }),
    users: words(form.users).map((name) => ({ name })),
    network:
      form.network === "static"
        ? {
            kind: "static",
            address: given(form.address) ?? "",
            ...(given(form.gateway) !== undefined && { gateway: given(form.gateway) }),
            dns: words(form.dns),
          }
        : { kind: "dhcp" },
    wipe: form.wipe === "on",
  };
}

/** What the schema of the API refuses, each at the field it came from. */
export function checkInstall(form: InstallForm): InstallErrors {
  const result = installSpecSchema.safeParse(specOf(form));
  const errors: InstallErrors = {};
  for (const issue of result.error?.issues ?? []) {
    const [first, second] = issue.path;
    const at = first === "network" ? second : first;
    const field = installFields.find((each) => each === at) ?? "name";
    const place = typeof second === "number" ? `line ${second + 1} ` : "";
    errors[field] ??= isMissing(issue, form[field]) ? "is needed" : `${place}${issue.message}`;
  }
  return errors;
}

const isMissing = (issue: z.core.$ZodIssue, value: string | undefined) =>
  issue.code === "invalid_type" && given(value) === undefined;
