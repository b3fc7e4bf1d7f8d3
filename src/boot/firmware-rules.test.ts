import { expect, test } from "bun:test";
import { parseMac } from "../platform/mac.ts";
import type { DhcpOptions } from "../protocols/dhcp4/options.ts";
import { type DhcpPacket, encodePacket } from "../protocols/dhcp4/packet.ts";
import { everyone, unspecified } from "../protocols/inet/ipv4.ts";
import { createBootPrograms } from "./boot-programs.client.ts";
import { classify } from "./classify.ts";
import { decideDestination } from "./delivery.ts";
import { createLeasePool } from "./leases.ts";
import { decideNbp } from "./nbp.ts";
import { bootLeaseTime, type Decision, decideFull } from "./offer.ts";
import { decideBinl, decideProxy } from "./proxy-offer.ts";
import { asked, clients, ip, mac, machineId, request, server, subnet } from "./testdata/dhcp.ts";

/** What firmware, iPXE and their users taught: one test or more for each numbered rule of the field. */
const now = 1_000_000;
const from = { address: ip("10.0.0.100"), port: 68 };

function replyOf(decision: Decision): DhcpPacket {
  if ("reply" in decision) return decision.reply;
  throw new Error(decision.reason);
}
const full = (packet: DhcpPacket, discoveryControl = true) =>
  replyOf(decideFull(asked(packet, 1, discoveryControl), [createLeasePool(subnet(), server)], now));
const proxy = (packet: DhcpPacket, discoveryControl = true) =>
  replyOf(decideProxy(asked(packet, 1, discoveryControl)));

test("rule 1: a proxy offer has yiaddr 0, class PXEClient and 43.6 = 8", () => {
  const offer = proxy(request("DHCPDISCOVER", "uefi"));
  expect(offer).toMatchObject({ yiaddr: 0, file: "ipxe.efi" });
  expect(offer.options).toMatchObject({
    messageType: "DHCPOFFER",
    vendorClass: "PXEClient",
    pxe: { discoveryControl: 8 },
    bootFileName: "ipxe.efi",
  });
  expect(offer.options.leaseTime).toBeUndefined();
});

test("rule 1: a full offer to a PXE client says 43.6 = 8 as well", () => {
  expect(full(request("DHCPDISCOVER", "uefi")).options.pxe).toEqual({ discoveryControl: 8 });
});

test("rule 1: for a machine that is to ask on 4011 option 43 is left out, the class stays", () => {
  for (const offer of [
    full(request("DHCPDISCOVER", "uefi"), false),
    proxy(request("DHCPDISCOVER", "uefi"), false),
  ]) {
    expect(offer.options.pxe).toBeUndefined();
    expect(offer.options.vendorClass).toBe("PXEClient");
  }
});

test("rule 2: on 67 a DISCOVER gets an OFFER, on 4011 a REQUEST gets an ACK, and nothing the other way round", () => {
  const binl = decideBinl(asked(request("DHCPREQUEST", "uefi", {}, { ciaddr: ip("10.0.0.100") })));
  expect(replyOf(binl)).toMatchObject({
    ciaddr: ip("10.0.0.100"),
    yiaddr: 0,
    siaddr: server,
    file: "ipxe.efi",
    options: { messageType: "DHCPACK", serverIdentifier: server, vendorClass: "PXEClient" },
  });
  expect(decideBinl(asked(request("DHCPDISCOVER", "uefi"))).kind).toBe("ignore");
  expect(decideProxy(asked(request("DHCPREQUEST", "uefi"))).kind).toBe("ignore");
});

test("rule 2: the item a menu client asks for on 4011 is the one it gets", () => {
  const item = { type: 0x8000, layer: 0 };
  const binl = decideBinl(
    asked(request("DHCPREQUEST", "bios", { pxe: { bootItem: item } }, { ciaddr: from.address })),
  );
  expect(replyOf(binl).options.pxe).toEqual({ discoveryControl: 8, bootItem: item });
});

test("rule 2: an answer on 4011 goes back to the address and port it was asked from", () => {
  const packet = request("DHCPREQUEST", "uefi", {}, { ciaddr: from.address });
  for (const port of [68, 4011, 1025]) {
    expect(decideDestination(packet, packet, mac(1), 4011, { ...from, port })).toEqual({
      kind: "udp",
      address: from.address,
      port,
    });
  }
});

