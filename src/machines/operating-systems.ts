/** What installs the system: decides the templates, the boot files and the mirror. */
export type OsFamily = "kickstart" | "debian" | "image";

export interface OperatingSystem {
  /** As written after `--os`: `fedora-42`, `debian-12`, `image:web`. */
  id: string;
  family: OsFamily;
  /** `fedora`, `rocky`, `debian` …; the key of its mirror in `install.mirrors`. */
  distribution: string;
  /** `42`, `9`; empty for an image. */
  release: string;
  /** The image's name in the catalogue, for `image:NAME`. */
  image?: string;
  /** Debian's name of the release; the directory on the mirror. */
  codename?: string;
}

const kickstart = (distribution: string, ...releases: string[]): OperatingSystem[] =>
  releases.map((release) => ({
    id: `${distribution}-${release}`,
    family: "kickstart",
    distribution,
    release,
  }));

const debian = (release: string, codename: string): OperatingSystem => ({
  id: `debian-${release}`,
  family: "debian",
  distribution: "debian",
  release,
  codename,
});

/** Every system installed from its distribution's own packages. */
export const operatingSystems: readonly OperatingSystem[] = [
  ...kickstart("fedora", "40", "41", "42"),
  ...kickstart("rhel", "9", "10"),
  ...kickstart("rocky", "9", "10"),
  ...kickstart("alma", "9", "10"),
  ...kickstart("centos-stream", "9", "10"),
  debian("12", "bookworm"),
  debian("13", "trixie"),
];

/** Names of images in the catalogue: part of URLs and file names. */
export const imageNamePattern = /^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$/;

/** The system an `--os` names; `undefined` for anything unknown. */
export function findOperatingSystem(id: string): OperatingSystem | undefined {
  if (id.startsWith("image:")) {
    const image = id.slice("image:".length);
    if (!imageNamePattern.test(image) || image.includes("..")) return undefined;
    return { id, family: "image", distribution: "image", release: "", image };
  }
  return operatingSystems.find((system) => system.id === id);
}
