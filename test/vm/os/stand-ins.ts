import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { findChecksum } from "../../../src/images/installer-source.ts";
import { chooseModules } from "../../../src/images/ram-modules.ts";
import { unpackKernel, unpackPackages } from "../../../src/images/ram-unpack.client.ts";
import { readArchives } from "../../lab/apt-proxy.ts";
import { top } from "../../lab/lab.ts";
import { run, tryRun } from "../../lab/process.ts";
import { closeComponents, parseStanzas, renderStanza, type Stanza, type Stanzas } from "./stanzas.ts";

/** The suite of installer components that the lab's package mirror has besides Debian's own. */
export const standInSuite = "labctl-test";

export interface StandIns {
  /** What the lab's package mirror is to look at first. */
  overlay: string;
  /** Where in the lab's package mirror the key is that signs the suite. */
  key: string;
  /** Components the archive lists and does not have, by what was done about them. */
  made: string[];
  empty: string[];
}

/**
 * Stand-ins by component: the `.deb`s of the same source, and which of their files the component has. Kernel
 * modules come with those they depend on.
 */
const files: Record<string, { debs: string[]; take: RegExp }> = {
  "e2fsprogs-udeb": {
    debs: ["e2fsprogs", "libext2fs2t64", "libcom-err2", "libss2"],
    take: /^(etc\/mke2fs\.conf|usr\/sbin\/(mke2fs|mkfs\.ext.|e2fsck|fsck\.ext.|resize2fs|tune2fs)|usr\/lib\/.*\.so\..*)$/,
  },
  "fdisk-udeb": {
    debs: ["fdisk", "libfdisk1", "libsmartcols1"],
    take: /^usr\/(sbin\/s?fdisk|lib\/.*\.so\..*)$/,
  },
  "libmount1-udeb": { debs: ["libmount1"], take: /\.so\./ },
};
const modules: Record<string, string[]> = {
  "ext4-modules": ["fs/ext4/"],
  "md-modules": ["drivers/md/dm-*"],
  "sata-modules": ["drivers/ata/ahci.ko"],
  "scsi-modules": ["drivers/block/virtio_blk.ko", "drivers/scsi/virtio_scsi.ko", "drivers/nvme/host/nvme.ko"],
};

/**
 * Components that no install of ours uses, left out where nothing depends on them: each takes an emulated
 * processor seconds to fetch and unpack.
 */
const spared =
  /^(partman-(auto-raid|btrfs|cros|iscsi|jfs|md|xfs)|kickseed-common|depthcharge-tools-installer|(cdrom-core|firewire-core|isofs|jfs|loop|pata|pcmcia-storage|xfs)-modules-.*)$/;

const cache = join(top, "dist/cache/apt");
const arch = "amd64";

/**
 * The package archive in reach may list installer components it does not have, at the first of which the
 * installer stops. Those it needs are made from the `.deb`s of the same source, the others are left empty, and
 * all of it is a suite of its own with a key of its own: what gets installed comes from Debian's own suite and is
 * proven by Debian's own keys. Installer kernel and initrd, which it lacks too, come from Debian's package of them.
 */
