import { AppError } from "../platform/errors.ts";

/** Seals what must not lie open on disk: AES-256-GCM under a key that is kept elsewhere. */
export interface KeySeal {
  /** `context` binds the text to its place: opened under another one, it does not open. */
  seal(plain: Uint8Array, context: string): Promise<string>;
  /** @throws `config` when the key is another one, or the text was changed. */
  open(sealed: string, context: string): Promise<Uint8Array>;
}

const nonceLength = 12;

/** @throws `config` unless `secret` holds 32 bytes, as 64 hexadecimal digits or in base64. */
export async function createKeySeal(secret: string, origin: string): Promise<KeySeal> {
  const bytes = readKey(secret.trim());
  if (bytes === undefined) {
    throw new AppError("config", `${origin} does not hold a key of 32 bytes`, {
      hint: "make one: openssl rand -hex 32",
    });
  }
  const key = await crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]);
  const parameters = (nonce: Uint8Array<ArrayBuffer>, context: string) => ({
    name: "AES-GCM",
    iv: nonce,
    additionalData: new TextEncoder().encode(context),
  });
  return {
    async seal(plain, context) {
      const nonce = crypto.getRandomValues(new Uint8Array(nonceLength));
      const sealed = await crypto.subtle.encrypt(parameters(nonce, context), key, Uint8Array.from(plain));
      return Buffer.concat([nonce, new Uint8Array(sealed)]).toString("base64");
    },
    async open(sealed, context) {
      const bytes = Uint8Array.from(Buffer.from(sealed, "base64"));
      try {
        const nonce = bytes.slice(0, nonceLength);
        return new Uint8Array(
          await crypto.subtle.decrypt(parameters(nonce, context), key, bytes.slice(nonceLength)),
        );
      } catch (cause) {
        throw new AppError("config", `the key of ${origin} does not open the ${context} in the database`, {
          hint: "give the key this database was made with; without it the certificate authority cannot be used",
          cause,
        });
      }
    },
  };
}

function readKey(text: string): Uint8Array<ArrayBuffer> | undefined {
  const bytes = /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, "hex") : Buffer.from(text, "base64");
  return bytes.length === 32 ? Uint8Array.from(bytes) : undefined;
}
