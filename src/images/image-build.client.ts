import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { AppError } from "../platform/errors.ts";
import { readAptMirror } from "./apt-mirror.client.ts";
import { writeDisk } from "./disk-writer.client.ts";
import { embedGrub } from "./grub-embedding.ts";
import {
  defaultNetwork,
  imageLayout,
  imageRecipe,
  type Recipe,
  renderFirstGrub,
  renderFstab,
  renderGrub,
  renderTable,
  uuidOf,
} from "./image-recipe.ts";
import { requirePrograms, runTool } from "./tool.client.ts";

export interface BuildRequest {
  os: string;
  mirror?: string | undefined;
  /** Packages besides those of the recipe. */
  include: readonly string[];
  /** Where the image goes; without it, to a temporary file that `discard` removes. */
  to?: string | undefined;
}

export interface BuiltImage {
  path: string;
  size: number;
  sha256: string;
  rawSize: number;
  discard(): Promise<void>;
}

const mib = 1024 * 1024;

/** The host's programs a build runs, with the package of each. */
const tools: [program: string, inPackage: string][] = [
  ["mmdebstrap", "mmdebstrap"],
  ["mkfs.vfat", "dosfstools"],
  ["mcopy", "mtools"],
  ["mke2fs", "e2fsprogs"],
  ["sfdisk", "fdisk"],
];
const bootstrapTimeoutMs = 60 * 60_000;
/** The EFI loaders, from Debian's signed packages: by Debian's own name, and by the one firmware looks for itself. */
const efiFiles: [from: string, to: string][] = [
  ["usr/lib/shim/shimx64.efi.signed", "EFI/debian/shimx64.efi"],
  ["usr/lib/shim/mmx64.efi.signed", "EFI/debian/mmx64.efi"],
  ["usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed", "EFI/debian/grubx64.efi"],
  ["usr/lib/shim/shimx64.efi.signed", "EFI/BOOT/BOOTX64.EFI"],
  ["usr/lib/shim/mmx64.efi.signed", "EFI/BOOT/mmx64.efi"],
  ["usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed", "EFI/BOOT/grubx64.efi"],
];

/** Makes a bootable disk of Debian's packages: GPT, BIOS and UEFI, ext4. Mounts nothing. */
export async function buildImage(request: BuildRequest, say: (text: string) => void): Promise<BuiltImage> {
  const recipe = imageRecipe(request.os, request.include);
  if (process.getuid?.() !== 0) {
    throw new AppError("forbidden", "building an image unpacks packages as root", {
      hint: `sudo labctl image build ${request.os}`,
    });
  }
  requirePrograms(tools);
  const mirror = request.mirror ?? readAptMirror();
  if (mirror === undefined) {
    throw new AppError("invalid", "no mirror of Debian is known", { hint: "give --mirror URL" });
  }
  const work = mkdtempSync(join(process.env.TMPDIR ?? tmpdir(), "labctl-image-"));
  const discard = async () => rmSync(work, { recursive: true, force: true });
  try {
    say(`packages of Debian ${recipe.codename} from ${mirror}`);
    const root = join(work, "root");
    await bootstrap(recipe, mirror, root);
    const raw = join(work, "disk.raw");
    say("file systems and boot loaders");
    await assemble(recipe, work, root, raw);
    rmSync(root, { recursive: true });
    const path = request.to ?? join(work, `${recipe.os}.raw.zst`);
    say("compressing");
    const written = await writeDisk(raw, path, () => {});
    if (request.to !== undefined) await discard();
    return { path, ...written, discard };
  } catch (error) {
    await discard();
    throw error;
  }
}

async function bootstrap(recipe: Recipe, mirror: string, root: string): Promise<void> {
  await runTool(
    [
      "mmdebstrap",
      "--mode=root",
      "--variant=minbase",
      "--quiet",
      `--include=${recipe.packages.join(",")}`,
      '--aptopt=APT::Install-Recommends "false"',
      '--aptopt=Acquire::Languages "none"',
      "--dpkgopt=path-exclude=/usr/share/doc/*",
      "--dpkgopt=path-include=/usr/share/doc/*/copyright",
      "--dpkgopt=path-exclude=/usr/share/man/*",
      "--dpkgopt=path-exclude=/usr/share/locale/*",
      recipe.codename,
      root,
      mirror,
    ],
    { package: "mmdebstrap", timeoutMs: bootstrapTimeoutMs },
  );
}

