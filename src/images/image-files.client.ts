import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../platform/errors.ts";
import { debianKeyring, fetchSignedRelease, lacksProof } from "./archive-signature.client.ts";
import { hashFile, noRoom, syncPath, writeDisk } from "./disk-writer.client.ts";
import { download, fetchText } from "./download.client.ts";
import { unpackInstallerPackage } from "./installer-package.client.ts";
import { findChecksum, type InstallerSource, installerSource } from "./installer-source.ts";
import type { ImageFile, Report } from "./model.ts";
import type { ImageFiles } from "./service.ts";

const maxUploads = 8;
/** Milliseconds without a piece after which an upload counts as given up. */
const uploadPatience = 3_600_000;
const uploadId = /^[0-9a-f-]{36}$/;

/**
 * Keeps disks, installers and uploads below `directory`; uploads of an earlier run are cleared away. `keyrings`:
 * by distribution, whose keys sign its archive.
 */
export function createImageFiles(directory: string, keyrings: Record<string, string>): ImageFiles {
  const folder = (name: string) => {
    const path = join(directory, name);
    mkdirSync(path, { recursive: true, mode: 0o755 });
    return path;
  };
  const diskPath = (name: string) => join(folder("disks"), name);
  const uploads = join(directory, "uploads");
  rmSync(uploads, { recursive: true, force: true });
  const uploadPath = (upload: string) => {
    if (!uploadId.test(upload)) throw new AppError("not-found", "there is no such upload");
    return join(folder("uploads"), upload);
  };

  async function fetchFiles(
    source: InstallerSource,
    unsigned: boolean,
    into: string,
    report: Report,
    signal: AbortSignal,
  ) {
    const { sums, proven } = await fetchSums(source, unsigned, signal);
    for (const { name, path } of source.files) {
      const sha256 = findChecksum(source.sums.kind, sums, path);
      if (sha256 === undefined) {
        throw new AppError("failed", `${source.base}/${source.sums.path} says nothing of ${path}`, {
          hint: "the mirror is not complete: name another one",
        });
      }
      await download({ url: `${source.base}/${path}`, to: join(into, name), sha256 }, report, signal);
    }
    return proven ? source.base : `${source.base} (not signed)`;
  }

  /** The list of checksums, proven where its distribution signs it. */
  async function fetchSums(
    { base, sums: list, signed }: InstallerSource,
    unsigned: boolean,
    signal: AbortSignal,
  ) {
    const url = `${base}/${list.path}`;
    const keyring = keyrings.debian ?? debianKeyring;
    if (signed === undefined || (unsigned && lacksProof(keyring) !== undefined)) {
      return { sums: await fetchText(url, signal), proven: false };
    }
    const release = await fetchSignedRelease(signed, keyring, signal);
    const sums = await fetchText(url, signal);
    if (createHash("sha256").update(sums).digest("hex") !== release.sums.get(signed.path)) {
      throw new AppError("failed", `${url} is not the list that Debian signed for`, {
        hint: "the mirror may be changing: try again later, or name another one",
      });
    }
    return { sums, proven: true };
  }

  return {
    async beginUpload(now) {
      for (const upload of readdirSync(folder("uploads"))) {
        const found = await stat(uploadPath(upload)).catch(() => undefined);
        if (found && now - found.mtimeMs > uploadPatience) await rm(uploadPath(upload), { force: true });
      }
      if (readdirSync(folder("uploads")).length >= maxUploads) {
        throw new AppError("too-many", `${maxUploads} uploads are under way`, {
          hint: "wait for one to end",
        });
      }
      const upload = crypto.randomUUID();
      await (await open(uploadPath(upload), "wx", 0o600)).close();
      return upload;
    },
    async appendUpload(upload, offset, piece) {
      const path = uploadPath(upload);
      const { size } = await stat(path).catch((cause: unknown) => {
        throw new AppError("not-found", "there is no such upload", { cause });
      });
      if (size !== offset) {
        throw new AppError("conflict", `the upload is at byte ${size}, not ${offset}`, {
          hint: "go on from there",
        });
      }
      const file = await open(path, "a");
      try {
        await file.writeFile(piece);
      } catch (error) {
        throw noRoom(error, path);
      } finally {
        await file.close();
      }
      return size + piece.length;
    },
    removeUpload: (upload) => rm(uploadPath(upload), { force: true }),
    async importDisk(upload, name, sha256, report) {
      const path = uploadPath(upload);
      if (sha256 !== undefined) {
        const found = await hashFile(path, report);
        if (found.sha256 !== sha256) {
          throw new AppError("failed", `the file's sha256 is ${found.sha256}, not ${sha256}`, {
            hint: "it is damaged, or not the file that was meant",
          });
        }
      }
      return writeDisk(path, diskPath(name), report);
    },
    async fetchInstaller({ os, mirrors, unsigned }, report, signal) {
      // First of all: it refuses a name that is none, and so leads elsewhere.
      const wanted = installerSource(os, mirrors);
      const home = join(folder("installers"), os);
      // Kept when a transfer breaks: the next pull goes on from it.
      const part = folder(`installers/.${os}.part`);
      let source: string;
      try {
        source = await fetchFiles(wanted, unsigned, part, report, signal);
      } catch (error) {
        const release = /^debian-(\d+)$/.exec(os)?.[1];
        if (release === undefined || !(error instanceof AppError) || error.code !== "not-found") throw error;
        report("the mirror has no installer images: taking Debian's package", 0);
        source = await unpackInstallerPackage(release, part);
      }
      const files: ImageFile[] = [];
      for (const name of readdirSync(part).sort()) {
        if (name.endsWith(".part")) {
          await rm(join(part, name));
          continue;
        }
        await syncPath(join(part, name));
        files.push({ name, ...(await hashFile(join(part, name), report)) });
      }
      const old = `${home}.old`;
      await rm(old, { recursive: true, force: true });
      await rename(home, old).catch(() => {});
      await rename(part, home);
      await syncPath(folder("installers"));
      await rm(old, { recursive: true, force: true });
      return { files, source };
    },
    hashDisk: (name, report) => hashFile(diskPath(name), report),
    hashInstaller: (os, file, report) => hashFile(join(folder("installers"), os, file), report),
    remove: (kind, name) =>
      rm(kind === "disk" ? diskPath(name) : join(folder("installers"), name), {
        recursive: true,
        force: true,
      }),
  };
}