test("rule 4: siaddr is ours, the file name stands in the header and in 67, the server in 66, nothing is overloaded", () => {
  const offer = full(request("DHCPDISCOVER", "bios"));
  expect(offer).toMatchObject({ siaddr: server, file: "undionly.kpxe", sname: "" });
  expect(offer.options).toMatchObject({ bootFileName: "undionly.kpxe", tftpServerName: "10.0.0.1" });
});

test("rule 4: a name too long for the header field is left to option 67, not cut short", () => {
  const long = `http://10.0.0.1:8080/${"a".repeat(120)}`;
  const question = asked(request("DHCPDISCOVER", "http"));
  const decision = decideProxy({ ...question, boot: { ...question.boot, file: long } });
  expect(replyOf(decision)).toMatchObject({ file: "", options: { bootFileName: long } });
});

test("rule 5: option 97 is echoed exactly as it came, and its absence accepted", () => {
  expect(full(request("DHCPDISCOVER", "uefi")).options.clientMachineId).toEqual(machineId);
  const without = full(request("DHCPDISCOVER", { vendorClass: "PXEClient", clientArch: [7] }));
  expect(without.options.clientMachineId).toBeUndefined();
  expect(without.file).toBe("ipxe.efi");
});

test("rule 5: each client reads the vendor class it expects", () => {
  expect(full(request("DHCPDISCOVER", "uefi")).options.vendorClass).toBe("PXEClient");
  expect(full(request("DHCPDISCOVER", "http")).options.vendorClass).toBe("HTTPClient");
  expect(full(request("DHCPDISCOVER", "plain")).options.vendorClass).toBeUndefined();
});

test("rule 6: the architectures of option 93, and option 94 is not needed", () => {
  const platformOf = (clientArch: number[]) => {
    const { kind, platform } = classify(mac(1), { vendorClass: "PXEClient", clientArch });
    return `${kind} ${platform}`;
  };
  expect(platformOf([0])).toBe("pxe bios");
  expect(platformOf([6])).toBe("pxe uefi-ia32");
  expect(platformOf([7])).toBe("pxe uefi-x64");
  expect(platformOf([9])).toBe("pxe uefi-x64");
  expect(platformOf([11])).toBe("pxe uefi-arm64");
  expect(platformOf([41])).toBe("pxe raspberry-pi");
  const http = (arch: number) => classify(mac(1), { vendorClass: "HTTPClient", clientArch: [arch] });
  expect(http(16)).toMatchObject({ kind: "http", platform: "uefi-x64" });
  expect(http(19)).toMatchObject({ kind: "http", platform: "uefi-arm64" });
});

test("rule 6: option 93 is a list, of which the first known one counts; without it the class tells", () => {
  expect(classify(mac(1), { vendorClass: "PXEClient", clientArch: [30000, 11] }).platform).toBe("uefi-arm64");
  expect(classify(mac(1), { vendorClass: "PXEClient:Arch:00007:UNDI:003016" }).platform).toBe("uefi-x64");
  expect(classify(mac(1), { vendorClass: "PXEClient" }).platform).toBe("bios");
  expect(classify(mac(1), { vendorClass: "PXEClient", clientArch: [30000] }).platform).toBe("unknown");
});

test("rule 6: a Raspberry Pi 5 that says 0 is known by its OUI; it gets its own menu and option 66, and no file", () => {
  const options: DhcpOptions = { vendorClass: "PXEClient:Arch:00000:UNDI:002001", clientArch: [0] };
  expect(classify(parseMac("2c:cf:67:00:00:01"), options).platform).toBe("raspberry-pi");
  const offer = proxy(request("DHCPDISCOVER", { vendorClass: "PXEClient", clientArch: [41] }));
  expect(offer).toMatchObject({ siaddr: server, file: "" });
  expect(offer.options.tftpServerName).toBe("10.0.0.1");
  expect(offer.options.pxe?.bootMenu?.[0]?.description).toBe("Raspberry Pi Boot   ");
});

