import { AppError } from "../platform/errors.ts";
import { chooseDisk, type DiskSelector, parseDiskSelector } from "./disk-selector.ts";
import type { OperatingSystem } from "./operating-systems.ts";
import { appStream, installTree } from "./render-boot.ts";
import type { RenderContext } from "./render-context.ts";
import { bootMib, minimumDiskBytes, type Role, roleOf, volumeGroup } from "./roles.ts";
import type { TemplateRecord } from "./template.ts";

/**
 * Every variable a template can name.
 * @throws `invalid` for a disk, image, mirror or kernel argument that cannot serve.
 */
export function templateValues(context: RenderContext, system: OperatingSystem): TemplateRecord {
  const { spec } = context;
  const role = roleOf(spec.role);
  const minBytes = minimumDiskBytes(role, context.image?.rawSize);
  const selector = parseDiskSelector(spec.disk ?? "only");
  checkDisk(context, minBytes, selector);
  checkKernelArgs(context.kernelArgs);
  return {
    name: spec.name,
    domain: spec.domain,
    fqdn: spec.domain === undefined ? spec.name : `${spec.name}.${spec.domain}`,
    mac: context.mac,
    firmware: context.firmware,
    uefi: context.firmware === "uefi",
    arch: context.arch ?? "x86_64",
    url: context.baseUrl,
    token: context.token,
    timezone: context.timezone,
    kernelArgs: context.kernelArgs.trim(),
    os: {
      id: system.id,
      distribution: system.distribution,
      release: system.release,
      codename: system.codename,
    },
    role: role.name,
    kubernetes: role.kubernetes,
    kernelPackage: context.arch === "arm64" ? "linux-image-arm64" : "linux-image-amd64",
    // Fedora alone installs a generator of compressed swap by default.
    noZram: system.distribution === "fedora",
    efiLabel: efiLabels[system.distribution] ?? "Linux",
    wipe: spec.wipe,
    disk: diskValues(selector),
    layout: layoutValues(role, minBytes),
    rootKeys: spec.sshKeys,
    rootPasswordHash: spec.rootPasswordHash,
    users: spec.users.map((user) => ({
      name: user.name,
      admin: user.admin,
      passwordHash: user.passwordHash,
      keys: [...new Set([...spec.sshKeys, ...user.sshKeys])],
    })),
    network: networkValues(spec.network),
    mirror: mirrorValues(context, system),
    image: imageValues(context, system),
    agent: context.agent && { ...context.agent },
  };
}

/** What Anaconda calls the boot entry it makes: the product's name. */
const efiLabels: Record<string, string> = {
  fedora: "Fedora",
  rhel: "Red Hat Enterprise Linux",
  rocky: "Rocky Linux",
  alma: "AlmaLinux",
  "centos-stream": "CentOS Stream",
};

function diskValues(selector: DiskSelector): TemplateRecord {
  return {
    path: selector.path ?? "",
    byId: selector.byId ?? "",
    serial: selector.serial ?? "",
    model: selector.model ?? "",
    transport: selector.transport ?? "",
    minBytes: selector.minBytes ?? 0,
    maxBytes: selector.maxBytes ?? 0,
    pick: selector.pick,
  };
}

function layoutValues(role: Role, minBytes: number): TemplateRecord {
  return {
    group: volumeGroup,
    biosMib: bootMib.bios,
    espMib: bootMib.esp,
    bootMib: bootMib.boot,
    rootMinMib: role.root.minMib,
    rootMaxMib: role.root.maxMib,
    rootShare: role.root.sharePercent,
    dataVolume: role.data?.volume ?? "",
    dataMount: role.data?.mount ?? "",
    dataMinMib: role.data?.minMib ?? 0,
    minBytes,
  };
}

function networkValues(network: RenderContext["spec"]["network"]): TemplateRecord {
  if (network.kind === "dhcp")
    return { static: false, address: "", prefix: 0, netmask: "", gateway: "", gatewayComma: "", dns: [] };
  const [address = "", prefix = "24"] = network.address.split("/");
  return {
    static: true,
    address,
    prefix: Number(prefix),
    netmask: netmaskOf(Number(prefix)),
    gateway: network.gateway ?? "",
    gatewayComma: network.gateway === undefined ? "" : `,${network.gateway}`,
    dns: network.dns,
  };
}

const netmaskOf = (prefix: number) =>
  [0, 8, 16, 24].map((shift) => 256 - 2 ** (8 - Math.min(8, Math.max(0, prefix - shift)))).join(".");

function mirrorValues(context: RenderContext, system: OperatingSystem): TemplateRecord | undefined {
  if (system.family === "image") return undefined;
  const url = context.mirrors[system.id] ?? context.mirrors[system.distribution];
  if (url === undefined) {
    throw new AppError("invalid", `no mirror is set for ${system.distribution}`, {
      hint: `labctl config set install.mirrors.${system.distribution} URL`,
    });
  }
  const parsed = new URL(url);
  return {
    url: url.replace(/\/+$/, ""),
    protocol: parsed.protocol.replace(":", ""),
    host: parsed.host,
    directory: parsed.pathname.replace(/\/+$/, "") || "/",
    tree: installTree(context, system),
    appstream: appStream(context, system),
  };
}

function imageValues(context: RenderContext, system: OperatingSystem): TemplateRecord | undefined {
  if (system.family !== "image") return undefined;
  const image = context.image;
  if (image === undefined) {
    throw new AppError("invalid", `there is no image '${system.image ?? ""}' in the catalogue`, {
      hint: "labctl image list shows those there are; labctl image add or build makes one",
    });
  }
  if (image.format !== "raw") {
    throw new AppError(
      "invalid",
      `the image '${image.name}' is ${image.format}; only raw ones are written to disks`,
      {
        hint: "add it again: labctl image add turns it into raw",
      },
    );
  }
  return {
    name: image.name,
    url: `${context.baseUrl}/image/${image.name}`,
    sha256: image.sha256,
    size: image.size,
    rawMib: Math.ceil((image.rawSize ?? 0) / 2 ** 20),
    zstd: image.compression === "zstd",
  };
}

function checkDisk(context: RenderContext, minBytes: number, selector: DiskSelector): void {
  if (context.inventory === undefined) return;
  const choice = chooseDisk(selector, context.inventory.disks, minBytes);
  if (choice.kind === "chosen") return;
  const said = context.spec.disk === undefined ? "no disk was named" : `--disk ${context.spec.disk}`;
  if (choice.kind === "none")
    throw new AppError("invalid", `${context.spec.name}: ${choice.reason} (${said})`);
  throw new AppError(
    "invalid",
    `${context.spec.name} has several disks that fit: ${choice.names.join(", ")}`,
    {
      hint: "say which: --disk largest, --disk /dev/…, --disk serial=…",
    },
  );
}

/** They end up in boot loader configuration, where quotes and `$` mean something. */
function checkKernelArgs(text: string): void {
  if (/^[\w .,:;=/@%+-]*$/.test(text)) return;
  throw new AppError(
    "invalid",
    `the kernel arguments '${text.slice(0, 80)}' have characters no argument needs`,
    {
      hint: "letters, digits and . , : ; = / @ % + - _ are accepted: labctl config set install.kernelArgs …",
    },
  );
}
