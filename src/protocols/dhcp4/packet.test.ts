import { expect, test } from "bun:test";
import fc from "fast-check";
import { everyone, toIpv4, unspecified } from "../inet/ipv4.ts";
import type { DhcpOptions } from "./options.ts";
import { type DhcpPacket, decodePacket, encodePacket } from "./packet.ts";
import { summary } from "./summary.ts";

const packet = (options: DhcpOptions, fields: Partial<DhcpPacket> = {}): DhcpPacket => ({
  op: "reply",
  htype: 1,
  hops: 0,
  xid: 0xdeadbeef,
  secs: 3,
  broadcast: true,
  ciaddr: unspecified,
  yiaddr: toIpv4(0x0a00000a),
  siaddr: toIpv4(0x0a000001),
  giaddr: unspecified,
  chaddr: Uint8Array.of(0x52, 0x54, 0, 1, 2, 3),
  sname: "",
  file: "ipxe.efi",
  options,
  ...fields,
});

/** A request whose option area, and `file` and `sname`, hold these bytes. */
function raw(options: number[], file: number[] = [], sname: number[] = []): Uint8Array {
  const bytes = new Uint8Array(240 + options.length);
  bytes.set([1, 1, 6, 0]);
  bytes.set(sname, 44);
  bytes.set(file, 108);
  bytes.set([0x63, 0x82, 0x53, 0x63, ...options], 236);
  return bytes;
}

function decoded(bytes: Uint8Array) {
  const result = decodePacket(bytes);
  if (result.kind === "invalid") throw new Error(result.reason);
  return result;
}

/** The option codes of an encoded message, in order. */
function codes(bytes: Uint8Array): number[] {
  const found: number[] = [];
  for (let at = 240; at < bytes.length && bytes[at] !== 255; at += 2 + (bytes[at + 1] ?? 0))
    found.push(bytes[at] ?? 0);
  return found;
}

test("a message is 300 bytes at least (RFC 951 §3)", () => {
  expect(encodePacket(packet({ messageType: "DHCPACK" })).bytes.length).toBe(300);
});

test("every typed option comes back as it went", () => {
  const options: DhcpOptions = {
    messageType: "DHCPOFFER",
    requestedAddress: toIpv4(0x0a000064),
    serverIdentifier: toIpv4(0x0a000001),
    leaseTime: 0xffffffff,
    subnetMask: toIpv4(0xffffff00),
    routers: [toIpv4(1), toIpv4(2)],
    dnsServers: [toIpv4(0x08080808)],
    hostname: "n1",
    domainName: "lab.example",
    broadcastAddress: everyone,
    pxe: {
      discoveryControl: 8,
      bootServers: [{ type: 0x8000, addresses: [toIpv4(0x0a000001)] }],
      bootMenu: [{ type: 0, description: "Raspberry Pi Boot   " }],
      menuPrompt: { timeout: 5, prompt: "PXE" },
      bootItem: { type: 0x8000, layer: 1 },
    },
    parameterRequestList: [1, 3, 6],
    message: "no",
    maxMessageSize: 1472,
    renewalTime: 300,
    rebindingTime: 525,
    vendorClass: "PXEClient",
    clientIdentifier: Uint8Array.of(1, 2, 3),
    tftpServerName: "10.0.0.1",
    bootFileName: "ipxe.efi",
    userClasses: ["iPXE", "lab"],
    relayAgentInfo: { raw: Uint8Array.of(1, 2, 65, 66), circuitId: Uint8Array.of(65, 66) },
    clientArch: [7, 9],
    clientInterface: { type: 1, major: 3, minor: 10 },
    clientMachineId: Uint8Array.from({ length: 17 }, (_, n) => n),
    ipxe: {
      noProxyDhcp: true,
      features: new Map([[19, 1]]),
      other: new Map([[235, Uint8Array.of(1, 0, 0)]]),
    },
    other: new Map([[224, Uint8Array.of(9)]]),
  };
  const whole = packet(options);
  const { bytes, omitted } = encodePacket(whole, 1500);
  expect(omitted).toEqual([]);
  expect(decodePacket(bytes)).toEqual({ kind: "packet", packet: whole, faults: [] });
});

test("rule 11: option 82 comes last (RFC 3046 §2.1)", () => {
  const options: DhcpOptions = {
    relayAgentInfo: { raw: Uint8Array.of(1, 1, 7) },
    messageType: "DHCPACK",
    other: new Map([[250, Uint8Array.of(1)]]),
    ipxe: { noProxyDhcp: true },
  };
  expect(codes(encodePacket(packet(options)).bytes).at(-1)).toBe(82);
});

test("option 57 is honoured within 576 and 1500, and what has no room is named", () => {
  const options: DhcpOptions = {
    messageType: "DHCPACK",
    bootFileName: "x".repeat(240),
    domainName: "d".repeat(200),
    relayAgentInfo: { raw: Uint8Array.of(1, 1, 7) },
  };
  const small = encodePacket(packet(options), 0);
  expect(small.bytes.length).toBeLessThanOrEqual(576 - 28);
  expect(small.omitted).toEqual([15]);
  expect(codes(small.bytes)).toEqual([53, 67, 82]);
  expect(encodePacket(packet(options), 1000).omitted).toEqual([]);
  expect(encodePacket(packet({ ...options, message: "m".repeat(4000) }), 65280).bytes.length).toBeLessThan(
    1473,
  );
});

