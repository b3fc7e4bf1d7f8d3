import { expect, test } from "bun:test";
import { parseMac } from "../platform/mac.ts";
import type { DhcpOptions } from "../protocols/dhcp4/options.ts";
import type { DhcpPacket } from "../protocols/dhcp4/packet.ts";
import { type Ipv4, readIpv4, unspecified } from "../protocols/inet/ipv4.ts";
import { beginDhcp, type DhcpState, decideDhcp, type Sending } from "./dhcp-client.ts";
import { type FirmwareName, firmwareProfile } from "./profile.ts";

const ip = (text: string) => readIpv4(text) ?? unspecified;
const [dhcpServer, proxy, leased] = [ip("10.0.0.254"), ip("10.0.0.1"), ip("10.0.0.100")];

interface Server {
  at: Ipv4;
  /** What it answers, by the port it is asked on. */
  answer(asked: DhcpPacket, port: number): (Partial<DhcpPacket> & { options: DhcpOptions }) | undefined;
}

/** Plays a client against servers that answer at once; time jumps to whatever is due. */
function play(firmware: FirmwareName, ...servers: Server[]) {
  const plan = { profile: firmwareProfile(firmware), mac: parseMac("02:6c:61:62:00:01"), xid: 7 };
  const sent: { at: number; type: string | undefined; to: string; port: number }[] = [];
  let now = 0;
  const hand = ({ packet, to, port }: Sending, state: DhcpState): DhcpState => {
    sent.push({ at: now, type: packet.options.messageType, to: String(to), port });
    let next = state;
    for (const { at, answer } of servers) {
      const fields = port === 67 || to === at ? answer(packet, port) : undefined;
      if (fields === undefined) continue;
      const reply: DhcpPacket = {
        ...packet,
        ...{ op: "reply", ciaddr: unspecified, siaddr: at, ...fields },
        options: { serverIdentifier: at, ...fields.options },
      };
      const step = decideDhcp(plan, next, { kind: "reply", packet: reply, from: at, at: now });
      next = step.send ? hand(step.send, step.state) : step.state;
    }
    return next;
  };
  const first = beginDhcp(plan, now);
  let state = first.send ? hand(first.send, first.state) : first.state;
  while (state.phase !== "bound" && state.phase !== "stopped") {
    now = state.dueAt;
    const step = decideDhcp(plan, state, { kind: "timeout", at: now });
    state = step.send ? hand(step.send, step.state) : step.state;
  }
  return { state, sent, now };
}

const typeFor = (asked: DhcpPacket) =>
  asked.options.messageType === "DHCPDISCOVER" ? ("DHCPOFFER" as const) : ("DHCPACK" as const);
/** Hands out addresses and, where told, a boot file. */
const addresses = (options: DhcpOptions = {}): Server => ({
  at: dhcpServer,
  answer: (asked, port) =>
    port === 67 ? { yiaddr: leased, options: { messageType: typeFor(asked), ...options } } : undefined,
});
/** Says what to boot beside another server. */
const bootServer = (offer: DhcpOptions, on4011?: DhcpOptions): Server => ({
  at: proxy,
  answer(asked, port) {
    if (port === 4011) return on4011 && { options: { messageType: "DHCPACK", ...on4011 } };
    return asked.options.messageType === "DHCPDISCOVER"
      ? { options: { messageType: "DHCPOFFER", vendorClass: "PXEClient", ...offer } }
      : undefined;
  },
});
const stopOf = (state: DhcpState) => (state.phase === "stopped" ? state.stop.reason : state.phase);
const fileOf = (state: DhcpState) => (state.phase === "bound" ? state.bound.bootFile : stopOf(state));

test("rule 13: EDK2 asks at 0, 4, 12 and 28 seconds and gives up after 60", () => {
  const { state, sent, now } = play("uefi");
  expect(sent.map(({ at }) => at)).toEqual([0, 4000, 12_000, 28_000]);
  expect({ now, why: stopOf(state) }).toEqual({ now: 60_000, why: "no-offer" });
});

