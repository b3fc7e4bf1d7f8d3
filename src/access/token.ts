import { createHash } from "node:crypto";
import { z } from "zod";
import { AppError } from "../platform/errors.ts";

/** What a join token gives the agent, or the bastion, that uses it. */
export const joinScope = z.object({
  /** It lets in a bastion elsewhere; absent: a host with its agent. */
  as: z.literal("bastion").optional(),
  /** The name the agent gets; its own host name when absent. */
  name: z.string().optional(),
  labels: z.record(z.string(), z.string()).default({}),
  /** Only a host with this MAC address may use it. */
  mac: z.string().optional(),
});
export type JoinScope = z.output<typeof joinScope>;

export type TokenKind = "join" | "login" | "api";

/** A token as its owner holds it: its kind, a secret of 256 bits, and, to enrol, whom to trust. */
export interface TokenText {
  kind: TokenKind;
  secret: string;
  /** SHA-256 of the certificate authority's root, in hex: no first contact is trusted blindly. */
  authority?: string;
}

/** `labctl_join_SECRET_FINGERPRINT`, `labctl_api_SECRET`. */
export function formatToken({ kind, secret, authority }: TokenText): string {
  return ["labctl", kind, secret, ...(authority === undefined ? [] : [authority])].join("_");
}

/** @throws `invalid`, without quoting what was given. */
export function parseToken(text: string): TokenText {
  const found = /^labctl_(join|login|api)_([0-9A-Za-z]{43})(?:_([0-9a-f]{64}))?$/.exec(text.trim());
  const [, kind, secret, authority] = found ?? [];
  if (kind === undefined || secret === undefined) {
    throw new AppError("invalid", "this is not a labctl token", {
      hint: "a token looks like labctl_join_… and is printed whole by labctl token create",
    });
  }
  // checked: the expression names exactly the kinds
  return { kind: kind as TokenKind, secret, ...(authority !== undefined && { authority }) };
}

/** What is stored and looked up. The secret is random and long: a plain hash cannot be guessed back. */
export const hashSecret = (secret: string) => createHash("sha256").update(secret).digest("hex");

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** 32 random bytes in base 62, always 43 digits. */
export function encodeSecret(random: Uint8Array): string {
  let number = BigInt(`0x${Buffer.from(random).toString("hex")}`);
  let text = "";
  for (let index = 0; index < 43; index++) {
    text = (digits[Number(number % 62n)] ?? "0") + text;
    number /= 62n;
  }
  return text;
}
