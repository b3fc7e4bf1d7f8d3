import type { Actor, AuditLog } from "../access/service.ts";
import type { Clock } from "../platform/clock.ts";
import { AppError, toAppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";
import type { Queries } from "../store/database.ts";
import { type Image, type ImageFile, imageName, type Report } from "./model.ts";
import type { ImageRepository } from "./repository.ts";

/** The files behind the catalogue; names were checked before they come here. */
export interface ImageFiles {
  /** Uploads that were given up before `now` make room. */
  beginUpload(now: number): Promise<string>;
  /** The upload's size after it. @throws `conflict` unless `offset` is its size before. */
  appendUpload(upload: string, offset: number, piece: Uint8Array): Promise<number>;
  removeUpload(upload: string): Promise<void>;
  /** Turns an upload into the disk `name`. */
  importDisk(
    upload: string,
    name: string,
    sha256: string | undefined,
    report: Report,
  ): Promise<Pick<Image, "size" | "sha256" | "rawSize" | "compression">>;
  fetchInstaller(
    request: InstallerRequest,
    report: Report,
    signal: AbortSignal,
  ): Promise<{ files: ImageFile[]; source: string }>;
  hashDisk(name: string, report: Report): Promise<{ sha256: string; size: number }>;
  hashInstaller(os: string, file: string, report: Report): Promise<{ sha256: string; size: number }>;
  remove(kind: Image["kind"], name: string): Promise<void>;
}

export interface InstallerRequest {
  os: string;
  mirrors: Record<string, string>;
  /** Go on where this host cannot prove its distribution's signature; a bad one is refused all the same. */
  unsigned: boolean;
}

export interface Images {
  /** In the order of kind and name. */
  list(): Image[];
  /** @throws `not-found`. */
  named(name: string): Image;
  /** A disk image, as an install wants it; `undefined` when the catalogue has none of that name. */
  find(name: string): InstallableImage | undefined;
  beginUpload(): Promise<string>;
  appendUpload(upload: string, offset: number, piece: Uint8Array): Promise<number>;
  /** Makes an upload an image. @throws `conflict` for a name that is taken, unless `replace`. */
  add(actor: Actor, name: string, wanted: AddImage, report: Report): Promise<Image>;
  /** Fetches a distribution's network installer; again, to refresh it. */
  pull(
    actor: Actor,
    os: string,
    options: { unsigned: boolean },
    report: Report,
    signal: AbortSignal,
  ): Promise<Image>;
  /** Reads the files and compares. @throws `failed`, naming the file that is not what it was. */
  verify(actor: Actor, name: string, report: Report): Promise<Image>;
  remove(actor: Actor, name: string): Promise<void>;
}

export interface AddImage {
  upload: string;
  source: string;
  sha256?: string | undefined;
  replace: boolean;
}

export interface InstallableImage {
  name: string;
  sha256: string;
  size: number;
  rawSize: number | undefined;
  format: "raw";
  compression: "zstd" | "none";
}

export interface ImagesDeps {
  repository: ImageRepository;
  files: ImageFiles;
  /** `install.mirrors`, completed by what the host knows. */
  mirrors: Record<string, string>;
  clock: Clock;
  audit: AuditLog;
  logger: Logger;
}

export function createImages({ repository, files, mirrors, clock, audit, logger }: ImagesDeps): Images {
  /** Names under work: two commands at once would write the same files. */
  const busy = new Set<string>();

  /** Does `work` on an image nobody else works on; `work` tells the audit when it is done, this when it fails. */
  async function alone<T>(
    actor: Actor,
    action: string,
    name: string,
    work: (tell: (tx: Queries) => Promise<void>) => Promise<T>,
  ): Promise<T> {
    const resource = `image/${name}`;
    try {
      if (busy.has(name)) {
        throw new AppError("conflict", `another command is working on '${name}'`, {
          hint: "wait for it to end",
        });
      }
      busy.add(name);
      try {
        return await work((tx) => audit.append(tx, actor, { action, resource }));
      } finally {
        busy.delete(name);
      }
    } catch (error) {
      await audit.record(actor, { action, resource, result: "failed", detail: toAppError(error).message });
      throw error;
    }
  }

  const named = (name: string): Image => {
    const image = repository.list().find((one) => one.name === name);
    if (image) return image;
    throw new AppError("not-found", `there is no image '${name.slice(0, 80)}'`, {
      hint: "labctl image list shows those there are",
    });
  };

  return {
    list: () => repository.list(),
    named,
    find(name) {
      const image = repository.list().find((one) => one.kind === "disk" && one.name === name);
      if (image === undefined) return undefined;
      const { sha256, size, rawSize, compression = "none" } = image;
      return { name, sha256, size, rawSize, format: "raw", compression };
    },
    beginUpload: () => files.beginUpload(clock.now()),
    appendUpload: (upload, offset, piece) => files.appendUpload(upload, offset, piece),
    add: (actor, word, wanted, report) => {
      const added = alone(actor, "images:add", word, async (tell) => {
        const name = checkName(word);
        if (!wanted.replace && repository.list().some((one) => one.kind === "disk" && one.name === name)) {
          throw new AppError("conflict", `there is an image '${name}' already`, {
            hint: "--replace puts the new one in its place",
          });
        }
        const written = await files.importDisk(wanted.upload, name, wanted.sha256, report);
        const image: Image = {
          name,
          kind: "disk",
          ...written,
          source: wanted.source,
          addedAt: clock.now(),
          files: [],
        };
        await repository.save(image, tell);
        logger.info("image added", { image: name, size: image.size, source: wanted.source });
        return image;
      });
      // Refused or not: nobody comes back for it.
      return added.finally(() => files.removeUpload(wanted.upload));
    },
    pull: (actor, os, { unsigned }, report, signal) =>
      alone(actor, "images:pull", os, async (tell) => {
        const fetched = await files.fetchInstaller({ os, mirrors, unsigned }, report, signal);
        const image: Image = {
          name: os,
          kind: "installer",
          size: fetched.files.reduce((sum, file) => sum + file.size, 0),
          sha256: fetched.files[0]?.sha256 ?? "",
          source: fetched.source,
          addedAt: clock.now(),
          files: fetched.files,
        };
        await repository.save(image, tell);
        logger.info("installer fetched", { os, source: fetched.source });
        return image;
      }),
    verify: (actor, name, report) =>
      alone(actor, "images:verify", name, async () => {
        const image = named(name);
        const check = (file: string, wanted: ImageFile, found: { sha256: string; size: number }) => {
          if (found.sha256 === wanted.sha256 && found.size === wanted.size) return;
          throw new AppError("failed", `${file} is not what it was: its sha256 is ${found.sha256}`, {
            hint: `it should be ${wanted.sha256}; add or pull it again`,
          });
        };
        for (const file of image.files) {
          check(`${name}/${file.name}`, file, await files.hashInstaller(name, file.name, report));
        }
        if (image.kind === "disk") check(name, image, await files.hashDisk(name, report));
        await audit.record(actor, { action: "images:verify", resource: `image/${name}` });
        return image;
      }),
    remove: (actor, name) =>
      alone(actor, "images:remove", name, async (tell) => {
        const { kind } = named(name);
        // The record first: a file without one is garbage, a record without its file is a lie.
        await repository.remove(kind, name, tell);
        await files.remove(kind, name);
        logger.info("image removed", { image: name });
      }),
  };
}

function checkName(name: string): string {
  const read = imageName.safeParse(name);
  if (read.success) return read.data;
  throw new AppError(
    "invalid",
    `the image name '${name.slice(0, 80)}' ${read.error.issues[0]?.message ?? ""}`,
  );
}
