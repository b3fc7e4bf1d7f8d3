import { expect, test } from "bun:test";
import { judgeSignature, parseRelease } from "./archive-release.ts";

const sum = "31a1a4fc99c5b0a729d261f137cd7e1599bfa6f214f83fe4e596543d8ccf2dec";

test("a Release file speaks for paths by their SHA-256, and by no weaker sum", () => {
  const { codename, sums } = parseRelease(
    `Origin: Debian\nCodename: trixie\nMD5Sum:\n ${"0".repeat(64)}  1 main/weak\nSHA256:\n ${sum}    80699 main/SHA256SUMS\nOther: x\n ${"1".repeat(64)} 2 main/after\n`,
  );
  expect(codename).toBe("trixie");
  expect([...sums]).toEqual([["main/SHA256SUMS", sum]]);
});

const lines = (...words: string[]) => words.map((word) => `[GNUPG:] ${word}`).join("\n");

test.each([
  ["a good one", lines("NEWSIG", "GOODSIG AB Debian", "VALIDSIG CD"), "good"],
  [
    "a good one beside one of an unknown key",
    lines("ERRSIG EF 1", "NO_PUBKEY EF", "GOODSIG AB Debian"),
    "good",
  ],
  ["a good one beside a bad one", lines("GOODSIG AB Debian", "BADSIG CD Debian"), "not one of this text"],
  ["an expired key, though valid", lines("EXPKEYSIG AB Debian", "VALIDSIG AB"), "expired or was revoked"],
  ["a revoked key", lines("REVKEYSIG AB Debian", "VALIDSIG AB"), "expired or was revoked"],
  ["an unknown key", lines("ERRSIG EF 1", "NO_PUBKEY EF"), "the key EF, which the keyring does not have"],
  ["no signature", "gpgv: no valid OpenPGP data found.", "no signature in it"],
  ["words that only look like it", "GOODSIG AB\nx [GNUPG:] GOODSIG AB", "no signature in it"],
])("signatures: %s", (_, status, expected) => {
  const judged = judgeSignature(status);
  if (judged.kind === "good") expect(expected).toBe("good");
  else expect(judged.reason).toContain(expected);
});
