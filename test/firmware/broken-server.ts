/**
 * A boot server that is wrong in a way of each client's own: the last byte of the MAC says which. Addresses are
 * 10.77.0.200 and up; TFTP and HTTP misbehave by the name that is asked for. `bun broken-server.ts INTERFACE ADDRESS`
 */

import type { DhcpOptions } from "../../src/protocols/dhcp4/options.ts";
import { type DhcpPacket, decodePacket, encodePacket } from "../../src/protocols/dhcp4/packet.ts";
import { openNicSocket } from "../../src/protocols/dhcp4/udp-nic.server.ts";
import { everyone, readIpv4, toIpv4, unspecified } from "../../src/protocols/inet/ipv4.ts";
import { openLibc } from "../../src/protocols/inet/libc.server.ts";
import { decode, encode, type Packet } from "../../src/protocols/tftp/packet.ts";

const [device = "", address = ""] = process.argv.slice(2);
const server = readIpv4(address) ?? unspecified;
const http = `http://${address}:8080`;

/** What each client is told to load; `undefined`: it gets no answer at all. */
const files: Record<number, string | undefined> = {
  1: undefined,
  2: "script.ipxe",
  3: "missing.kpxe",
  4: "oversized.kpxe",
  5: "http://10.77.0.1:9/boot.ipxe",
  6: `${http}/missing.ipxe`,
  7: `${http}/moved.efi`,
  8: `${http}/chunked.efi`,
  9: `${http}/page.html`,
  10: `${http}/refuses.ipxe`,
  11: `${http}/discovers.ipxe`,
  12: "ftp://10.77.0.1/boot.ipxe",
  13: `${http}/local.ipxe`,
  14: `${http}/denied.ipxe`,
};

const socket = await openNicSocket(openLibc(), device, 67, {
  datagram(bytes) {
    const decoded = decodePacket(bytes);
    if (decoded.kind === "invalid") return;
    const { packet } = decoded;
    const who = packet.chaddr[5] ?? 0;
    const file = files[who];
    if (file === undefined) return;
    const asked = packet.options.messageType;
    // client 2 is refused what it was offered
    const messageType = asked === "DHCPDISCOVER" ? "DHCPOFFER" : who === 2 ? "DHCPNAK" : "DHCPACK";
    const http = packet.options.vendorClass?.startsWith("HTTPClient");
    socket.send(
      encodePacket(
        reply(packet, who, { messageType, bootFileName: file, ...(http && { vendorClass: "HTTPClient" }) }),
        1472,
      ).bytes,
      everyone,
      68,
    );
  },
  error: (error) => console.error(String(error)),
});

function reply(request: DhcpPacket, who: number, options: DhcpOptions): DhcpPacket {
  return {
    ...request,
    op: "reply",
    yiaddr: toIpv4(server + 199 + who),
    siaddr: server,
    options: { ...options, serverIdentifier: server, leaseTime: 600, ipxe: { noProxyDhcp: true } },
  };
}

const tftp = await Bun.udpSocket({
  hostname: address,
  port: 69,
  binaryType: "uint8array",
  socket: {
    data(_, bytes, port, from) {
      const packet = decode(bytes);
      if (packet.kind !== "RRQ") return;
      const answer: Packet = packet.filename.startsWith("oversized")
        ? { kind: "OACK", options: [["blksize", "9000"]] }
        : { kind: "ERROR", code: 1, message: "File not found" };
      tftp.send(encode(answer), port, from);
    },
  },
});

const pages: Record<string, () => Response> = {
  "/moved.efi": () => new Response(null, { status: 301, headers: { location: `${http}/elsewhere.efi` } }),
  "/chunked.efi": () =>
    new Response(
      new ReadableStream({
        start(controller) {
          controller.enqueue(new Uint8Array(1000));
          controller.close();
        },
      }),
    ),
  "/page.html": () => new Response("<html>Welcome to the default page</html>"),
  "/refuses.ipxe": () => new Response("#!ipxe\necho nothing to boot for this machine\nprompt\nexit 1\n"),
  "/discovers.ipxe": () =>
    // biome-ignore lint/suspicious/noTemplateCurlyInString: iPXE's own variables
    new Response("#!ipxe\nchain next.ipxe?mac=${net0/mac:hexhyp} ||\n"),
  "/next.ipxe": () => new Response("#!ipxe\nkernel --name linux /ram/vmlinuz quiet\nboot\n"),
  "/local.ipxe": () => new Response("#!ipxe\necho installed already\nsanboot --drive 0x80\n"),
  "/denied.ipxe": () => new Response("go away", { status: 403 }),
};
Bun.serve({
  hostname: address,
  port: 8080,
  fetch: (request) =>
    pages[new URL(request.url).pathname]?.() ?? new Response("no such page", { status: 404 }),
});
console.log("ready");
