import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AppError } from "../platform/errors.ts";
import { type ArchiveRelease, judgeSignature, parseRelease } from "./archive-release.ts";
import { fetchText } from "./download.client.ts";
import { findProgram, runTool } from "./tool.client.ts";

/** Where Debian's package `debian-archive-keyring` has the keys of its archive. */
export const debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * The `Release` file of an archive's suite, its signature proven by one of `keyring`'s keys. The detached one is
 * taken: all of the file is signed, or nothing.
 * @throws `missing` where this host cannot prove anything, `failed` for a signature that is not good.
 */
export async function fetchSignedRelease(
  suite: { url: string; codename: string },
  keyring: string,
  signal: AbortSignal,
): Promise<ArchiveRelease> {
  const lacks = lacksProof(keyring);
  if (lacks !== undefined) {
    throw new AppError("missing", `Debian's signature cannot be proven on this host: ${lacks}`, {
      hint: "apt-get install gpgv debian-archive-keyring (install.keyrings.debian names another keyring); or --unsigned, to trust the mirror and the way to it",
    });
  }
  const url = `${suite.url}/Release`;
  const text = await fetchText(url, signal);
  const signature = await fetchText(`${url}.gpg`, signal);
  const work = mkdtempSync(join(tmpdir(), "labctl-release-"));
  try {
    const [file, detached] = [join(work, "Release"), join(work, "Release.gpg")];
    writeFileSync(file, text);
    writeFileSync(detached, signature);
    // Its exit status is not 0 as soon as one of several keys is unknown; what it says of each decides.
    const status = await runTool(["gpgv", "--status-fd", "1", "--keyring", keyring, detached, file], {
      package: "gpgv",
      statuses: [0, 1, 2],
    });
    const judged = judgeSignature(status);
    if (judged.kind === "refused") {
      throw new AppError("failed", `${url} is not proven to be Debian's: ${judged.reason}`, {
        hint: `the mirror may be changing: try again later, or name another one; its keys are looked up in ${keyring}`,
      });
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  const release = parseRelease(text);
  if (release.codename !== suite.codename) {
    throw new AppError(
      "failed",
      `${url} is signed, and is of ${release.codename}, not of ${suite.codename}`,
      {
        hint: "the mirror serves another release in its place: name another mirror",
      },
    );
  }
  return release;
}

/** What this host lacks to prove a signature; `undefined` when nothing. */
export function lacksProof(keyring: string): string | undefined {
  if (findProgram("gpgv") === null) return "there is no gpgv";
  return existsSync(keyring) ? undefined : `there is no ${keyring}`;
}
