import { expect, test } from "bun:test";
import fc from "fast-check";
import { macToBytes, parseMac } from "../../platform/mac.ts";
import { formatIpv4, readIpv4, toIpv4 } from "../inet/ipv4.ts";
import { decodeArp, encodeArpProbe } from "./arp.ts";
import { decodeUdpPacket, encodeUdpPacket } from "./frame.ts";

/** The one's complement sum of sound data with its checksum in place is all ones. */
function sum(bytes: Uint8Array, initial = 0): number {
  let total = initial;
  for (let at = 0; at < bytes.length; at += 2) total += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

test("a datagram survives the frame, with both checksums right", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), fc.nat(0xffffffff), (payload, address) => {
      const datagram = {
        source: toIpv4(0x0a000001),
        sourcePort: 67,
        destination: toIpv4(address),
        destinationPort: 68,
        payload,
      };
      const packet = encodeUdpPacket(datagram);
      expect(decodeUdpPacket(packet)).toEqual(datagram);
      expect(sum(packet.subarray(0, 20))).toBe(0xffff);
      expect(sum(packet.subarray(12), 17 + 8 + payload.length)).toBe(0xffff);
    }),
  );
});

test("property: any packet decodes to a datagram or to nothing", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      decodeUdpPacket(bytes);
      decodeArp(bytes);
    }),
  );
});

test("a fragment, another protocol and a length past the end are nothing", () => {
  const good = encodeUdpPacket({
    source: toIpv4(1),
    sourcePort: 67,
    destination: toIpv4(2),
    destinationPort: 68,
    payload: new Uint8Array(10),
  });
  const changed = (at: number, byte: number) => Object.assign(good.slice(), { [at]: byte });
  expect(decodeUdpPacket(good)).toBeDefined();
  for (const bad of [changed(6, 0x20), changed(9, 6), changed(25, 200), changed(0, 0x65)]) {
    expect(decodeUdpPacket(bad)).toBeUndefined();
  }
});

test("an ARP probe claims no address for its sender (RFC 5227)", () => {
  const probe = encodeArpProbe(parseMac("52:54:00:00:00:01"), toIpv4(0x0a000005));
  expect(decodeArp(probe)).toBeUndefined();
  const reply = probe.slice();
  reply[7] = 2;
  reply.set(macToBytes(parseMac("52:54:00:00:00:09")), 8);
  reply.set([10, 0, 0, 5], 14);
  const said = decodeArp(reply);
  expect(said && { mac: String(said.mac), address: formatIpv4(said.address) }).toEqual({
    mac: "52:54:00:00:00:09",
    address: "10.0.0.5",
  });
});

test("addresses are read and written dotted; anything else is refused", () => {
  for (const text of ["0.0.0.0", "10.77.0.1", "255.255.255.255"]) {
    const address = readIpv4(text);
    expect(address !== undefined && formatIpv4(address)).toBe(text);
  }
  for (const text of ["1.2.3", "1.2.3.256", "01.2.3.4", "a.b.c.d", " 1.2.3.4", "1.2.3.4.5", ""]) {
    expect(readIpv4(text)).toBeUndefined();
  }
});
