import "reflect-metadata";
import * as x509 from "@peculiar/x509";

export interface Issued {
  /** PEM of the leaf. */
  cert: string;
  /** PEM of its private key. */
  key: string;
  /** PEM of the CA that signed it, as a cluster has one. */
  ca: string;
  /** `AA:BB:…` of the leaf. */
  fingerprint: string;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** A cluster's CA, and a leaf for each node that it signs: as Proxmox makes them. */
export async function createAuthority(): Promise<{ issue(names: readonly string[]): Promise<Issued> }> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=Proxmox Virtual Environment, OU=fake, O=PVE Cluster Manager CA",
    keys,
    signingAlgorithm: algorithm,
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  return {
    issue: async (names) => {
      const own = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
      const leaf = await x509.X509CertificateGenerator.create({
        subject: `OU=PVE Cluster Node, O=Proxmox Virtual Environment, CN=${names[0]}`,
        issuer: ca.subject,
        signingKey: keys.privateKey,
        publicKey: own.publicKey,
        signingAlgorithm: algorithm,
        extensions: [
          new x509.BasicConstraintsExtension(false),
          new x509.SubjectAlternativeNameExtension(
            names.map((name) => ({
              type: /^[\d.]+$/.test(name) ? ("ip" as const) : ("dns" as const),
              value: name,
            })),
          ),
        ],
      });
      const digest = Buffer.from(await leaf.getThumbprint("SHA-256"))
        .toString("hex")
        .toUpperCase();
      const pkcs8 = Buffer.from(await crypto.subtle.exportKey("pkcs8", own.privateKey)).toString("base64");
      return {
        cert: leaf.toString("pem"),
        key: `-----BEGIN PRIVATE KEY-----\n${pkcs8.replace(/.{64}/g, "$&\n")}\n-----END PRIVATE KEY-----\n`,
        ca: ca.toString("pem"),
        fingerprint: digest.replace(/..(?=.)/g, "$&:"),
      };
    },
  };
}