test("EDK2 gathers offers for its whole first wait; iPXE takes one at once that needs no proxy", () => {
  expect(play("uefi", addresses({ bootFileName: "ipxe.efi" })).now).toBe(4000);
  const alone = addresses({ bootFileName: "boot.ipxe", ipxe: { noProxyDhcp: true } });
  expect(play("ipxe", alone).now).toBe(0);
  expect(play("ipxe", addresses({ bootFileName: "boot.ipxe" })).now).toBeGreaterThanOrEqual(1000);
});

test("an address without anything to boot, and something to boot without an address, are told apart", () => {
  expect(stopOf(play("uefi", addresses()).state)).toBe("no-boot-file");
  expect(stopOf(play("uefi", bootServer({ bootFileName: "ipxe.efi" })).state)).toBe("no-address");
});

test("rule 14: HTTP Boot takes a URL with class HTTPClient and nothing else", () => {
  const url = "http://10.0.0.1/ipxe.efi";
  expect(stopOf(play("uefi-http", addresses({ bootFileName: "ipxe.efi" })).state)).toBe("no-url");
  expect(stopOf(play("uefi-http", addresses({ bootFileName: url })).state)).toBe("no-url");
  expect(fileOf(play("uefi-http", addresses({ bootFileName: url, vendorClass: "HTTPClient" })).state)).toBe(
    url,
  );
});

test("rule 1: EDK2 takes the file of a proxy offer with 43.6 = 8, and asks 4011 without", () => {
  const offer = { bootFileName: "first.efi" };
  const direct = play("uefi", bootServer({ ...offer, pxe: { discoveryControl: 8 } }), addresses());
  expect(fileOf(direct.state)).toBe("first.efi");
  const asked = play("uefi", bootServer(offer, { bootFileName: "second.efi" }), addresses());
  expect(fileOf(asked.state)).toBe("second.efi");
  expect(asked.sent.at(-1)).toMatchObject({ type: "DHCPREQUEST", port: 4011, to: String(proxy) });
  expect(stopOf(play("uefi", bootServer(offer), addresses()).state)).toBe("boot-server-silent");
});

test("rule 3: option 60 of a main server without 43 breaks EDK2, and BIOS boots all the same", () => {
  const server = addresses({ bootFileName: "loader", vendorClass: "PXEClient" });
  expect(stopOf(play("uefi", server).state)).toBe("boot-server-silent");
  expect(fileOf(play("bios", server).state)).toBe("loader");
});

test("boot server discovery: the first entry of the menu is asked for at the server it names", () => {
  const elsewhere = ip("10.0.0.9");
  const menu = {
    discoveryControl: 3,
    bootServers: [{ type: 0x8003, addresses: [elsewhere] }],
    bootMenu: [{ type: 0x8003, description: "BIOS loader" }],
  };
  const asked: DhcpOptions[] = [];
  const there: Server = {
    at: elsewhere,
    answer(packet, port) {
      if (port !== 4011) return undefined;
      asked.push(packet.options);
      return { options: { messageType: "DHCPACK", bootFileName: "undionly.kpxe" } };
    },
  };
  const { state } = play("bios", bootServer({ pxe: menu }), addresses(), there);
  expect(fileOf(state)).toBe("undionly.kpxe");
  expect(asked[0]?.pxe?.bootItem).toEqual({ type: 0x8003, layer: 0 });
});

test("a server that offers and never acknowledges, or takes its offer back, is named", () => {
  const offers = (then?: DhcpOptions["messageType"]): Server => ({
    at: dhcpServer,
    answer(asked) {
      const messageType = asked.options.messageType === "DHCPDISCOVER" ? "DHCPOFFER" : then;
      return messageType && { yiaddr: leased, options: { messageType, bootFileName: "x" } };
    },
  });
  expect(stopOf(play("uefi", offers()).state)).toBe("no-ack");
  expect(stopOf(play("uefi", offers("DHCPNAK")).state)).toBe("nak");
});