test("an option longer than 255 bytes is split and joined again (RFC 3396)", () => {
  const bootFileName = `http://10.0.0.1/${"a".repeat(400)}`;
  const { bytes } = encodePacket(packet({ messageType: "DHCPACK", bootFileName }), 1500);
  expect(codes(bytes)).toEqual([53, 67, 67]);
  expect(decoded(bytes).packet.options.bootFileName).toBe(bootFileName);
});

test("rule 4: overloaded file and sname (option 52) are read, and never written", () => {
  const hostname = [12, 2, 110, 49, 255];
  const domain = [15, 3, 108, 97, 98, 255];
  const { packet: read } = decoded(raw([52, 1, 3, 255], hostname, domain));
  expect(read.options).toMatchObject({ hostname: "n1", domainName: "lab" });
  expect({ file: read.file, sname: read.sname }).toEqual({ file: "", sname: "" });
  expect(codes(encodePacket(read).bytes)).not.toContain(52);
});

test("rule 7: option 77 is read with RFC 3004's lengths and without", () => {
  const iPXE = [0x69, 0x50, 0x58, 0x45];
  expect(decoded(raw([77, 4, ...iPXE, 255])).packet.options.userClasses).toEqual(["iPXE"]);
  expect(decoded(raw([77, 5, 4, ...iPXE, 255])).packet.options.userClasses).toEqual(["iPXE"]);
  expect(decoded(raw([77, 8, 2, 65, 66, 4, ...iPXE, 255])).packet.options.userClasses).toEqual([
    "AB",
    "iPXE",
  ]);
});

test("option 43 of another vendor stays opaque, and a truncated PXE one too", () => {
  expect(decoded(raw([43, 3, 1, 1, 5, 255])).packet.options).toEqual({
    vendorSpecific: Uint8Array.of(1, 1, 5),
  });
  expect(decoded(raw([43, 3, 6, 9, 8, 255])).packet.options).toEqual({
    vendorSpecific: Uint8Array.of(6, 9, 8),
  });
});

test("an option that is not what its code says is left out and named; the rest stands", () => {
  const { packet: read, faults } = decoded(raw([53, 2, 1, 1, 50, 3, 1, 2, 3, 12, 1, 97, 51, 9, 0]));
  expect(read.options).toEqual({ hostname: "a" });
  expect(faults).toEqual(["option 51 runs past the end", "option 53: 2 bytes", "option 50: 3 bytes"]);
});

test("what is no DHCP message says why", () => {
  expect(decodePacket(new Uint8Array(100))).toEqual({ kind: "invalid", reason: "too short: 100 bytes" });
  expect(decodePacket(new Uint8Array(240))).toEqual({ kind: "invalid", reason: "op is 0" });
  const bootp = raw([255]);
  bootp[236] = 0;
  expect(decodePacket(bootp)).toMatchObject({ kind: "invalid", reason: "no DHCP cookie (plain BOOTP)" });
  const long = raw([255]);
  long[2] = 17;
  expect(decodePacket(long)).toMatchObject({ kind: "invalid" });
});

test("text of strangers reaches a terminal escaped", () => {
  const line = summary(decoded(raw([12, 4, 27, 91, 50, 74, 255])).packet);
  expect(line).toContain('host "\\x1b[2J"');
});

test("property: any bytes decode to a value, and what decodes encodes, truncated or not", () => {
  const valid = encodePacket(
    packet({ messageType: "DHCPDISCOVER", clientArch: [7], userClasses: ["iPXE"] }),
  ).bytes;
  const arbitrary = fc.oneof(
    fc.uint8Array({ maxLength: 700 }),
    // Options at random behind a good header get deeper than bytes at random.
    fc.uint8Array({ maxLength: 400 }).map((options) => raw([...options])),
    fc.nat(valid.length).map((length) => valid.slice(0, length)),
    fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 20 }).map((changes) => {
      const bytes = valid.slice();
      for (const [at, byte] of changes) bytes[at] = byte;
      return bytes;
    }),
  );
  fc.assert(
    fc.property(arbitrary, fc.nat(70_000), (bytes, size) => {
      const result = decodePacket(bytes);
      if (result.kind === "invalid") return;
      expect(typeof summary(result.packet)).toBe("string");
      expect(encodePacket(result.packet, size).bytes.length).toBeLessThanOrEqual(1472);
    }),
    { numRuns: 3000 },
  );
});

test("property: a packet with room for its options survives the wire", () => {
  const text = fc.string({ unit: fc.constantFrom(..."abcXYZ019-./:"), minLength: 1, maxLength: 40 });
  const address = fc.nat(0xffffffff).map(toIpv4);
  const options = fc.record<DhcpOptions>(
    {
      messageType: fc.constantFrom("DHCPDISCOVER", "DHCPREQUEST", "DHCPACK"),
      routers: fc.array(address, { minLength: 1, maxLength: 8 }),
      hostname: text,
      bootFileName: text,
      leaseTime: fc.nat(0xffffffff),
      clientArch: fc.array(fc.nat(0xffff), { minLength: 1, maxLength: 4 }),
      userClasses: fc.array(text, { minLength: 1, maxLength: 3 }),
      clientMachineId: fc.uint8Array({ minLength: 1, maxLength: 17 }),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(options, address, fc.nat(0xffffffff), (some, yiaddr, xid) => {
      const whole = packet(some, { yiaddr, xid });
      expect(decoded(encodePacket(whole, 1500).bytes).packet).toEqual(whole);
    }),
    { numRuns: 500 },
  );
});