export async function makeStandIns(
  work: string,
  release: string,
  codename: string,
  say: (text: string) => void,
): Promise<StandIns> {
  const { debian = "" } = await readArchives();
  const overlay = join(work, "overlay/debian");
  mkdirSync(overlay, { recursive: true });
  const fetch = (path: string) => fetchFile(`${debian}/${path}`, join(cache, "debian", path));
  const list = async (kind: string) => {
    const path = await fetch(`dists/${codename}/main/${kind}/Packages.xz`);
    if (path === undefined) throw new Error(`the package archive has no list ${kind} of ${codename}`);
    return parseStanzas(await run(["xz", "-dc", path]));
  };
  const packages = await list(`binary-${arch}`);
  const components = await list(`debian-installer/binary-${arch}`);
  for (const [name, stanza] of components) {
    if (spared.test(name)) components.set(name, stanza.with({ Priority: "optional" }));
  }
  const deb = async (name: string) => {
    const stanza = packages.get(name);
    const path = stanza && (await fetch(stanza.field("Filename") ?? ""));
    if (path === undefined) throw new Error(`the package archive has no ${name}`);
    return path;
  };

  const installer = await layInstaller(
    work,
    overlay,
    release,
    codename,
    await deb(`debian-installer-${release}-netboot-${arch}`),
    fetch,
  );
  const needed = closeComponents(components, installer.components, installer.kernel, [
    ...["parted-udeb", "lvm2-udeb", "dmsetup-udeb", "mdadm-udeb", "fdisk-udeb", "dosfstools-udeb"],
    ...["partman-auto-lvm", "partman-efi"],
  ]);
  const result: StandIns = { overlay: dirname(overlay), key: "stand-ins.gpg", made: [], empty: [] };
  const kernel = modulesOf(work, installer, deb);
  for (const name of needed) {
    const stanza = components.get(name);
    if (stanza === undefined) throw new Error(`${name} is in no list of components`);
    if ((await fetch(stanza.field("Filename") ?? "")) !== undefined) continue;
    const tree = join(work, "components", name);
    mkdirSync(tree, { recursive: true });
    const wanted = modules[name.replace(/-[0-9].*-di$/, "")];
    const recipe = files[name];
    if (wanted !== undefined) await kernel(wanted, tree);
    else if (recipe !== undefined) await takeFiles(work, recipe, deb, tree);
    ((wanted ?? recipe) ? result.made : result.empty).push(name);
    components.set(name, await pack(stanza, tree, overlay));
  }
  say(
    `installer components made from .debs: ${result.made.join(" ") || "none"}; left empty: ${result.empty.join(" ") || "none"}`,
  );
  await publish(work, components, overlay, join(result.overlay, result.key));
  return result;
}

/** A file of the archive through apt's own downloader; `undefined` where it has none. */
async function fetchFile(url: string, to: string): Promise<string | undefined> {
  if (url.includes("/pool/") && existsSync(to)) return to;
  mkdirSync(dirname(to), { recursive: true });
  const helper = ["/usr/lib/apt/apt-helper", "-o", "APT::Sandbox::User=root", "download-file"];
  if ((await tryRun([...helper, url, `${to}.part`])).status !== 0) return undefined;
  renameSync(`${to}.part`, to);
  return to;
}

interface Installer {
  kernel: string;
  /** What its initrd has in place. */
  components: Stanzas;
  modules: Set<string>;
}

/** Puts the installer's kernel and initrd where the mirror ought to have them, and looks into the initrd. */
async function layInstaller(
  work: string,
  overlay: string,
  release: string,
  codename: string,
  deb: string,
  fetch: (path: string) => Promise<string | undefined>,
): Promise<Installer> {
  const tree = join(work, "installer");
  await run(["dpkg-deb", "-x", deb, tree]);
  const from = join(tree, `usr/lib/debian-installer/images/${release}/${arch}/text/debian-installer/${arch}`);
  const images = `dists/${codename}/main/installer-${arch}/current/images`;
  const sums = await fetch(`${images}/SHA256SUMS`);
  const to = join(overlay, images, `netboot/debian-installer/${arch}`);
  mkdirSync(to, { recursive: true });
  for (const name of ["linux", "initrd.gz"]) {
    const path = `netboot/debian-installer/${arch}/${name}`;
    const [found = ""] = (await run(["sha256sum", join(from, name)])).split(" ");
    if (sums === undefined || findChecksum("sha256sums", readFileSync(sums, "utf8"), path) !== found) {
      throw new Error(`${name} of ${basename(deb)} is not the one that ${images}/SHA256SUMS lists`);
    }
    renameSync(join(from, name), join(to, name));
  }
  const content = (command: string) =>
    run(["sh", "-c", `zcat "$1" | cpio --quiet ${command}`, "sh", join(to, "initrd.gz")]);
  const names = (await content("-t")).split("\n");
  const kernel = names
    .map((name) => /lib\/modules\/([^/]+)\/kernel\//.exec(name)?.[1])
    .find((name) => name !== undefined);
  if (kernel === undefined) throw new Error("the installer's initrd holds no kernel modules");
  return {
    kernel,
    components: parseStanzas(await content("-i --to-stdout var/lib/dpkg/status")),
    modules: new Set(names.map((name) => basename(name).replace(/\.ko(\.xz)?$/, ""))),
  };
}

/** Kernel modules of the installer's own kernel, without those its initrd has. */
function modulesOf(work: string, installer: Installer, deb: (name: string) => Promise<string>) {
  let unpacked: ReturnType<typeof unpackKernel> | undefined;
  return async (wanted: string[], tree: string) => {
    unpacked ??= deb(`linux-image-${installer.kernel}`).then((path) => unpackKernel(path, work));
    const kernel = await unpacked;
    for (const module of chooseModules(kernel.modules, wanted, [])) {
      if (installer.modules.has(basename(module.path, ".ko"))) continue;
      const path = join(tree, "usr/lib/modules", installer.kernel, "kernel", module.path);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, kernel.readModule(module));
    }
  };
}

