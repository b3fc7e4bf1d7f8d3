import { X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import { certified } from "../access/api.ts";
import { isRenewalDue } from "../access/validity.ts";
import { AppError } from "../platform/errors.ts";
import { note } from "./output.ts";

const identitySchema = z.object({
  server: z.url(),
  name: z.string(),
  keyPem: z.string(),
  certificatePem: z.string(),
  authoritiesPem: z.string(),
});
/** Who the user of this computer is to a labd: from `labctl login`. */
export type Identity = z.output<typeof identitySchema>;

const identityPath = () => join(process.env.HOME ?? homedir(), ".labctl/identity.json");

export function readIdentity(): Identity | undefined {
  const path = identityPath();
  if (!existsSync(path)) return undefined;
  const read = identitySchema.safeParse(JSON.parse(readFileSync(path, "utf8")));
  if (read.success) return read.data;
  throw new AppError("config", `${path} is damaged`, { hint: "labctl login SERVER writes it again" });
}

export function writeIdentity(identity: Identity): void {
  const path = identityPath();
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  // Two commands at once: each sees the one or the other whole.
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, JSON.stringify(identity), { mode: 0o600, flush: true });
  renameSync(temporary, path);
}

export const removeIdentity = () => rmSync(identityPath(), { force: true });

/**
 * Has the next certificate made when a third of this one's life is left, or when labd signs by a root that is not
 * known here; `signing` is that root's fingerprint, as each answer tells it. A failure is told and no more: the command
 * at hand has its answer.
 */
export async function keepIdentity(identity: Identity, signing: string | null): Promise<void> {
  const { validFromDate, validToDate } = new X509Certificate(identity.certificatePem);
  const due = isRenewalDue(validFromDate.getTime(), validToDate.getTime(), Date.now());
  if (!due && (signing === null || knows(identity.authoritiesPem, signing))) return;
  try {
    const { createSigningRequest } = await import("../access/certificates.ts");
    const { keyPem, csrPem } = await createSigningRequest(identity.name);
    const response = await fetch(`${identity.server}/api/v1/renew`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ csr: csrPem }),
      tls: { ca: identity.authoritiesPem, cert: identity.certificatePem, key: identity.keyPem },
      signal: AbortSignal.timeout(10_000),
    });
    if (!response.ok) throw new Error(`labd answered ${response.status}`);
    const { certificate, authorities } = certified.parse(await response.json());
    writeIdentity({ ...identity, keyPem, certificatePem: certificate, authoritiesPem: authorities });
  } catch (error) {
    note(
      `labctl: your certificate could not be renewed: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function knows(authoritiesPem: string, fingerprint: string): boolean {
  const roots = authoritiesPem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return roots.some(
    (root) => new X509Certificate(root).fingerprint256.replaceAll(":", "").toLowerCase() === fingerprint,
  );
}
