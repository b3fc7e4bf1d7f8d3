import { type InstallSpecInput, parseInstallSpec } from "../../src/machines/install-spec.ts";
import { type RenderContext, renderInstall } from "../../src/machines/render.ts";
import { parseTemplates } from "../../src/machines/template.ts";
import { embeddedTemplates } from "../../src/machines/templates.client.ts";
import { parseMac } from "../../src/platform/mac.ts";

export const sshKey =
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBxLmXk5Hq0G0yIuJ1mE0m1n5bS1Yb0m0QvJcS2cT0aB admin@lab";

export interface Case {
  spec: InstallSpecInput;
  firmware: "bios" | "uefi";
  /** With a control plane to join. */
  agent?: boolean;
  kernelArgs?: string;
}

/** One machine for each way to install and each role, with what varies between machines spread over them. */
export const cases: Record<string, Case> = {
  "fedora-40-plain": { spec: { name: "f40", os: "fedora-40", sshKeys: [sshKey] }, firmware: "uefi" },
  "fedora-41-infra": {
    spec: { name: "f41", role: "infra", os: "fedora-41", sshKeys: [sshKey] },
    firmware: "bios",
  },
  "fedora-42-worker": {
    spec: { name: "w1", domain: "lab.example", role: "worker", os: "fedora-42", sshKeys: [sshKey] },
    firmware: "uefi",
    kernelArgs: "console=ttyS0,115200",
  },
  "rhel-9-plain": { spec: { name: "r9", os: "rhel-9", sshKeys: [sshKey] }, firmware: "uefi" },
  "rocky-10-infra": {
    spec: {
      name: "i1",
      role: "infra",
      os: "rocky-10",
      disk: "model=SSD,size>=200G,smallest",
      sshKeys: [sshKey],
      users: [{ name: "ops", passwordHash: "$6$saltsaltsalt$0123456789abcdefghijklmnop" }],
      network: { kind: "static", address: "10.0.0.5/24", gateway: "10.0.0.1", dns: ["10.0.0.1", "10.0.0.2"] },
      wipe: true,
    },
    firmware: "bios",
  },
  "debian-12-worker": {
    spec: { name: "w2", role: "worker", os: "debian-12", sshKeys: [sshKey], users: [{ name: "ops" }] },
    firmware: "uefi",
    kernelArgs: "console=ttyS0,115200",
  },
  "debian-13-infra": {
    spec: {
      name: "i2",
      domain: "lab.example",
      role: "infra",
      os: "debian-13",
      disk: "/dev/disk/by-id/ata-DISK_123",
      sshKeys: [sshKey],
      network: { kind: "static", address: "10.0.0.6/23", gateway: "10.0.0.1", dns: ["10.0.0.1"] },
    },
    firmware: "bios",
  },
  "image-plain": {
    spec: { name: "p1", os: "image:debian-12", disk: "largest", sshKeys: [sshKey] },
    firmware: "bios",
  },
  "image-worker": {
    spec: {
      name: "w3",
      role: "worker",
      os: "image:debian-12",
      sshKeys: [sshKey],
      users: [{ name: "ops", admin: false }],
      network: { kind: "static", address: "10.0.0.7/24", gateway: "10.0.0.1" },
    },
    firmware: "uefi",
    kernelArgs: "console=ttyS0,115200",
    agent: true,
  },
};

export const mirror = "http://mirror.example";

export function contextOf(
  { spec, firmware, kernelArgs, agent }: Case,
  changes: Partial<RenderContext> = {},
): RenderContext {
  return {
    spec: parseInstallSpec(spec),
    mac: parseMac("52:54:00:12:34:56"),
    firmware,
    baseUrl: "http://10.0.0.2:8080",
    token: "0123456789abcdef0123456789abcdef",
    kernelArgs: kernelArgs ?? "",
    mirrors: {
      debian: `${mirror}/debian`,
      fedora: `${mirror}/fedora/linux`,
      rocky: `${mirror}/rocky`,
      "rhel-9": `${mirror}/rhel9/BaseOS`,
    },
    timezone: "Europe/Berlin",
    image: {
      name: "debian-12",
      sha256: "a".repeat(64),
      size: 314_572_800,
      format: "raw",
      compression: "zstd",
    },
    ...(agent && {
      agent: {
        server: "10.0.0.2:8443",
        token: `labctl_join_${"J".repeat(43)}_${"b".repeat(64)}`,
        executable: "/agent/x86_64/labctl",
        sha256: "c".repeat(64),
      },
    }),
    ...changes,
  };
}

const templates = parseTemplates((path) => embeddedTemplates[path]);
export const renderCase = (one: Case, changes: Partial<RenderContext> = {}) =>
  renderInstall(templates, contextOf(one, changes));

/** The shell parts of a rendered install, by name: scripts whole, kickstarts by section. */
export function shellParts(files: Record<string, string>): Record<string, string> {
  const parts: Record<string, string> = {};
  for (const [name, text] of Object.entries(files)) {
    if (name.endsWith(".sh")) parts[name] = text;
    if (!name.endsWith(".ks")) continue;
    const sections = [...text.matchAll(/^%(pre|post|onerror|traceback)\b.*\n([\s\S]*?)^%end$/gm)];
    for (const [index, [, kind, body]] of sections.entries()) {
      parts[`${name}-${index}-${kind}.sh`] = `#!/bin/bash\n${body}`;
    }
  }
  return parts;
}
