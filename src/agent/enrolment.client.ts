import { X509Certificate } from "node:crypto";
import { hostname, networkInterfaces } from "node:os";
import { z } from "zod";
import { createSigningRequest, parseToken } from "../access/service.ts";
import { describeRefusedCertificate } from "../platform/clock-difference.ts";
import { AppError, type ErrorCode, toAppError } from "../platform/errors.ts";
import type { AgentState } from "./state.client.ts";

/** The address of labd as users write it: `labd.example`, `10.0.0.1:8443`, `https://…`. */
export function serverUrl(text: string): string {
  const url = URL.parse(text.includes("://") ? text : `https://${text}`);
  if (url === null || url.protocol !== "https:" || url.pathname !== "/") {
    throw new AppError("invalid", `'${text.slice(0, 100)}' is not the address of a labd`, {
      hint: "for example labd.example:8443",
    });
  }
  return `https://${url.host}${url.port === "" && !url.host.includes(":") ? ":8443" : ""}`;
}

const answer = z.object({ name: z.string(), certificate: z.string(), authorities: z.string() });
const problem = z.object({ detail: z.string(), hint: z.string().optional(), code: z.string().optional() });
const patience = 30_000;

/**
 * The roots of the labd at `server`, proven to be the ones the token names. The first connection carries nothing but
 * the question: whoever answers it falsely is found out by the fingerprint.
 * @throws `unauthenticated` when they are others.
 */
export async function fetchAuthorities(server: string, fingerprint: string | undefined): Promise<string> {
  if (fingerprint === undefined) {
    throw new AppError("invalid", "this token does not say which authority to trust", {
      hint: "use the whole text that was printed",
    });
  }
  const known = (await shownRoots(server)).find((root) => fingerprintOf(root) === fingerprint);
  if (known === undefined) {
    throw new AppError("unauthenticated", `${server} is not the labd this token was made by`, {
      hint: "the address is wrong, or somebody in between answers in its place; nothing secret was sent",
    });
  }
  // Only what the token vouches for: other roots come with the certificate, from the labd that was proven.
  return known;
}

/** What `server` says its roots are, over a connection nobody has proven. */
async function shownRoots(server: string): Promise<string[]> {
  const response = await reach(server, `${server}/api/v1/ca.pem`, { tls: { rejectUnauthorized: false } });
  return (await response.text()).match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

/**
 * The root by which `server` proves itself right now, and its fingerprint. Somebody has to compare that before
 * anything more is said: an impostor shows a root of its own.
 */
export async function showAuthority(server: string): Promise<{ pem: string; fingerprint: string }> {
  for (const pem of await shownRoots(server)) {
    // While roots change there are several, and the certificate in use may hang on the older one.
    const proven = await reach(server, `${server}/healthz`, { tls: { ca: pem } }).then(
      () => true,
      () => false,
    );
    if (proven) return { pem, fingerprint: fingerprintOf(pem) };
  }
  throw new AppError("unavailable", `${server} does not prove itself by the roots it shows`, {
    hint: "does its certificate name this address? labd.addresses in its configuration has to",
  });
}

const fingerprintOf = (pem: string) =>
  new X509Certificate(pem).fingerprint256.replaceAll(":", "").toLowerCase();

/** Makes a key on this host and has it certified for `token`. */
export async function certify(
  server: string,
  path: "/api/v1/enrol" | "/api/v1/login" | "/api/v1/bastions/enrol",
  tokenText: string,
  extra: Record<string, unknown>,
): Promise<AgentState> {
  const token = parseToken(tokenText);
  const authority = await fetchAuthorities(server, token.authority);
  const { keyPem, csrPem } = await createSigningRequest(hostname());
  const certificate = await ask(
    server,
    path,
    authority,
    { token: tokenText.trim(), csr: csrPem, ...extra },
    answer,
  );
  return identity(server, keyPem, certificate);
}

/** A command line's identity, as it is kept on this host. */
export const identity = (
  server: string,
  keyPem: string,
  { name, certificate, authorities }: z.output<typeof answer>,
): AgentState => ({ server, name, keyPem, certificatePem: certificate, authoritiesPem: authorities });

/** Asks a labd that proves itself by `authority`. @throws what it answered, as the error it was there. */
export async function ask<T>(
  server: string,
  path: string,
  authority: string,
  body: Record<string, unknown>,
  schema: z.ZodType<T>,
): Promise<T> {
  const response = await reach(server, `${server}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    tls: { ca: authority },
  });
  const read: unknown = await response.json().catch(() => undefined);
  if (response.ok) return schema.parse(read);
  const { detail, hint } = problem.catch({ detail: `${server} answered ${response.status}` }).parse(read);
  const code = statusCodes[response.status] ?? "unauthenticated";
  throw new AppError(code, detail, hint === undefined ? {} : { hint });
}

const statusCodes: Record<number, ErrorCode> = { 409: "conflict", 429: "too-many" };

/** What an agent says of its host when it joins. */
export function hostDescription(): { hostname: string; macs: string[] } {
  const macs = Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).map(({ mac }) => mac),
  );
  return { hostname: hostname(), macs: [...new Set(macs)].filter((mac) => mac !== "00:00:00:00:00:00") };
}

/** What labd's clock says, in milliseconds since the epoch: for a message to people, believed by nobody else. */
export async function readServerClock(server: string): Promise<number | undefined> {
  const response = await reach(server, `${server}/healthz`, { tls: { rejectUnauthorized: false } });
  const at = Date.parse(response.headers.get("date") ?? "");
  return Number.isNaN(at) ? undefined : at;
}

async function clockError(server: string, expired: boolean, cause: unknown): Promise<AppError> {
  const theirs = await readServerClock(server);
  return new AppError("unavailable", describeRefusedCertificate(expired, Date.now(), theirs), {
    hint: "set the clock of the one that is wrong: timedatectl set-ntp true",
    cause,
  });
}

const principal = z.object({ name: z.string() });

/** Why `server` is no labd of our roots that knows us; `undefined` when it is one. */
export async function probeServer(server: string, state: AgentState): Promise<string | undefined> {
  try {
    const response = await reach(server, `${server}/api/v1/whoami`, {
      tls: { ca: state.authoritiesPem, cert: state.certificatePem, key: state.keyPem },
    });
    if (!response.ok) return `${server} answered ${response.status}`;
    const { name } = principal.parse(await response.json());
    return name === `agent/${state.name}` ? undefined : `${server} takes us for ${name}`;
  } catch (error) {
    return toAppError(error).message;
  }
}

async function reach(server: string, url: string, init: BunFetchRequestInit): Promise<Response> {
  try {
    return await fetch(url, { ...init, redirect: "error", signal: AbortSignal.timeout(patience) });
  } catch (cause) {
    const code: unknown = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code === "CERT_NOT_YET_VALID" || code === "CERT_HAS_EXPIRED") {
      throw await clockError(server, code === "CERT_HAS_EXPIRED", cause);
    }
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new AppError("unavailable", `${server} cannot be reached: ${message}`, {
      hint: "is it running, and is its port open?",
      cause,
    });
  }
}
