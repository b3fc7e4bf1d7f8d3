import type { BootClient, ClientKind, Platform } from "./classify.ts";
import { decideNbp, type NbpSettings } from "./nbp.ts";

export const snippetKinds = ["dnsmasq", "isc", "kea"] as const;
export type SnippetKind = (typeof snippetKinds)[number];

/** One row of what another DHCP server has to know: who, by its codes of option 93, and what it gets. */
interface Row {
  name: string;
  kind: ClientKind;
  archs: readonly number[];
  file: string;
}

const clients: readonly { kind: ClientKind; platform: Platform; archs: readonly number[] }[] = [
  { kind: "pxe", platform: "bios", archs: [0] },
  { kind: "pxe", platform: "uefi-x64", archs: [7, 9] },
  { kind: "pxe", platform: "uefi-arm64", archs: [11] },
  { kind: "http", platform: "uefi-x64", archs: [16] },
  { kind: "http", platform: "uefi-arm64", archs: [19] },
];

/** Configuration for somebody's own DHCP server that sends its boot clients to us. */
export function renderDhcpSnippet(kind: SnippetKind, settings: NbpSettings): string {
  const rows = clients.flatMap(({ kind: client, platform, archs }): Row[] => {
    const file = fileFor({ kind: client, platform, speaksHttp: client === "http" }, settings);
    return file === undefined ? [] : [{ name: `labctl-${client}-${platform}`, kind: client, archs, file }];
  });
  const script = fileFor({ kind: "ipxe", platform: "unknown", speaksHttp: true }, settings) ?? "";
  return renderers[kind](rows, script, settings.server);
}

const fileFor = (client: BootClient, settings: NbpSettings) => decideNbp(client, settings);

const renderers: Record<SnippetKind, (rows: Row[], script: string, server: string) => string> = {
  dnsmasq(rows, script, server) {
    return lines(
      "# dnsmasq: put this into a file under /etc/dnsmasq.d/ and restart dnsmasq.",
      "# Take out other dhcp-boot and pxe-service lines: they would answer the same machines.",
      "dhcp-match=set:labctl-ipxe,175",
      "dhcp-userclass=set:labctl-ipxe,iPXE",
      ...rows.flatMap(({ name, archs }) =>
        archs.map((arch) => `dhcp-match=set:${name},option:client-arch,${arch}`),
      ),
      ...rows.map(({ name, file }) => `dhcp-boot=tag:!labctl-ipxe,tag:${name},${file},,${server}`),
      `dhcp-boot=tag:labctl-ipxe,${script},,${server}`,
      "# UEFI HTTP Boot drops an offer without this class. Do not send PXEClient: UEFI would turn to port 4011 here.",
      ...rows
        .filter((row) => row.kind === "http")
        .map(({ name }) => `dhcp-option-force=tag:!labctl-ipxe,tag:${name},60,HTTPClient`),
      "# iPXE need not wait for a proxy offer.",
      "dhcp-option-force=tag:labctl-ipxe,encap:175,176,1b",
    );
  },

  isc(rows, script, server) {
    return lines(
      "# ISC dhcpd: put this into dhcpd.conf outside every subnet, and restart dhcpd.",
      "# Take out other filename and next-server statements: an inner one would win over these.",
      "option labctl-arch code 93 = unsigned integer 16;",
      "option labctl-ipxe code 175 = string;",
      `next-server ${server};`,
      'if exists labctl-ipxe or option user-class = "iPXE" or substring(option user-class, 1, 4) = "iPXE" {',
      `  filename "${script}";`,
      ...rows.flatMap(({ kind, archs, file }) => [
        `} elsif ${archs.map((arch) => `option labctl-arch = ${hex16(arch)}`).join(" or ")} {`,
        // Without this class UEFI HTTP Boot drops the offer.
        ...(kind === "http" ? ['  option vendor-class-identifier "HTTPClient";'] : []),
        `  filename "${file}";`,
      ]),
      "}",
    );
  },

  kea(rows, script, server) {
    const isIpxe =
      "option[175].exists or option[77].hex == 'iPXE' or substring(option[77].hex, 1, 4) == 'iPXE'";
    const classes = [
      { name: "labctl-ipxe", test: isIpxe, "next-server": server, "boot-file-name": script },
      ...rows.map(({ name, kind, archs, file }) => ({
        name,
        test: `not member('labctl-ipxe') and (${archs.map((arch) => `option[93].hex == 0x${arch.toString(16).padStart(4, "0")}`).join(" or ")})`,
        "next-server": server,
        "boot-file-name": file,
        // Without this class UEFI HTTP Boot drops the offer.
        ...(kind === "http" && {
          "option-data": [{ name: "vendor-class-identifier", data: "HTTPClient", "always-send": true }],
        }),
      })),
    ];
    return lines(
      '// Kea: put these into "client-classes" of "Dhcp4" in kea-dhcp4.conf, and reload it.',
      '// Take out other "boot-file-name" and "next-server" entries of subnets and hosts: they would win over these.',
      `"client-classes": ${JSON.stringify(classes, undefined, 2)}`,
    );
  },
};

/** As ISC dhcpd writes two bytes: `00:07`. */
const hex16 = (code: number) =>
  [code >> 8, code & 255].map((byte) => byte.toString(16).padStart(2, "0")).join(":");

const lines = (...each: string[]) => `${each.join("\n")}\n`;