async function takeFiles(
  work: string,
  recipe: { debs: string[]; take: RegExp },
  deb: (name: string) => Promise<string>,
  tree: string,
): Promise<void> {
  const sources = await Promise.all(recipe.debs.map(async (name) => ({ name, deb: await deb(name) })));
  const unpacked = await unpackPackages(sources, mkdtempSync(join(work, "debs-")));
  for (const file of unpacked.files.filter(({ path }) => recipe.take.test(path))) {
    const path = join(tree, file.path);
    mkdirSync(dirname(path), { recursive: true });
    if (file.kind === "link") await run(["ln", "-sf", file.target, path]);
    else writeFileSync(path, unpacked.read(file), { mode: file.mode });
  }
}

/** Packs a component, and describes it as the archive describes the one it stands for. */
async function pack(stanza: Stanza, tree: string, overlay: string): Promise<Stanza> {
  const own =
    /^(Package|Version|Kernel-Version|Architecture|Depends|Provides|Section|Priority|Installer-Menu-Item)$/;
  mkdirSync(join(tree, "DEBIAN"), { recursive: true });
  const control = [
    ...stanza.fields.filter(([name]) => own.test(name)),
    ["Maintainer", "nobody <nobody@localhost>"],
    ["Description", "stand-in for the component of this name"],
  ] as const;
  writeFileSync(join(tree, "DEBIAN/control"), renderStanza(control));
  const path = `pool/${standInSuite}/${basename(stanza.field("Filename") ?? "")}`;
  mkdirSync(join(overlay, dirname(path)), { recursive: true });
  await run(["dpkg-deb", "--root-owner-group", "-Zxz", "-z1", "--nocheck", "-b", tree, join(overlay, path)]);
  rmSync(tree, { recursive: true });
  const [sha256 = ""] = (await run(["sha256sum", join(overlay, path)])).split(" ");
  return stanza.with({ Filename: path, Size: String(Bun.file(join(overlay, path)).size), SHA256: sha256 });
}

async function publish(work: string, components: Stanzas, overlay: string, key: string): Promise<void> {
  const folder = join(overlay, "dists", standInSuite);
  const list = `main/debian-installer/binary-${arch}/Packages`;
  mkdirSync(join(folder, dirname(list)), { recursive: true });
  writeFileSync(
    join(folder, list),
    [...components.values()].map((one) => renderStanza(one.fields)).join("\n"),
  );
  await run(["xz", join(folder, list)]);
  const [sha256 = ""] = (await run(["sha256sum", join(folder, `${list}.xz`)])).split(" ");
  const release = join(folder, "Release");
  const size = Bun.file(join(folder, `${list}.xz`)).size;
  writeFileSync(
    release,
    `Suite: ${standInSuite}\nCodename: ${standInSuite}\nDate: ${new Date().toUTCString()}\nArchitectures: ${arch}\nComponents: main\nSHA256:\n ${sha256} ${size} ${list}.xz\n`,
  );
  const home = join(work, "gnupg");
  mkdirSync(home, { mode: 0o700 });
  const gpg = (...args: string[]) =>
    run(["gpg", "--homedir", home, "--batch", "--quiet", "--passphrase", "", ...args]);
  await gpg("--quick-gen-key", standInSuite, "rsa2048", "sign", "never");
  await gpg("--output", `${release}.gpg`, "--detach-sign", release);
  await gpg("--output", key, "--export", standInSuite);
  await tryRun(["gpgconf", "--homedir", home, "--kill", "all"]);
}
