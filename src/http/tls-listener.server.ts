import tls, { type PeerCertificate, type TLSSocket } from "node:tls";
import { AppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";
import type { PeerIdentity, Routes } from "./app.ts";
import { createHttp1, type Http1Limits, http1Limits, type Upgrade } from "./http1.server.ts";

export interface TlsIdentity {
  keyPem: string;
  certificatePem: string;
  /** Whose client certificates are accepted. */
  authoritiesPem: string;
}

export interface TlsListener {
  readonly port: number;
  /** Whether it takes connections. */
  listening(): boolean;
  /** Takes another certificate or other authorities into use, for connections from now on. */
  renew(identity: TlsIdentity): void;
  stop(): Promise<void>;
}

const handshakeTimeout = 5_000;
/** Milliseconds without a word, after which the kernel asks the other end whether it is there. */
const keepAlive = 60_000;
/** Milliseconds between lines of the log on handshakes that break off: one that does tries again and again. */
const brokenOffInterval = 30_000;

/**
 * One port for those who bring a certificate and those who do not yet: the routes decide who may do what. A
 * certificate that is not ours, or has expired, counts as none.
 */
export async function listenTls(
  app: Routes,
  upgrade: Upgrade,
  at: { host: string; port: number },
  identity: TlsIdentity,
  logger: Logger,
  limits: Http1Limits = http1Limits,
): Promise<TlsListener> {
  const http1 = createHttp1(app, upgrade, logger, limits);
  const context = ({ keyPem, certificatePem, authoritiesPem }: TlsIdentity) => ({
    key: keyPem,
    cert: certificatePem,
    ca: authoritiesPem,
  });
  const server = tls.createServer(
    {
      ...context(identity),
      requestCert: true,
      // Those without a certificate may enrol; `authorized` tells them apart.
      rejectUnauthorized: false,
      handshakeTimeout,
      ALPNProtocols: ["http/1.1"],
      minVersion: "TLSv1.3",
    },
    (socket) => {
      socket.setNoDelay(true);
      // A computer that lost its network says no good-bye, and whoever waits for a quiet command sends it nothing.
      socket.setKeepAlive(true, keepAlive);
      http1.accept(socket, peerOf(socket));
    },
  );
  // Those that are still shaking hands among them.
  server.maxConnections = limits.connections;
  let toldAt = Number.NEGATIVE_INFINITY;
  server.on("tlsClientError", (_, socket) => {
    // Whoever does not believe our certificate leaves without a word: what it says of that, only its own log knows.
    if (performance.now() - toldAt > brokenOffInterval) {
      toldAt = performance.now();
      logger.info("a TLS handshake broke off: the other end may not accept labd's certificate", {
        address: socket.remoteAddress ?? "",
        hint: "if that is a host: is its clock right? labctl agent status there says more",
      });
    }
    // The handshake's time-out reports, and leaves the socket open.
    socket.destroy();
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", (cause) =>
    reject(
      new AppError("unavailable", `cannot listen on ${at.host}:${at.port}: ${cause.message}`, {
        hint: `another program may hold it: ss -lntup | grep '${at.port}'`,
        cause,
      }),
    ),
  );
  server.listen(at.port, at.host, resolve);
  await promise;
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : at.port,
    listening: () => server.listening,
    renew: (next) => server.setSecureContext(context(next)),
    stop: async () => {
      http1.close();
      server.close();
    },
  };
}

function peerOf(socket: TLSSocket): PeerIdentity {
  const address = (socket.remoteAddress ?? "").replace(/^::ffff:/, "");
  const certificate = socket.getPeerCertificate();
  const fingerprint = socket.authorized ? certificate?.fingerprint256 : undefined;
  if (fingerprint !== undefined) {
    return { kind: "certificate", address, fingerprint: fingerprint.replaceAll(":", "").toLowerCase() };
  }
  const refused = refusalOf(String(socket.authorizationError ?? ""), certificate);
  return { kind: "network", address, ...(refused !== undefined && { refused }) };
}

/** A certificate of a time that is not ours: its holder has to hear of it, or would look for the fault elsewhere. */
function refusalOf(error: string, certificate: PeerCertificate | undefined): string | undefined {
  const now = new Date().toISOString();
  if (/CERT_HAS_EXPIRED|expired/.test(error)) {
    return `your certificate ended on ${certificate?.valid_to}; by labd's clock it is ${now}`;
  }
  if (/CERT_NOT_YET_VALID|not yet valid/.test(error)) {
    return `your certificate is valid from ${certificate?.valid_from} on; by labd's clock it is ${now}: is that clock right?`;
  }
  return undefined;
}
