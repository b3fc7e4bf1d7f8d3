import type { OperatingSystem } from "./operating-systems.ts";
import type { BootFiles, RenderContext } from "./render-context.ts";

const extraArgs = (context: RenderContext) => context.kernelArgs.split(/\s+/).filter((word) => word !== "");
const fileUrl = (context: RenderContext, name: string) =>
  `${context.baseUrl}/install/${context.token}/${name}`;
/** As PXELINUX spells the interface booted from (hardware type 1, hyphens); every installer reads it. */
const bootInterface = (context: RenderContext) => `BOOTIF=01-${context.mac.replaceAll(":", "-")}`;

/** Anaconda's own kernel and initrd (dracut.cmdline(7), `inst.` options of anaconda). */
export function kickstartBoot(context: RenderContext, system: OperatingSystem): BootFiles {
  const path = `/installer/${system.id}`;
  return {
    kernel: `${path}/vmlinuz`,
    initrds: [`${path}/initrd.img`],
    args: [
      `inst.ks=${fileUrl(context, "install.ks")}`,
      `inst.repo=${installTree(context, system)}`,
      "inst.text",
      "ip=dhcp",
      "rd.neednet=1",
      bootInterface(context),
      ...extraArgs(context),
    ],
  };
}

/** debian-installer (Debian's installation guide, section 5.3.2 and appendix B). */
export function debianBoot(context: RenderContext, system: OperatingSystem): BootFiles {
  const path = `/installer/${system.id}`;
  return {
    kernel: `${path}/linux`,
    initrds: [`${path}/initrd.gz`],
    args: [
      "auto=true",
      "priority=critical",
      `preseed/url=${fileUrl(context, "preseed.cfg")}`,
      `netcfg/get_hostname=${context.spec.name}`,
      "interface=auto",
      // Asked before the answers are there to be fetched, of a lab without a way out, or without a name server.
      "netcfg/no_default_route=true",
      "netcfg/get_nameservers=127.0.0.1",
      bootInterface(context),
      ...extraArgs(context),
    ],
  };
}

/** Our own RAM environment, with the task it is to run. */
export function imageBoot(context: RenderContext): BootFiles {
  const path = `/ram/${context.arch ?? "x86_64"}`;
  return {
    kernel: `${path}/vmlinuz`,
    initrds: [`${path}/initrd.img`],
    args: [
      `labctl.url=${context.baseUrl}`,
      `labctl.mac=${context.mac}`,
      "labctl.task=install",
      `labctl.token=${context.token}`,
      bootInterface(context),
      ...extraArgs(context),
    ],
  };
}

/** The tree Anaconda installs from: the mirror's directory of this release. */
export function installTree(context: RenderContext, system: OperatingSystem): string {
  const mirror = (context.mirrors[system.id] ?? context.mirrors[system.distribution] ?? "").replace(
    /\/+$/,
    "",
  );
  const arch = context.arch === "arm64" ? "aarch64" : "x86_64";
  // A mirror named by release is the tree itself; one named by distribution is the distribution's root.
  if (context.mirrors[system.id] !== undefined) return mirror;
  return system.distribution === "fedora"
    ? `${mirror}/releases/${system.release}/Everything/${arch}/os`
    : `${mirror}/${system.release}/BaseOS/${arch}/os`;
}

/** RHEL and its kin keep most packages in a second repository beside BaseOS. */
export function appStream(context: RenderContext, system: OperatingSystem): string {
  if (system.family !== "kickstart" || system.distribution === "fedora") return "";
  const tree = installTree(context, system);
  return tree.includes("/BaseOS/") ? tree.replace("/BaseOS/", "/AppStream/") : `${tree}/AppStream`;
}
