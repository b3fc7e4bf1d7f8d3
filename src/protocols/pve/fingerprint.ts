import { AppError } from "../../platform/errors.ts";

declare const brand: unique symbol;
/** SHA-256 of a certificate in Proxmox's spelling: 32 upper-case bytes with colons. */
export type Fingerprint = string & { readonly [brand]: "Fingerprint" };

/** Reads upper or lower case, with or without colons, with or without a `SHA256:` in front. */
export function readFingerprint(text: string): Fingerprint | undefined {
  const digits = text
    .trim()
    .replace(/^sha-?256[:=\s]+(fingerprint=)?/i, "")
    .replaceAll(":", "")
    .toUpperCase();
  if (!/^[0-9A-F]{64}$/.test(digits)) return undefined;
  const spelled = digits.replace(/..(?=.)/g, "$&:");
  return isFingerprint(spelled) ? spelled : undefined;
}

export function parseFingerprint(text: string): Fingerprint {
  const fingerprint = readFingerprint(text);
  if (fingerprint !== undefined) return fingerprint;
  throw new AppError("invalid", `'${text.slice(0, 100)}' is not a SHA-256 fingerprint`, {
    hint: "on the Proxmox node: openssl x509 -noout -fingerprint -sha256 -in /etc/pve/local/pve-ssl.pem",
  });
}

function isFingerprint(text: string): text is Fingerprint {
  return /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/.test(text);
}
