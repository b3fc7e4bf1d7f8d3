import { expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import {
  createRoot,
  createSigningRequest,
  crossSign,
  fingerprintOf,
  issueLeaf,
  renewalDue,
} from "./certificates.ts";
import { createKeySeal } from "./key-seal.ts";
import { backdate } from "./validity.ts";

const now = Date.UTC(2026, 0, 1);
const day = 86_400_000;

test("a leaf carries the name and use we gave it, is signed by the root and ends when we said", async () => {
  const root = await createRoot("lab", now, 3650 * day);
  const { csrPem } = await createSigningRequest("somebody else");
  const leaf = await issueLeaf(root, csrPem, {
    holder: "agent",
    name: "node1",
    notBefore: now,
    notAfter: now + day,
  });
  const certificate = new X509Certificate(leaf.pem);
  expect(certificate.subject).toBe("CN=node1\nOU=agent");
  expect(certificate.verify(new X509Certificate(root.pem).publicKey)).toBe(true);
  expect(certificate.ca).toBe(false);
  expect(leaf.notAfter).toBe(now + day);
  expect(certificate.fingerprint256.replaceAll(":", "").toLowerCase()).toBe(leaf.fingerprint);
  expect(await fingerprintOf(leaf.pem)).toBe(leaf.fingerprint);
});

test("a server's addresses are in its certificate, names and numbers apart", async () => {
  const root = await createRoot("lab", now, 10 * day);
  const { csrPem } = await createSigningRequest("labd");
  const leaf = await issueLeaf(root, csrPem, {
    holder: "server",
    name: "labd",
    addresses: ["labd.example", "10.0.0.1", "::1"],
    notBefore: now,
    notAfter: now + day,
  });
  expect(new X509Certificate(leaf.pem).subjectAltName).toBe(
    "DNS:labd.example, IP Address:10.0.0.1, IP Address:0:0:0:0:0:0:0:1",
  );
});

test("who knows only the root before can follow the chain to what the next one signed", async () => {
  const [old, next] = [await createRoot("lab", now, 10 * day), await createRoot("lab", now, 20 * day)];
  const cross = new X509Certificate(await crossSign(old, next));
  const root = new X509Certificate(next.pem);
  expect(cross.verify(new X509Certificate(old.pem).publicKey)).toBe(true);
  expect(cross.publicKey.equals(root.publicKey)).toBe(true);
  expect(cross.subject).toBe(root.subject);
  expect(cross.subject).not.toBe(cross.issuer);
  expect(cross.validToDate.getTime()).toBe(now + 10 * day);
});

test("a certificate is due when a third of its life is left, however far back it begins", async () => {
  const root = await createRoot("lab", now, 10 * day);
  const { csrPem } = await createSigningRequest("alice");
  const { pem } = await issueLeaf(root, csrPem, {
    holder: "user",
    name: "alice",
    notBefore: now - backdate,
    notAfter: now + day / 2,
  });
  expect(renewalDue(pem, now)).toBe(false);
  expect(renewalDue(pem, now + day / 3 - 1)).toBe(false);
  expect(renewalDue(pem, now + day / 3)).toBe(true);
});

test("no leaf outlives its root", async () => {
  const root = await createRoot("lab", now, day);
  const { csrPem } = await createSigningRequest("n");
  const leaf = await issueLeaf(root, csrPem, {
    holder: "agent",
    name: "n",
    notBefore: now,
    notAfter: now + 5 * day,
  });
  expect(leaf.notAfter).toBe(now + day);
});

test("a name cannot smuggle another attribute into the subject", async () => {
  const root = await createRoot("lab", now, day);
  const { csrPem } = await createSigningRequest("x");
  const leaf = await issueLeaf(root, csrPem, {
    holder: "agent",
    name: "n,OU=server",
    notBefore: now,
    notAfter: now + 1000,
  });
  expect(new X509Certificate(leaf.pem).subject).toBe("CN=n\\,OU=server\nOU=agent");
});

test("a request that is no request, or not signed by its own key, is refused", async () => {
  const root = await createRoot("lab", now, day);
  const issue = (csr: string) =>
    issueLeaf(root, csr, { holder: "agent", name: "n", notBefore: now, notAfter: now + 1 });
  await expect(issue("nonsense")).rejects.toThrow("cannot be read");
});

test("a sealed key opens with its own key and place, and with no other", async () => {
  const key = "11".repeat(32);
  const seal = await createKeySeal(key, "LABCTL_CA_KEY");
  const sealed = await seal.seal(Uint8Array.from([1, 2, 3]), "authority 1");
  expect(await seal.open(sealed, "authority 1")).toEqual(Uint8Array.from([1, 2, 3]));
  await expect(seal.open(sealed, "authority 2")).rejects.toThrow("does not open");
  const other = await createKeySeal("22".repeat(32), "LABCTL_CA_KEY");
  await expect(other.open(sealed, "authority 1")).rejects.toThrow("does not open the authority 1");
});

test("a key of another length is refused, and how to make one is said", async () => {
  await expect(createKeySeal("short", "the file /etc/labctl/ca.key")).rejects.toMatchObject({
    code: "config",
    hint: "make one: openssl rand -hex 32",
  });
});
