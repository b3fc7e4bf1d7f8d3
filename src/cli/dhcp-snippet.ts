import { networkInterfaces } from "node:os";
import { renderDhcpSnippet, snippetKinds } from "../boot/dhcp-snippet.ts";
import type { DaemonConfig } from "../platform/config.ts";
import { AppError } from "../platform/errors.ts";
import { readIpv4 } from "../protocols/inet/ipv4.ts";
import { defineCommand } from "./define.ts";
import { print } from "./output.ts";
import { loadDaemonConfig } from "./settings.ts";

export const dhcpSnippet = defineCommand({
  summary: "configuration for your own DHCP server that points it here",
  example: "labctl bastion dhcp-snippet dnsmasq",
  args: {
    kind: { type: "positional", description: `whose: ${snippetKinds.join(", ")}`, valueHint: "SERVER" },
    server: {
      type: "string",
      description: "the bastion's address; default: the first interface's",
      valueHint: "ADDRESS",
    },
    config: { type: "string", description: "configuration file", valueHint: "FILE" },
  },
  run: ({ kind, server, config }) => {
    const wanted = snippetKinds.find((each) => each === kind);
    if (wanted === undefined) {
      throw new AppError("usage", `there is no snippet for '${kind}'`, {
        hint: `choose one of ${snippetKinds.join(", ")}`,
      });
    }
    if (server !== undefined && readIpv4(server) === undefined) {
      throw new AppError("usage", `'${server}' is not an IPv4 address`);
    }
    const settings = loadDaemonConfig(config);
    const snippet = renderDhcpSnippet(wanted, {
      server: server ?? addressOf(settings),
      httpPort: settings.http.port,
      program: settings.boot.uefi,
    });
    print(snippet.trimEnd());
  },
});

/** The address of the first configured interface: as configured, or as it is now. */
function addressOf({ interfaces }: DaemonConfig): string {
  const [first] = interfaces;
  const own = first && networkInterfaces()[first.name]?.find(({ family }) => family === "IPv4")?.address;
  const address = first?.address ?? own;
  if (address !== undefined) return address;
  throw new AppError("config", "the bastion's address is not known", {
    hint: "give --server ADDRESS, or configure an interface",
  });
}
