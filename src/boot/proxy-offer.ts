import { formatIpv4 } from "../protocols/inet/ipv4.ts";
import type { Asked, Decision } from "./offer.ts";
import { bootFields, buildReply } from "./reply.ts";

/** Port 67 beside another DHCP server (PXE 2.1 §2.2.3): boot clients get an offer without an address, others silence. */
export function decideProxy(asked: Asked): Decision {
  const { request, client } = asked;
  if (client.kind === "plain") return { kind: "ignore", reason: "does not boot from the network" };
  const type = request.options.messageType;
  // The REQUEST on 67 is for the server that gave the address; ours comes to 4011.
  if (type !== "DHCPDISCOVER") return { kind: "ignore", reason: `${type ?? "BOOTP"} is the other server's` };
  return bootReply(asked, "DHCPOFFER");
}

/** Port 4011 (BINL), in proxy and in full mode: a REQUEST, or an INFORM, gets the boot file in an ACK. */
export function decideBinl(asked: Asked): Decision {
  const { request, client, server } = asked;
  const { messageType, serverIdentifier } = request.options;
  if (client.kind === "plain") return { kind: "ignore", reason: "does not boot from the network" };
  if (messageType !== "DHCPREQUEST" && messageType !== "DHCPINFORM") {
    return { kind: "ignore", reason: `${messageType ?? "BOOTP"} on 4011` };
  }
  if (serverIdentifier !== undefined && serverIdentifier !== server && request.ciaddr === 0) {
    return { kind: "ignore", reason: `asks ${formatIpv4(serverIdentifier)}` };
  }
  return bootReply(asked, "DHCPACK");
}

function bootReply(asked: Asked, messageType: "DHCPOFFER" | "DHCPACK"): Decision {
  const { request, client, server, boot } = asked;
  const { fields, options } = bootFields(request, client, server, { ...boot, proxy: true });
  if (options.vendorClass === undefined) {
    return {
      kind: "ignore",
      reason: `no boot program for ${client.platform} (arch ${client.arch ?? "not given"})`,
    };
  }
  const ciaddr = messageType === "DHCPACK" ? { ciaddr: request.ciaddr } : {};
  return {
    kind: "boot",
    reply: buildReply(request, server, { ...ciaddr, ...fields }, { messageType, ...options }),
  };
}
