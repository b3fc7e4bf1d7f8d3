import { expect, test } from "bun:test";
import { parseFingerprint, readFingerprint } from "./fingerprint.ts";

test("a fingerprint is read in each of its spellings, and nothing else is one", () => {
  const plain = "ab".repeat(32);
  const spelled = plain.toUpperCase().replace(/..(?=.)/g, "$&:");
  for (const text of [plain, spelled, `sha256 Fingerprint=${spelled}`, `SHA256:${plain}`])
    expect(String(parseFingerprint(text))).toBe(spelled);
  for (const text of ["", "ab".repeat(20), `${plain}00`, "zz".repeat(32)])
    expect(readFingerprint(text)).toBeUndefined();
});
