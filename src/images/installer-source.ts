import { AppError } from "../platform/errors.ts";

/** Files a distribution's installer is started with, where they are and where their checksums are. */
export interface InstallerSource {
  /** Directory the paths below are relative to, without a slash at its end. */
  base: string;
  /** The list of checksums. */
  sums: { path: string; kind: "sha256sums" | "treeinfo" };
  /** The suite whose signed Release file speaks for the list, and the list's path there. */
  signed?: { url: string; codename: string; path: string };
  files: { name: string; path: string }[];
}

const debianCodenames: Record<string, string> = { "12": "bookworm", "13": "trixie" };

/**
 * Where the network installer of `os` (`debian-12`, `fedora-42`, `rocky-9`) is on a mirror.
 * @throws `invalid` for a system without one, or without a mirror.
 */
export function installerSource(os: string, mirrors: Record<string, string>): InstallerSource {
  const split = os.lastIndexOf("-");
  const [distribution, release] = [os.slice(0, split), os.slice(split + 1)];
  const mirror = (mirrors[os] ?? mirrors[distribution])?.replace(/\/+$/, "");
  if (split < 1 || !/^[a-z-]+$/.test(distribution) || !/^\d{1,3}$/.test(release)) {
    throw new AppError("invalid", `'${os.slice(0, 40)}' names no distribution's release`, {
      hint: "write one such as debian-12 or fedora-42",
    });
  }
  if (mirror === undefined) {
    throw new AppError("invalid", `no mirror is set for ${distribution}`, {
      hint: `labctl config set install.mirrors.${distribution} URL`,
    });
  }
  if (distribution === "debian") {
    const codename = debianCodenames[release];
    if (codename === undefined) {
      throw new AppError("invalid", `Debian ${release} is not known`, {
        hint: "debian-12 and debian-13 are",
      });
    }
    const url = `${mirror}/dists/${codename}`;
    const images = "main/installer-amd64/current/images";
    return {
      base: `${url}/${images}`,
      sums: { path: "SHA256SUMS", kind: "sha256sums" },
      signed: { url, codename, path: `${images}/SHA256SUMS` },
      files: ["linux", "initrd.gz"].map((name) => ({ name, path: `netboot/debian-installer/amd64/${name}` })),
    };
  }
  const tree =
    mirrors[os] !== undefined
      ? mirror
      : distribution === "fedora"
        ? `${mirror}/releases/${release}/Everything/x86_64/os`
        : `${mirror}/${release}/BaseOS/x86_64/os`;
  return {
    base: tree,
    sums: { path: ".treeinfo", kind: "treeinfo" },
    files: ["vmlinuz", "initrd.img"].map((name) => ({ name, path: `images/pxeboot/${name}` })),
  };
}

/** The SHA-256 of `path` in a list of checksums; `undefined` when it is not there. */
export function findChecksum(
  kind: InstallerSource["sums"]["kind"],
  text: string,
  path: string,
): string | undefined {
  for (const line of text.split("\n")) {
    const found =
      kind === "sha256sums"
        ? /^([0-9a-f]{64})[ *]+(?:\.\/)?(\S+)$/.exec(line)
        : /^(\S+)\s*=\s*sha256:([0-9a-f]{64})$/.exec(line.trim());
    const [sum, name] = kind === "sha256sums" ? [found?.[1], found?.[2]] : [found?.[2], found?.[1]];
    if (name === path) return sum;
  }
  return undefined;
}
