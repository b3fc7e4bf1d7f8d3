const types = [
  "ssh-ed25519",
  "ssh-rsa",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "sk-ssh-ed25519@openssh.com",
  "sk-ecdsa-sha2-nistp256@openssh.com",
];

/** Printable ASCII. */
const comment = /^[ -~]{0,255}$/;

/**
 * Reads one public key as `ssh-keygen` writes it (`TYPE BASE64 COMMENT`), without options in front.
 * The blob must name the same type (RFC 4253, section 6.6). Returns the key, spaces tidied, or why not.
 */
export function readSshKey(text: string): { kind: "key"; key: string } | { kind: "refused"; reason: string } {
  const refused = (reason: string) => ({ kind: "refused", reason }) as const;
  const line = text.trim();
  if (line.length > 16_384) return refused("is longer than any key");
  if (/PRIVATE KEY/.test(line)) return refused("is a private key; give the .pub file's line");
  if (/[\r\n]/.test(line)) return refused("is more than one line");
  const [type = "", blob = "", ...rest] = line.split(/[ \t]+/);
  if (!types.includes(type)) return refused(`does not begin with a key type such as ${types[0]}`);
  const note = rest.join(" ");
  if (!comment.test(note)) return refused("has a comment with characters other than printable ASCII");
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(blob) || blob.length % 4 !== 0) return refused("is not whole base64");
  const bytes = atob(blob);
  const length = [...bytes.slice(0, 4)].reduce((sum, char) => sum * 256 + char.charCodeAt(0), 0);
  if (bytes.slice(4, 4 + length) !== type || bytes.length < 4 + length + 16) {
    return refused(`is cut short, or is no ${type} key`);
  }
  return { kind: "key", key: note === "" ? `${type} ${blob}` : `${type} ${blob} ${note}` };
}
