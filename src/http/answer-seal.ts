import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

// An answer may hold a secret that is shown once. It is kept so that only whoever sent the idempotency key can read
// it: AES-256-GCM under HKDF-SHA-256 of that key, which is kept nowhere.

const saltLength = 16;
const nonceLength = 12;
const tagLength = 16;

const derive = (key: string, salt: Uint8Array) =>
  new Uint8Array(hkdfSync("sha256", key, salt, "labctl kept answer", 32));

export function sealAnswer(answer: string, key: string): string {
  const salt = randomBytes(saltLength);
  const nonce = randomBytes(nonceLength);
  const cipher = createCipheriv("aes-256-gcm", derive(key, salt), nonce);
  const sealed = Buffer.concat([cipher.update(answer, "utf8"), cipher.final()]);
  return Buffer.concat([salt, nonce, cipher.getAuthTag(), sealed]).toString("base64");
}

/** @throws when it was sealed under another key, or changed. */
export function openAnswer(text: string, key: string): string {
  const bytes = Buffer.from(text, "base64");
  const nonce = saltLength;
  const tag = nonce + nonceLength;
  const sealed = tag + tagLength;
  const decipher = createDecipheriv(
    "aes-256-gcm",
    derive(key, bytes.subarray(0, nonce)),
    bytes.subarray(nonce, tag),
  );
  decipher.setAuthTag(bytes.subarray(tag, sealed));
  return Buffer.concat([decipher.update(bytes.subarray(sealed)), decipher.final()]).toString("utf8");
}
