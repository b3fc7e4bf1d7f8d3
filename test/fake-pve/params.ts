import { z } from "zod";

export type Major = 7 | 8 | 9;

/** One parameter of an operation, as the API's own description would have it. */
export interface Param {
  type: "integer" | "number" | "boolean" | "string";
  optional: boolean;
  format?: string;
  enum?: readonly string[];
  min?: number;
  max?: number;
  maxLength?: number;
  /** Anchored at both ends. */
  pattern?: string;
  /** The major versions that know it. */
  since?: Major;
  until?: Major;
  /** How an older version has it, where that differs. */
  in?: Partial<Record<Major, Partial<Omit<Param, "in">>>>;
  /** Refused with the message it gives, after its type was found right. */
  check?: (value: string) => string | undefined;
}

type Rules = Partial<Omit<Param, "type">>;
const make =
  (type: Param["type"]) =>
  (rules: Rules = {}): Param => ({ type, optional: true, ...rules });

/** All are optional unless said otherwise, as nearly all of the API's are. */
export const integer = make("integer");
export const number = make("number");
export const boolean = make("boolean");
export const string = make("string");
export const required = (param: Param): Param => ({ ...param, optional: false });

export const node = required(string({ format: "pve-node" }));
export const vmid = (rules: Rules = {}) =>
  integer({ format: "pve-vmid", min: 100, max: 999_999_999, ...rules });
export const storageId = (rules: Rules = {}) => string({ format: "pve-storage-id", ...rules });
export const configId = (rules: Rules = {}) => string({ format: "pve-configid", maxLength: 40, ...rules });

const formats: Record<string, (value: string) => string | undefined> = {
  "dns-name": (value) =>
    /^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$/.test(value)
      ? undefined
      : "value does not look like a valid DNS name",
  "pve-vmid": (value) =>
    /^[1-9][0-9]{2,8}$/.test(value) ? undefined : "value does not look like a valid VM ID",
  "pve-configid": (value) =>
    /^[a-z][a-z0-9_-]+$/i.test(value) ? undefined : `invalid configuration ID '${value}'`,
  "pve-configid-list": (value) => eachOf(value, "pve-configid"),
  "pve-storage-id": (value) =>
    /^[a-z][a-z0-9._-]*[a-z0-9]$/i.test(value)
      ? undefined
      : `storage ID '${value}' contains illegal characters`,
  "pve-poolid": (value) =>
    /^[A-Za-z0-9._/-]+$/.test(value) ? undefined : `pool name '${value}' contains invalid characters`,
  "pve-tag-list": (value) =>
    /^[a-z0-9_+.;, -]*$/i.test(value) &&
    !/[^;, a-z0-9_+.-]/i.test(value) &&
    value.split(/[;,]/).every((tag) => /^[a-z0-9_][a-z0-9_+.-]*$/i.test(tag.trim()))
      ? undefined
      : "invalid characters in tag",
  "pve-storage-content": (value) =>
    ["images", "rootdir", "vztmpl", "iso", "backup", "snippets", "import", "none"].includes(value)
      ? undefined
      : `invalid content type '${value}'`,
};

function eachOf(list: string, format: string): string | undefined {
  for (const value of list.split(/[;,\s]+/).filter(Boolean)) {
    const wrong = formats[format]?.(value);
    if (wrong) return wrong;
  }
  return undefined;
}

/** What the value must be, checked in the API's order and refused in its words. */
function check(param: Param, value: unknown): string | undefined {
  if (Array.isArray(value)) return `type check ('${param.type}') failed - got ARRAY`;
  const text = value === true ? "1" : value === false ? "0" : String(value);
  if (param.type === "boolean" && !/^(1|on|yes|true|0|off|no|false)$/i.test(text)) {
    return `type check ('boolean') failed - got '${text}'`;
  }
  if (param.type === "integer" && !/^-?\d+$/.test(text))
    return `type check ('integer') failed - got '${text}'`;
  if (param.type === "number" && !/^-?\d+(\.\d+)?$/.test(text))
    return `type check ('number') failed - got '${text}'`;
  if (param.format !== undefined) {
    const wrong = formats[param.format]?.(text);
    if (wrong) return `invalid format - ${wrong}\n`;
  }
  const custom = param.check?.(text);
  if (custom) return custom;
  if (param.pattern !== undefined && !new RegExp(`^(?:${param.pattern})$`).test(text)) {
    return "value does not match the regex pattern";
  }
  if (param.enum && !param.enum.includes(text)) {
    return `value '${text}' does not have a value in the enumeration '${param.enum.join(", ")}'`;
  }
  if (param.min !== undefined && Number(text) < param.min)
    return `value must have a minimum value of ${param.min}`;
  if (param.max !== undefined && Number(text) > param.max)
    return `value must have a maximum value of ${param.max}`;
  if (param.maxLength !== undefined && text.length > param.maxLength) {
    return `value may only be ${param.maxLength} characters long`;
  }
  return undefined;
}

/** `net[n]` stands for net0 to net31, and so on. */
const counts: Record<string, number> = {
  ide: 4,
  sata: 6,
  scsi: 31,
  virtio: 16,
  net: 32,
  unused: 256,
  mp: 256,
  ipconfig: 32,
  serial: 4,
  hostpci: 16,
  usb: 14,
};

function isKnown(param: Param, major: Major): boolean {
  return (param.since ?? 7) <= major && major <= (param.until ?? 9);
}

export function inVersion(param: Param, major: Major): Param {
  return { ...param, ...param.in?.[major] };
}

/** The request schema of one version: unknown names, missing ones and wrong values, each with the API's text. */
export function requestSchema(params: Readonly<Record<string, Param>>, major: Major) {
  const shape: Record<string, z.ZodType> = {};
  for (const [name, param] of Object.entries(params)) {
    if (!isKnown(param, major)) continue;
    const value = valueSchema(inVersion(param, major));
    const base = /^(\w+)\[n\]$/.exec(name)?.[1];
    if (base === undefined) shape[name] = value;
    else for (let n = 0; n < (counts[base] ?? 0); n++) shape[`${base}${n}`] = value;
  }
  return z.strictObject(shape);
}

function valueSchema(param: Param): z.ZodType {
  const value = z.unknown().superRefine((found, context) => {
    if (found === undefined) {
      if (!param.optional)
        context.addIssue({ code: "custom", message: "property is missing and it is not optional" });
      return;
    }
    const wrong = check(param, found);
    if (wrong !== undefined) context.addIssue({ code: "custom", message: wrong });
  });
  // A missing required one is to be looked at too.
  return param.optional ? value.optional() : value;
}

/** By parameter, what is wrong; empty when all is well. */
export function findFaults(schema: z.ZodType, params: Record<string, unknown>): Record<string, string> {
  const found = schema.safeParse(params);
  if (found.success) return {};
  const faults: Record<string, string> = {};
  for (const issue of found.error.issues) {
    if (issue.code === "unrecognized_keys") {
      for (const key of issue.keys) {
        faults[key] = "property is not defined in schema and the schema does not allow additional properties";
      }
    } else faults[String(issue.path[0])] = issue.message;
  }
  return faults;
}
