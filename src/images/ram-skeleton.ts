import type { ArchiveEntry } from "./ram-archive.ts";

/** A file of ours: where it lies in the RAM environment. */
export interface RamScript {
  path: string;
  mode: number;
  text: string;
}

const text = new TextEncoder();
const certificates = /^usr\/share\/ca-certificates\/mozilla\/.*\.crt$/;

const directories = [
  "dev",
  "mnt",
  "proc",
  "root",
  "run",
  "sys",
  "tmp",
  "usr/lib/busybox",
  "var/lib",
  "var/tmp",
];

const links: Record<string, string> = {
  bin: "usr/bin",
  sbin: "usr/sbin",
  lib: "usr/lib",
  lib64: "usr/lib64",
  "var/run": "/run",
  "usr/bin/sh": "dash",
  "etc/mtab": "/proc/self/mounts",
};

const texts: Record<string, string> = {
  "etc/passwd": "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/bin/false\n",
  // the groups udev's rules name
  "etc/group": [
    "root:x:0:",
    "tty:x:5:",
    "disk:x:6:",
    "lp:x:7:",
    "dialout:x:20:",
    "cdrom:x:24:",
    "tape:x:26:",
    "audio:x:29:",
    "video:x:44:",
    "kmem:x:15:",
    "input:x:101:",
    "sgx:x:102:",
    "kvm:x:103:",
    "render:x:104:",
    "nogroup:x:65534:",
    "",
  ].join("\n"),
  "etc/hosts": "127.0.0.1 localhost labctl-ram\n::1 localhost\n",
  "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
};

/** The whole of the initramfs: folders, links, accounts, one bundle of certificates, our scripts, and what was chosen. */
export function layOut(chosen: readonly ArchiveEntry[], scripts: readonly RamScript[]): ArchiveEntry[] {
  const isCertificate = (entry: ArchiveEntry) => certificates.test(entry.path);
  return [
    ...directories.map(
      (path) => ({ kind: "directory", path, mode: path.endsWith("tmp") ? 0o1777 : 0o755 }) as const,
    ),
    ...Object.entries(links).map(([path, target]) => ({ kind: "link", path, target }) as const),
    ...Object.entries(texts).map(([path, content]) => file(path, 0o644, text.encode(content))),
    // init's own input and output, before devtmpfs is mounted
    { kind: "device", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
    { kind: "device", path: "dev/null", mode: 0o666, major: 1, minor: 3 },
    file("etc/ssl/certs/ca-certificates.crt", 0o644, bundle(chosen.filter(isCertificate))),
    ...scripts.map((script) => file(script.path, script.mode, text.encode(script.text))),
    ...chosen.filter((entry) => !isCertificate(entry)),
  ];
}

function bundle(certificates: readonly ArchiveEntry[]): Uint8Array {
  const sorted = [...certificates].sort((a, b) => (a.path < b.path ? -1 : 1));
  return text.encode(
    sorted.map((entry) => (entry.kind === "file" ? new TextDecoder().decode(entry.content) : "")).join(""),
  );
}

const file = (path: string, mode: number, content: Uint8Array): ArchiveEntry => ({
  kind: "file",
  path,
  mode,
  content,
});
