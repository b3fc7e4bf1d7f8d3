// Makes a fresh Debian machine ready for `npm run demo`, `npm test` or .ci/run.
// Plain Node without dependencies: it runs before node_modules exists.
//
//   node test/prepare.mjs demo|test|os|ci [--quiet]
//
// Runs `npm ci` when node_modules is missing or not what package-lock.json says, and installs the Debian
// packages the purpose needs: through apt when root, otherwise it says in one line what to install.
import { spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/**
 * Debian package → what needs it. `demo` and `test` are the two commands, `ci` the extended set of .ci/run
 * (which also gets everything of `test`), `os` the full operating-system install.
 */
const packages = [
  // The lab: virtual machines and their network.
  ["qemu-system-x86", "demo test os", "virtual machines"],
  ["qemu-utils", "demo test os", "disk images"],
  ["ovmf", "demo test os", "UEFI firmware"],
  ["qemu-system-arm", "ci", "virtual machines of another architecture"],
  ["qemu-efi-aarch64", "ci", "UEFI firmware for them"],
  ["qemu-user-static", "ci", "executables of another architecture"],
  ["ipxe", "demo test os", "network boot programs"],
  ["iproute2", "demo test os", "network namespaces"],
  ["util-linux", "demo test os", "unshare, nsenter, losetup"],
  ["dnsmasq-base", "test", "the other DHCP server of the proxy tests"],
  // The RAM environment and disk images are made from Debian's packages.
  ["rpm", "ci", "judge of the rpm"],
  ["mmdebstrap", "demo test os", "root file systems"],
  ["zstd", "demo test os", "compressed images"],
  ["cpio", "demo test os", "initramfs"],
  ["kmod", "demo test os", "module dependencies"],
  // The boot ISO.
  ["xorriso", "test", "ISO images"],
  ["isolinux", "test", "BIOS boot loader of the ISO"],
  ["syslinux-common", "test", "BIOS boot loader of the ISO"],
  ["mtools", "test", "EFI boot image of the ISO"],
  // Real clients.
  ["curl", "demo test os", "HTTP client"],
  ["udhcpc", "test", "DHCP client"],
  ["isc-dhcp-client", "test", "DHCP client"],
  ["isc-dhcp-relay", "test", "DHCP relay"],
  ["kea-admin", "test", "perfdhcp, DHCP load"],
  // DHCP servers that are to take our snippet.
  ["isc-dhcp-server", "test", "judge of the snippet for ISC dhcpd"],
  ["kea-dhcp4-server", "test", "judge of the snippet for Kea"],
  ["tftp-hpa", "test", "TFTP client"],
  ["atftp", "test", "TFTP client"],
  ["busybox", "test", "TFTP client, and the shell of Debian's installer"],
  // Third-party judges.
  ["python3-proxmoxer", "test", "another client of the Proxmox VE API"],
  ["python3-prometheus-client", "test", "judge of /metrics"],
  ["python3-requests", "test", "what python3-proxmoxer speaks HTTPS with"],
  ["faketime", "test", "processes that live at another time"],
  ["sudo", "test", "an agent that is not root"],
  ["shellcheck", "test", "judge of shell scripts"],
  // What installers run on the machine, run here on disks made of files.
  ["lvm2", "test", "volumes of an install"],
  ["fdisk", "demo test os", "partition tables"],
  ["parted", "test", "partition tables of Debian's installer"],
  ["mtools", "demo test os", "EFI system partitions without mounting"],
  ["dosfstools", "demo test os", "EFI system partitions"],
  ["e2fsprogs", "demo test os", "file systems"],
  // A package archive of the tests' own.
  ["gnupg", "test os", "signed lists of packages"],
  ["gpgv", "test os", "judge of those signatures"],
  ["xz-utils", "demo test os", "compressed lists of packages"],
  ["chromium", "ci", "the browser that the web pages are tried in"],
  ["python3-venv", "ci", "virtual environment for judges from PyPI"],
];

const top = dirname(dirname(fileURLToPath(import.meta.url)));
const [purpose, ...flags] = process.argv.slice(2);
const quiet = flags.includes("--quiet");
// apt's maintainer scripts want the sbin directories, which a bare environment may lack.
const env = {
  ...process.env,
  PATH: `${process.env.PATH ?? "/usr/bin:/bin"}:/usr/local/sbin:/usr/sbin:/sbin`,
  DEBIAN_FRONTEND: "noninteractive",
};

if (!["demo", "test", "os", "ci"].includes(purpose)) {
  console.error("usage: node test/prepare.mjs demo|test|os|ci [--quiet]");
  process.exit(2);
}
prepareNodeModules();
prepareDebianPackages();

function say(text) {
  if (!quiet) console.log(text);
}

function fail(text) {
  console.error(text);
  process.exit(1);
}

/** The installed tree equals the lock when npm's own hidden lock names the same versions. */
function staleNodeModules() {
  const modules = join(top, "node_modules");
  const hidden = join(modules, ".package-lock.json");
  if (!existsSync(hidden)) return "node_modules is missing";
  // A linked tree belongs to somebody else's checkout.
  if (lstatSync(modules).isSymbolicLink()) return undefined;
  const wanted = JSON.parse(readFileSync(join(top, "package-lock.json"), "utf8")).packages;
  const present = JSON.parse(readFileSync(hidden, "utf8")).packages;
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === "") continue;
    const version = present[path]?.version;
    if (version === undefined && entry.optional) continue;
    if (version !== entry.version)
      return `${path} is ${version ?? "missing"}, the lock says ${entry.version}`;
  }
  return undefined;
}

