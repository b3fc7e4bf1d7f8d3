/**
 * A client for tests: sends one message from port 68 of an interface and prints, a JSON line each, the answers that
 * arrive: until a second and a half passed without any, or a moment after the last. `bun ask.ts INTERFACE MAC JSON`, JSON being
 * fields and options of the message.
 */
import { macToBytes, parseMac } from "../../src/platform/mac.ts";
import { decodePacket, encodePacket } from "../../src/protocols/dhcp4/packet.ts";
import { openNicSocket } from "../../src/protocols/dhcp4/udp-nic.server.ts";
import { everyone, formatIpv4, readIpv4, unspecified } from "../../src/protocols/inet/ipv4.ts";
import { openLibc } from "../../src/protocols/inet/libc.server.ts";

const [device = "", mac = "", text = "{}"] = process.argv.slice(2);
const { options, to, port, ...fields } = JSON.parse(text);
const { bytes } = encodePacket(
  {
    op: "request",
    htype: 1,
    hops: 0,
    xid: 0x12345678,
    secs: 0,
    broadcast: true,
    ciaddr: unspecified,
    yiaddr: unspecified,
    siaddr: unspecified,
    giaddr: unspecified,
    chaddr: macToBytes(parseMac(mac)),
    sname: "",
    file: "",
    ...fields,
    options,
  },
  1500,
);
const close = () => void socket.close();
let end: Timer | undefined;
const socket = await openNicSocket(openLibc(), device, 68, {
  datagram(answer, from) {
    clearTimeout(end);
    end = setTimeout(close, 300);
    const decoded = decodePacket(answer);
    if (decoded.kind === "invalid") return;
    const { yiaddr, siaddr, file, options } = decoded.packet;
    console.log(
      JSON.stringify({
        from: `${formatIpv4(from.address)}:${from.port}`,
        type: options.messageType,
        yiaddr: formatIpv4(yiaddr),
        siaddr: formatIpv4(siaddr),
        file: file === "" ? options.bootFileName : file,
        vendorClass: options.vendorClass,
        discoveryControl: options.pxe?.discoveryControl,
        noProxyDhcp: options.ipxe?.noProxyDhcp,
      }),
    );
  },
  error: (error) => console.error(String(error)),
});
socket.send(bytes, readIpv4(to ?? "") ?? everyone, port ?? 67);
end ??= setTimeout(close, 1500);
