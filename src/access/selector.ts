import { AppError } from "../platform/errors.ts";
import type { Labels } from "./permissions.ts";

/** What a label selector asks of a resource's labels; all of its terms have to hold. */
export type Selector = readonly { key: string; value: string | undefined; negated: boolean }[];

const key = "[a-zA-Z0-9][a-zA-Z0-9._/-]{0,62}";
const value = "[a-zA-Z0-9._-]{0,63}";
const term = new RegExp(`^(!)?(${key})(?:(!=|=)(${value}))?$`);

/** `env=dev,site!=b,gpu,!old`. @throws `invalid`. */
export function parseSelector(text: string): Selector {
  if (text.trim() === "") return [];
  return text.split(",").map((part) => {
    const [, bang, name, operator, wanted] = term.exec(part.trim()) ?? [];
    if (name === undefined || (bang !== undefined && operator !== undefined)) {
      throw new AppError("invalid", `'${part.trim().slice(0, 80)}' is not a label selector`, {
        hint: "write key=value, key!=value, key or !key, with commas between",
      });
    }
    return { key: name, value: wanted, negated: bang !== undefined || operator === "!=" };
  });
}

export function selects(selector: Selector, labels: Labels): boolean {
  return selector.every(({ key: name, value: wanted, negated }) => {
    const holds = wanted === undefined ? name in labels : labels[name] === wanted;
    return holds !== negated;
  });
}

/** `key=value` sets, `key-` removes. @throws `invalid`. */
export function parseLabelChange(text: string): { key: string; value: string | undefined } {
  const [, name, removed, wanted] = new RegExp(`^(${key})(?:(-)|=(${value}))$`).exec(text) ?? [];
  if (name === undefined) {
    throw new AppError("invalid", `'${text.slice(0, 80)}' is not a label`, {
      hint: "write key=value to set it, key- to remove it",
    });
  }
  return { key: name, value: removed === undefined ? wanted : undefined };
}
