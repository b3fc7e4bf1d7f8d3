import { expect, test } from "bun:test";
import { encodeSecret, formatToken, hashSecret, parseToken } from "./token.ts";

test("a token is read back as it was written", () => {
  const secret = encodeSecret(new Uint8Array(32).fill(255));
  const token = { kind: "join" as const, secret, authority: "ab".repeat(32) };
  expect(secret).toHaveLength(43);
  expect(parseToken(formatToken(token))).toEqual(token);
  expect(parseToken(`${formatToken({ kind: "api", secret })}\n`)).toEqual({ kind: "api", secret });
});

test("what is no token is refused and not quoted", () => {
  for (const text of ["", "labctl_join_short", "secret-thing", `labctl_root_${"a".repeat(43)}`]) {
    try {
      parseToken(text);
      throw new Error("was accepted");
    } catch (error) {
      expect(String(error)).toBe("AppError: this is not a labctl token");
    }
  }
});

test("different secrets have different hashes, and a hash does not hold its secret", () => {
  const a = encodeSecret(new Uint8Array(32));
  const b = encodeSecret(new Uint8Array(32).fill(1));
  expect(hashSecret(a)).not.toBe(hashSecret(b));
  expect(hashSecret(b)).not.toContain(b);
});