function prepareNodeModules() {
  const reason = staleNodeModules();
  if (reason === undefined) return;
  say(`prepare: npm ci (${reason})`);
  const done = spawnSync("npm", ["ci", "--no-progress"], {
    cwd: top,
    env,
    stdio: quiet ? "pipe" : "inherit",
  });
  if (done.status !== 0) fail(`prepare: npm ci failed${done.error ? `: ${done.error.message}` : ""}`);
}

function prepareDebianPackages() {
  const wanted = packages
    .filter(([, purposes]) => {
      const list = purposes.split(" ");
      return list.includes(purpose) || (purpose === "ci" && (list.includes("test") || list.includes("ci")));
    })
    .map(([name]) => name);
  const present = installedPackages();
  const missing = wanted.filter((name) => !present.has(name));
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0) {
    fail(`prepare: as root, run: apt-get install --no-install-recommends ${missing.join(" ")}`);
  }
  if (!existsSync("/usr/bin/apt-get")) fail(`prepare: this machine has no apt; needed: ${missing.join(" ")}`);
  const unlock = holdServices();
  try {
    if (staleLists()) update();
    say(`prepare: installing ${missing.join(" ")}`);
    if (!install(missing)) {
      // The archive moved on since the lists were read: read them again, once.
      update();
      if (!install(missing)) fail(`prepare: apt-get could not install ${missing.join(" ")}`);
    }
  } finally {
    unlock();
  }
}

function installedPackages() {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query has its own placeholders
  const query = spawnSync("dpkg-query", ["-W", "-f", "${db:Status-Abbrev} ${Package}\n"], {
    env,
    encoding: "utf8",
  });
  const lines = (query.stdout ?? "").split("\n").filter((line) => line.startsWith("ii"));
  return new Set(lines.map((line) => line.split(" ").at(-1)));
}

/** True when no package list was read in the last week. */
function staleLists() {
  const directory = "/var/lib/apt/lists";
  if (!existsSync(directory)) return true;
  const lists = readdirSync(directory).filter((name) => name.includes("_Packages"));
  return lists.length === 0 || Date.now() - statSync(directory).mtimeMs > 7 * 24 * 3600 * 1000;
}

function apt(args) {
  const log = join(mkdtempSync(join(tmpdir(), "labctl-prepare-")), "apt.log");
  const done = spawnSync("apt-get", ["-o", "DPkg::Lock::Timeout=600", "-o", "Acquire::Retries=3", ...args], {
    env,
    encoding: "utf8",
    maxBuffer: 64 << 20,
  });
  const text = `${done.stdout ?? ""}${done.stderr ?? ""}`;
  if (done.status === 0) {
    rmSync(dirname(log), { recursive: true });
    return true;
  }
  writeFileSync(log, text);
  console.error(text.trimEnd().split("\n").slice(-15).join("\n"));
  console.error(`prepare: apt-get ${args[0]} failed; its whole output is in ${log}`);
  return false;
}

function update() {
  say("prepare: apt-get update");
  if (!apt(["update", "-q"])) fail("prepare: apt-get update failed");
}

function install(names) {
  return apt(["install", "-q", "-y", "--no-install-recommends", ...names]);
}

/**
 * Installing a DHCP or TFTP package must not start its server on this host's network: while apt runs, and
 * unless the machine has a policy of its own, no service is started.
 */
function holdServices() {
  const policy = "/usr/sbin/policy-rc.d";
  try {
    writeFileSync(policy, "#!/bin/sh\nexit 101\n", { flag: "wx", mode: 0o755 });
  } catch {
    return () => {};
  }
  return () => rmSync(policy, { force: true });
}