async function assemble(recipe: Recipe, work: string, root: string, raw: string): Promise<void> {
  // Names of the same content are the same: two builds of the same packages can be compared.
  const digest = createHash("sha256")
    .update(readFileSync(join(root, "var/lib/dpkg/status")))
    .digest();
  const rootUuid = uuidOf(digest);
  const diskId = uuidOf(digest.subarray(16));
  const serial = digest.subarray(0, 4).toHex().toUpperCase();
  const serialText = `${serial.slice(0, 4)}-${serial.slice(4)}`;

  configure(recipe, root, rootUuid, serialText);
  const core = await biosCore(root, rootUuid);
  const boot = readFileSync(join(root, "usr/lib/grub/i386-pc/boot.img"));
  const { bootCode, core: embedded } = embedGrub(
    boot,
    core,
    imageLayout.bios.start * 2048,
    imageLayout.bios.size * mib,
  );

  const esp = await espImage(work, root, rootUuid, serial);
  const { path: ext4, sizeMib } = await rootImage(work, root, rootUuid, diskId);

  writeFileSync(raw, "");
  truncateSync(raw, (imageLayout.root.start + sizeMib + 1) * mib);
  const table = join(work, "table");
  writeFileSync(table, renderTable(sizeMib, diskId));
  await runTool(["sh", "-c", 'sfdisk --quiet "$1" <"$2"', "sh", raw, table], { package: "fdisk" });
  await writeAt(raw, 0, bootCode);
  await writeAt(raw, imageLayout.bios.start * mib, embedded);
  for (const [piece, start] of [
    [esp, imageLayout.esp.start],
    [ext4, imageLayout.root.start],
  ] as const) {
    await runTool(
      ["dd", `if=${piece}`, `of=${raw}`, "bs=1M", `seek=${start}`, "conv=notrunc,sparse", "status=none"],
      {
        package: "coreutils",
      },
    );
    rmSync(piece);
  }
}

function configure(recipe: Recipe, root: string, rootUuid: string, espSerial: string): void {
  const put = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  put("etc/fstab", renderFstab(rootUuid, espSerial));
  put("etc/hostname", `${recipe.os}\n`);
  put("boot/grub/grub.cfg", renderGrub(rootUuid, `Debian ${recipe.os.slice("debian-".length)}`));
  put("etc/systemd/network/80-labctl-default.network", defaultNetwork);
  mkdirSync(join(root, "boot/efi"), { recursive: true });
  cpSync(join(root, "usr/lib/grub/i386-pc"), join(root, "boot/grub/i386-pc"), { recursive: true });
  // What has to differ from machine to machine is made by the install, or at the first boot.
  put("etc/machine-id", "");
  for (const name of readdirSync(join(root, "etc/ssh"))) {
    if (name.startsWith("ssh_host_")) rmSync(join(root, "etc/ssh", name));
  }
  for (const folder of ["var/cache/apt", "var/lib/apt/lists", "var/log", "tmp"])
    emptyFiles(join(root, folder));
  chmodSync(join(root, "tmp"), 0o1777);
}

/** Removes the files of a folder and keeps its folders, which belong to packages. */
function emptyFiles(folder: string): void {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) emptyFiles(path);
    else rmSync(path);
  }
}

/** GRUB's core image for BIOS, made by the image's own tools so that it fits the image's modules. */
async function biosCore(root: string, rootUuid: string): Promise<Uint8Array> {
  writeFileSync(join(root, "tmp/first.cfg"), renderFirstGrub(rootUuid));
  const modules =
    "biosdisk part_gpt ext2 search search_fs_uuid search_label normal configfile linux echo test ls serial terminal minicmd";
  await runTool(
    [
      "chroot",
      root,
      "grub-mkimage",
      "--format=i386-pc",
      "--output=/tmp/core.img",
      "--prefix=/boot/grub",
      "--config=/tmp/first.cfg",
      ...modules.split(" "),
    ],
    { package: "coreutils" },
  );
  const core = readFileSync(join(root, "tmp/core.img"));
  emptyFiles(join(root, "tmp"));
  return core;
}

async function espImage(work: string, root: string, rootUuid: string, serial: string): Promise<string> {
  const esp = join(work, "esp.img");
  const first = join(work, "grub.cfg");
  writeFileSync(first, renderFirstGrub(rootUuid));
  writeFileSync(esp, "");
  truncateSync(esp, imageLayout.esp.size * mib);
  await runTool(["mkfs.vfat", "-F", "32", "-i", serial, "-n", "LABCTL-ESP", "--invariant", esp], {
    package: "dosfstools",
  });
  await runTool(["mmd", "-i", esp, "::/EFI", "::/EFI/BOOT", "::/EFI/debian"], { package: "mtools" });
  for (const [from, to] of [
    ...efiFiles.map(([source, to]) => [join(root, source), to] as const),
    [first, "EFI/debian/grub.cfg"] as const,
  ]) {
    await runTool(["mcopy", "-i", esp, from, `::/${to}`], { package: "mtools" });
  }
  return esp;
}

async function rootImage(
  work: string,
  root: string,
  uuid: string,
  seed: string,
): Promise<{ path: string; sizeMib: number }> {
  const path = join(work, "root.img");
  const used = Number(
    (await runTool(["du", "-sm", "--apparent-size", root], { package: "coreutils" })).split("\t")[0],
  );
  // Inodes, journal, and room to start in; the install grows it.
  const sizeMib = Math.ceil(used * 1.2 + 192);
  await runTool(
    [
      "mke2fs",
      "-q",
      "-t",
      "ext4",
      "-L",
      "root",
      "-U",
      uuid,
      "-E",
      `hash_seed=${seed}`,
      "-d",
      root,
      path,
      `${sizeMib}M`,
    ],
    { package: "e2fsprogs", timeoutMs: bootstrapTimeoutMs },
  );
  return { path, sizeMib };
}

async function writeAt(path: string, offset: number, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.write(bytes, 0, bytes.length, offset);
  } finally {
    await file.close();
  }
}
