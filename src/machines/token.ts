import { createHash, randomBytes } from "node:crypto";

/** 256 random bits, as text that is safe in a URL and on a kernel command line. */
export const createToken = (): string => randomBytes(32).toString("base64url");

/** What is stored of a token. Plain SHA-256 is enough: there is nothing to guess in 256 random bits. */
export const hashToken = (token: string): string => createHash("sha256").update(token).digest("hex");

/** Time-ordered, readable in a log: `20261121-031502-3fa9c1`. */
export function createInstallId(now: number): string {
  const time = new Date(now).toISOString().replace(/[-:]/g, "").replace("T", "-").slice(0, 15);
  return `${time}-${randomBytes(3).toString("hex")}`;
}