test("rule 7: iPXE is known by option 77 or by option 175 alone, and is sent the script", () => {
  for (const options of [
    { userClasses: ["iPXE"], clientArch: [7] },
    { ipxe: {}, clientArch: [0] },
    { ...clients.bios, clientArch: [0], userClasses: ["something", "iPXE"] },
  ] satisfies DhcpOptions[]) {
    expect(full(request("DHCPDISCOVER", options)).file).toBe("http://10.0.0.1:8080/boot.ipxe");
  }
});

test("rule 7: an iPXE that lists its features and lacks HTTP gets ours first", () => {
  const without: DhcpOptions = {
    userClasses: ["iPXE"],
    clientArch: [0],
    ipxe: { features: new Map([[21, 1]]) },
  };
  expect(full(request("DHCPDISCOVER", without)).file).toBe("undionly.kpxe");
  const withHttp: DhcpOptions = { ...without, ipxe: { features: new Map([[19, 1]]) } };
  expect(full(request("DHCPDISCOVER", withHttp)).file).toBe("http://10.0.0.1:8080/boot.ipxe");
});

test("rule 8: in full mode iPXE is told that no proxy offer will come (175.176 = 1)", () => {
  const { options } = full(request("DHCPDISCOVER", "ipxe"));
  expect(options.ipxe).toEqual({ noProxyDhcp: true });
  expect(options.pxe).toBeUndefined();
});

test("rule 8: a proxy offer to iPXE has siaddr and file name, or iPXE would turn to 4011", () => {
  expect(proxy(request("DHCPDISCOVER", "ipxe"))).toMatchObject({
    siaddr: server,
    file: "http://10.0.0.1:8080/boot.ipxe",
    options: { vendorClass: "PXEClient" },
  });
});

test("rule 11: behind a relay the answer goes to giaddr on 67, option 82 echoed", () => {
  const relayAgentInfo = { raw: Uint8Array.of(1, 2, 3, 4) };
  const packet = request("DHCPDISCOVER", "uefi", { relayAgentInfo }, { giaddr: ip("10.0.0.200") });
  const offer = full(packet);
  expect(offer).toMatchObject({ giaddr: ip("10.0.0.200"), options: { relayAgentInfo } });
  expect(decideDestination(packet, offer, mac(1), 67, from)).toEqual({
    kind: "udp",
    address: ip("10.0.0.200"),
    port: 67,
  });
});

test("rule 11: a NAK behind a relay asks the relay to broadcast it", () => {
  const packet = request(
    "DHCPREQUEST",
    "plain",
    { requestedAddress: ip("9.9.9.9") },
    { giaddr: ip("10.0.0.200") },
  );
  const nak = full(packet);
  expect(nak).toMatchObject({ broadcast: true, options: { messageType: "DHCPNAK" } });
  expect(decideDestination(packet, nak, mac(1), 67, from)).toMatchObject({ address: ip("10.0.0.200") });
});

test("rule 11: without a relay: to ciaddr, by broadcast where the flag or a missing address wants it, else to the MAC", () => {
  const offer = full(request("DHCPDISCOVER", "uefi"));
  const to = (fields: Partial<DhcpPacket>, reply = offer) =>
    decideDestination(request("DHCPREQUEST", "uefi", {}, fields), reply, mac(1), 67, from);
  expect(to({})).toEqual({ kind: "link", mac: mac(1), address: ip("10.0.0.100"), port: 68 });
  expect(to({ broadcast: true })).toEqual({ kind: "udp", address: everyone, port: 68 });
  expect(to({ ciaddr: ip("10.0.0.9") })).toEqual({ kind: "udp", address: ip("10.0.0.9"), port: 68 });
  expect(to({}, { ...offer, yiaddr: unspecified })).toEqual({ kind: "udp", address: everyone, port: 68 });
  const nak = full(request("DHCPREQUEST", "plain", { requestedAddress: ip("9.9.9.9") }));
  expect(to({ ciaddr: ip("10.0.0.9") }, nak)).toEqual({ kind: "udp", address: everyone, port: 68 });
});

