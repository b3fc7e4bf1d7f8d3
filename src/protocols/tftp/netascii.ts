const LF = 0x0a;
const CR = 0x0d;

/** Bytes as netascii on the wire (RFC 1350 §2, RFC 764): LF becomes CR LF, CR becomes CR NUL. */
export function encodeNetascii(bytes: Uint8Array): Uint8Array {
  let extra = 0;
  for (const byte of bytes) if (byte === LF || byte === CR) extra++;
  if (extra === 0) return bytes;
  const out = new Uint8Array(bytes.length + extra);
  let at = 0;
  for (const byte of bytes) {
    if (byte === LF) out[at++] = CR;
    out[at++] = byte;
    if (byte === CR) out[at++] = 0;
  }
  return out;
}
