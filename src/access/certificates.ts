import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { AppError } from "../platform/errors.ts";
import { backdate, isRenewalDue } from "./validity.ts";

/** Whom a certificate is for; carried as its organizational unit. */
export const holders = ["server", "agent", "bastion", "user"] as const;
export type Holder = (typeof holders)[number];

export interface Issued {
  pem: string;
  /** Hexadecimal, as the database and the revocation list know it. */
  serial: string;
  /** SHA-256 of the DER, lower-case hexadecimal without colons. */
  fingerprint: string;
  /** Milliseconds since the epoch. */
  notAfter: number;
}

export interface Root extends Issued {
  /** PKCS #8, DER. */
  privateKey: Uint8Array;
}

export interface LeafRequest {
  holder: Holder;
  /** The subject's common name: `node1`, `alice`. */
  name: string;
  /** Host names and addresses a server answers to. */
  addresses?: readonly string[];
  notBefore: number;
  notAfter: number;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
export async function createRoot(name: string, now: number, lifetime: number): Promise<Root> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const serialNumber = randomSerial();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber,
    // Two roots of one name would be taken for each other where a chain is put together.
    name: `CN=${escapeName(name)} ${serialNumber.slice(0, 8)}`,
    notBefore: new Date(now - backdate),
    notAfter: new Date(now + lifetime),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const privateKey = new Uint8Array(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  return { ...(await describe(certificate)), privateKey };
}

/**
 * The root `next`, signed by the root before it: whoever knows only that one can follow the chain from a certificate
 * that `next` signed (RFC 4210 §4.4, NewWithOld).
 */
export async function crossSign(previous: Root, next: Root): Promise<string> {
  const [issuer, subject] = [new x509.X509Certificate(previous.pem), new x509.X509Certificate(next.pem)];
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: subject.subject,
    issuer: issuer.subject,
    notBefore: subject.notBefore,
    notAfter: new Date(Math.min(previous.notAfter, next.notAfter)),
    publicKey: await subject.publicKey.export(),
    signingKey: await signingKeyOf(previous),
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(subject.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return certificate.toString("pem");
}

const signingKeyOf = ({ privateKey }: Root) =>
  crypto.subtle.importKey("pkcs8", Uint8Array.from(privateKey), algorithm, false, ["sign"]);

/** A key made on this host and the request for its certificate, both PEM. */
export async function createSigningRequest(name: string): Promise<{ keyPem: string; csrPem: string }> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: `CN=${escapeName(name)}`,
    keys,
    signingAlgorithm: algorithm,
  });
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return { keyPem: x509.PemConverter.encode(pkcs8, "PRIVATE KEY"), csrPem: request.toString("pem") };
}

/**
 * A certificate for the key of `csrPem`. Of the request only the key is taken: name, use and life are ours to say.
 * @throws `invalid` when the request cannot be read or is not signed by its own key.
 */
export async function issueLeaf(root: Root, csrPem: string, leaf: LeafRequest): Promise<Issued> {
  const request = await readRequest(csrPem);
  const authority = new x509.X509Certificate(root.pem);
  const names = (leaf.addresses ?? []).map((address) => ({
    type: isAddress(address) ? ("ip" as const) : ("dns" as const),
    value: address,
  }));
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: `CN=${escapeName(leaf.name)},OU=${leaf.holder}`,
    issuer: authority.subject,
    notBefore: new Date(leaf.notBefore),
    notAfter: new Date(Math.min(leaf.notAfter, authority.notAfter.getTime())),
    publicKey: await request.publicKey.export(),
    signingKey: await signingKeyOf(root),
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([
        leaf.holder === "server" ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth,
      ]),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
      await x509.AuthorityKeyIdentifierExtension.create(authority.publicKey),
    ],
  });
  return describe(certificate);
}

/** @throws `invalid` as `issueLeaf` would. */
export async function readRequest(csrPem: string): Promise<x509.Pkcs10CertificateRequest> {
  try {
    const request = new x509.Pkcs10CertificateRequest(csrPem);
    if (await request.verify()) return request;
  } catch (cause) {
    throw new AppError("invalid", "the certificate request cannot be read", {
      hint: "send a PKCS #10 request as PEM",
      cause,
    });
  }
  throw new AppError("invalid", "the certificate request is not signed by the key it holds");
}

/** SHA-256 over the certificate's DER, lower-case hexadecimal; what a join token carries to recognise us by. */
export async function fingerprintOf(pem: string): Promise<string> {
  return hex(await new x509.X509Certificate(pem).getThumbprint("SHA-256"));
}

/** When the certificate ends and begins, in milliseconds since the epoch. */
export function validityOf(pem: string): { notBefore: number; notAfter: number } {
  const { notBefore, notAfter } = new x509.X509Certificate(pem);
  return { notBefore: notBefore.getTime(), notAfter: notAfter.getTime() };
}

/** Whether a third of the certificate's life is left, or less: its holder should have the next one made. */
export function renewalDue(pem: string, now: number): boolean {
  const { notBefore, notAfter } = validityOf(pem);
  return isRenewalDue(notBefore, notAfter, now);
}

/** Whether the first certificate of `rootsPem`, the one that signs, signed this one. */
export async function isSignedBy(pem: string, rootsPem: string): Promise<boolean> {
  const [root] = rootsPem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/) ?? [];
  if (root === undefined) return false;
  const { publicKey } = new x509.X509Certificate(root);
  return new x509.X509Certificate(pem).verify({ publicKey, signatureOnly: true });
}

async function describe(certificate: x509.X509Certificate): Promise<Issued> {
  return {
    pem: certificate.toString("pem"),
    serial: certificate.serialNumber.toLowerCase(),
    fingerprint: hex(await certificate.getThumbprint("SHA-256")),
    notAfter: certificate.notAfter.getTime(),
  };
}

const hex = (bytes: ArrayBuffer) => Buffer.from(bytes).toString("hex");
/** 16 random bytes, positive (RFC 5280 §4.1.2.2). */
function randomSerial(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return Buffer.from(bytes).toString("hex");
}
const isAddress = (text: string) => /^\d+\.\d+\.\d+\.\d+$/.test(text) || text.includes(":");
/** RFC 4514 §2.4: what would end the value or begin another. */
const escapeName = (name: string) => name.replace(/[,+"\\<>;=#\0]/g, (character) => `\\${character}`);
