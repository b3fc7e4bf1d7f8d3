import type { TLSSocket } from "node:tls";
import { buildConnector } from "undici/index.js";
import type { Endpoint } from "./endpoint.ts";
import { formatEndpoint } from "./endpoint.ts";
import { PveTlsMismatch, PveUnreachable } from "./errors.ts";
import { type Fingerprint, readFingerprint } from "./fingerprint.ts";

type Connector = buildConnector.connector;

/** A connection that never came to be: whatever was queued on it has not been sent. */
export class NotConnected extends Error {
  readonly mismatch: PveTlsMismatch | undefined;

  constructor(cause: Error, mismatch?: PveTlsMismatch) {
    super(cause.message, { cause });
    this.name = "NotConnected";
    this.mismatch = mismatch;
  }
}

/**
 * Connects and decides whether to trust before a byte of HTTP is written. A pinned endpoint is trusted by its
 * leaf certificate alone (Proxmox signs leaves with a CA of its own, and names them as it likes); one without a
 * pin by the CA file, its name included. There is no third way.
 */
export function createConnector(endpoint: Endpoint, ca: string | undefined, timeoutMs: number): Connector {
  const where = formatEndpoint(endpoint);
  if (endpoint.fingerprint === undefined) return createCaConnector(where, ca, timeoutMs);
  const pinned = endpoint.fingerprint;
  const connect = createUncheckedConnector(timeoutMs);
  return (options, callback) =>
    connect(options, (error, socket) => {
      if (error || !socket) return callback(new NotConnected(error ?? new Error("no socket")), null);
      const seen = leafOf(socket)?.fingerprint;
      if (seen === pinned) return callback(null, socket);
      socket.destroy();
      const mismatch = new PveTlsMismatch(where, { expected: pinned, seen });
      callback(new NotConnected(mismatch, mismatch), null);
    });
}

function createCaConnector(where: string, ca: string | undefined, timeoutMs: number): Connector {
  if (ca === undefined) {
    const mismatch = new PveTlsMismatch(where, {
      why: "neither a pinned certificate nor a CA file is known for it",
    });
    return (_, callback) => callback(new NotConnected(mismatch, mismatch), null);
  }
  const connect = buildConnector({ ca, timeout: timeoutMs, maxCachedSessions: 0 });
  return (options, callback) =>
    connect(options, (error, socket) => {
      if (socket) return callback(null, socket);
      const cause = error ?? new Error("no socket");
      callback(
        new NotConnected(
          cause,
          isTrustFault(cause) ? new PveTlsMismatch(where, { why: cause.message }) : undefined,
        ),
        null,
      );
    });
}

/** Verifies nothing: what it connects is to be checked, or only looked at, by the two callers in this file. */
function createUncheckedConnector(timeoutMs: number): Connector {
  return buildConnector({ rejectUnauthorized: false, timeout: timeoutMs, maxCachedSessions: 0 });
}

function isTrustFault(error: Error & { code?: unknown }): boolean {
  return (
    typeof error.code === "string" && /CERT|SIGNATURE|ALTNAME|ISSUER|SELF_SIGNED|UNABLE_TO/.test(error.code)
  );
}

export interface LeafCertificate {
  fingerprint: Fingerprint;
  subject: string;
  issuer: string;
  /** As the certificate says it: `Nov 21 02:56:13 2027 GMT`. */
  validTo: string;
  names: string;
}

function leafOf(socket: unknown): LeafCertificate | undefined {
  if (!isTlsSocket(socket)) return undefined;
  const leaf = socket.getPeerCertificate();
  const fingerprint = readFingerprint(leaf?.fingerprint256 ?? "");
  if (fingerprint === undefined) return undefined;
  return {
    fingerprint,
    subject: nameOf(leaf.subject),
    issuer: nameOf(leaf.issuer),
    validTo: leaf.valid_to ?? "",
    names: leaf.subjectaltname ?? "",
  };
}

const nameOf = (name: object | undefined) =>
  Object.entries(name ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(", ");

function isTlsSocket(socket: unknown): socket is TLSSocket {
  return typeof socket === "object" && socket !== null && "getPeerCertificate" in socket;
}

/** The certificate a host shows, for a person to compare. Nothing is sent but the TLS handshake. */
export function observeCertificate(endpoint: Endpoint, timeoutMs = 5_000): Promise<LeafCertificate> {
  const where = formatEndpoint(endpoint);
  const operation = "looking at the certificate";
  return new Promise((resolve, reject) => {
    createUncheckedConnector(timeoutMs)(
      { hostname: endpoint.host, host: where, protocol: "https:", port: String(endpoint.port) },
      (error, socket) => {
        const leaf = leafOf(socket);
        socket?.destroy();
        if (leaf) resolve(leaf);
        else
          reject(
            new PveUnreachable(operation, where, error?.message || "it speaks no TLS", "not-made", error),
          );
      },
    );
  });
}