test("rule 12: firmware, iPXE and installer get one address, whatever client identifiers they send", () => {
  const pool = createLeasePool(subnet(), server);
  const addresses = (["uefi", "ipxe", "plain"] as const).map((client, n) => {
    const packet = request("DHCPDISCOVER", client, { clientIdentifier: Uint8Array.of(n, n, n) });
    const decision = decideFull(asked(packet), [pool], now + n);
    if (decision.kind === "offer") pool.put(decision.lease);
    return replyOf(decision).yiaddr;
  });
  expect(new Set(addresses).size).toBe(1);
});

test("rule 12: boot clients lease for ten minutes at most, others for as long as is set", () => {
  expect(full(request("DHCPDISCOVER", "uefi")).options.leaseTime).toBe(bootLeaseTime);
  expect(full(request("DHCPDISCOVER", "ipxe")).options.leaseTime).toBe(bootLeaseTime);
  expect(full(request("DHCPDISCOVER", "plain")).options.leaseTime).toBe(3600);
});

test("rule 13: a client whose first DISCOVERs were lost in spanning tree is answered as any other", () => {
  for (const secs of [4, 12, 28, 60]) {
    expect(full(request("DHCPDISCOVER", "uefi", {}, { secs })).file).toBe("ipxe.efi");
    expect(proxy(request("DHCPDISCOVER", "uefi", {}, { secs })).file).toBe("ipxe.efi");
  }
});

test("rule 14: HTTP Boot gets class HTTPClient and a URL by address, in 67 and in the header, in both modes", () => {
  for (const offer of [full(request("DHCPDISCOVER", "http")), proxy(request("DHCPDISCOVER", "http"))]) {
    const url = "http://10.0.0.1:8080/boot/ipxe.efi";
    expect(offer).toMatchObject({ file: url, options: { vendorClass: "HTTPClient", bootFileName: url } });
    expect(offer.options.pxe).toBeUndefined();
    expect(url.replace("http://", "")).not.toContain("//");
  }
});

test("an answer fits the frame of a client that names no size", () => {
  expect(encodePacket(full(request("DHCPDISCOVER", "uefi"))).omitted).toEqual([]);
});

test("rule 19: where Secure Boot is set, UEFI starts shim, by TFTP or HTTP; BIOS stays with iPXE", () => {
  const settings = { server: "10.0.0.1", httpPort: 8080, program: "grub" } as const;
  const nbp = (client: keyof typeof clients) =>
    decideNbp(asked(request("DHCPDISCOVER", client)).client, settings);
  expect(nbp("uefi")).toBe("shimx64.efi");
  expect(nbp("http")).toBe("http://10.0.0.1:8080/boot/shimx64.efi");
  expect(nbp("bios")).toBe("undionly.kpxe");
  expect(nbp("plain")).toBeUndefined();
});

test("every program a client is sent to is one we have", () => {
  const have = createBootPrograms().names.map(String);
  for (const program of ["ipxe", "snponly", "grub"] as const) {
    for (const client of ["bios", "uefi", "arm64", "http"] as const) {
      const settings = { server: "10.0.0.1", httpPort: 8080, program };
      const name = decideNbp(asked(request("DHCPDISCOVER", client)).client, settings) ?? "";
      expect(have).toContain(name.replace("http://10.0.0.1:8080/boot/", ""));
    }
  }
});

test("a client that boots from nowhere gets an address in full mode and silence in proxy mode", () => {
  expect(full(request("DHCPDISCOVER", "plain"))).toMatchObject({
    yiaddr: ip("10.0.0.100"),
    siaddr: 0,
    file: "",
  });
  expect(decideProxy(asked(request("DHCPDISCOVER", "plain"))).kind).toBe("ignore");
  expect(decideBinl(asked(request("DHCPREQUEST", "plain"))).kind).toBe("ignore");
});

test("a platform we have no program for: an address in full mode, and in proxy mode a reason", () => {
  const ia32 = request("DHCPDISCOVER", { vendorClass: "PXEClient", clientArch: [6] });
  expect(full(ia32)).toMatchObject({ yiaddr: ip("10.0.0.100"), file: "" });
  expect(decideProxy(asked(ia32))).toEqual({
    kind: "ignore",
    reason: "no boot program for uefi-ia32 (arch 6)",
  });
});
