import { expect, test } from "bun:test";
import type { DhcpOptions } from "../protocols/dhcp4/options.ts";
import type { DhcpPacket } from "../protocols/dhcp4/packet.ts";
import { classify } from "./classify.ts";
import { createDhcpDiagnosis } from "./dhcp-diagnosis.ts";
import type { DhcpExchange, DhcpOverheard } from "./dhcp-events.ts";
import { ip, mac, request } from "./testdata/dhcp.ts";

function exchange(at: number, packet: DhcpPacket, port: 67 | 4011 = 67, last = 1): DhcpExchange {
  return {
    kind: "exchange",
    at,
    interface: "eth1",
    port,
    mac: mac(last),
    xid: packet.xid,
    client: classify(mac(last), packet.options),
    request: packet,
    outcome: { kind: "answered", reply: packet, took: 1 },
  };
}
const heard = (options: DhcpOptions, fields: Partial<DhcpPacket> = {}): DhcpOverheard => ({
  kind: "overheard",
  at: 0,
  interface: "eth1",
  mac: mac(1),
  reply: request(
    "DHCPOFFER",
    { serverIdentifier: ip("10.0.0.7"), ...options },
    {},
    { op: "reply", ...fields },
  ),
});
const given = { yiaddr: ip("10.0.0.50") };

test("rule 3: another server's PXEClient without option 43 is named, with what it does and what to do", () => {
  const diagnosis = createDhcpDiagnosis();
  const [trouble, ...more] = diagnosis.overheard(heard({ vendorClass: "PXEClient" }, given), "proxy");
  expect(trouble?.trouble).toBe("option-60-without-43");
  expect(trouble?.message).toMatch(/10\.0\.0\.7 sends option 60 .* PXE-E55.* Take option 60 out/);
  expect(more).toEqual([]);
});

test("rule 3: with option 43, or without 60, nothing is wrong", () => {
  const diagnosis = createDhcpDiagnosis();
  const sound = heard({ vendorClass: "PXEClient", pxe: { discoveryControl: 8 } }, given);
  expect(diagnosis.overheard(sound, "proxy")).toEqual([]);
  expect(diagnosis.overheard(heard({}, given), "proxy")).toEqual([]);
});

test("rule 3: a client that asks three times on 4011 although answered does not get the answers", () => {
  const diagnosis = createDhcpDiagnosis();
  const ask = request("DHCPREQUEST", "uefi", {}, { ciaddr: ip("10.0.0.50") });
  const told = [0, 1000, 3000, 7000].flatMap((at) => diagnosis.exchange(exchange(at, ask, 4011), "proxy"));
  expect(told.map(({ trouble }) => trouble)).toEqual(["binl-unanswered"]);
  expect(told[0]?.message).toContain("PXE-E55");
});

test("rule 9: a second proxyDHCP server is named, once in ten minutes", () => {
  const diagnosis = createDhcpDiagnosis();
  const offer = heard({ vendorClass: "PXEClient" });
  expect(diagnosis.overheard(offer, "proxy").map(({ trouble }) => trouble)).toEqual(["second-proxy"]);
  expect(diagnosis.overheard({ ...offer, at: 599_000 }, "proxy")).toEqual([]);
  expect(diagnosis.overheard({ ...offer, at: 600_000 }, "proxy")).toHaveLength(1);
});

test("rule 10: DISCOVER at 0, 4, 12, 28 s and no REQUEST: only full DHCP helps, and that is said", () => {
  const diagnosis = createDhcpDiagnosis();
  const discover = request("DHCPDISCOVER", "uefi");
  const told = [0, 4000, 12_000, 28_000].map((at) => diagnosis.exchange(exchange(at, discover), "proxy"));
  expect(told.map((each) => each.map(({ trouble }) => trouble))).toEqual([[], [], [], ["offers-not-merged"]]);
  expect(told[3]?.[0]?.message).toMatch(
    /offered a boot file 4 times in 28 s and requested none\. .*dhcp: full/,
  );
});

test("rule 10: a REQUEST on 67 or on 4011 ends the count, and so does a new power-on", () => {
  const discover = request("DHCPDISCOVER", "uefi");
  for (const port of [67, 4011] as const) {
    const diagnosis = createDhcpDiagnosis();
    for (const at of [0, 4000, 12_000]) diagnosis.exchange(exchange(at, discover), "proxy");
    diagnosis.exchange(exchange(13_000, request("DHCPREQUEST", "uefi"), port), "proxy");
    expect(diagnosis.exchange(exchange(28_000, discover), "proxy")).toEqual([]);
  }
  const diagnosis = createDhcpDiagnosis();
  for (const at of [0, 4000, 12_000]) diagnosis.exchange(exchange(at, discover), "proxy");
  expect(diagnosis.exchange(exchange(120_000, discover), "proxy")).toEqual([]);
});

test("rule 10: iPXE that asks at 0, 1, 3, 7 s while the other server is slow is not accused", () => {
  const diagnosis = createDhcpDiagnosis();
  const discover = request("DHCPDISCOVER", "ipxe");
  expect([0, 1000, 3000, 7000].flatMap((at) => diagnosis.exchange(exchange(at, discover), "proxy"))).toEqual(
    [],
  );
});

test("rule 13: DISCOVERs that got no answer from us are no sign of anything", () => {
  const diagnosis = createDhcpDiagnosis();
  const unanswered = { kind: "ignored", reason: "x" } as const;
  for (const at of [0, 4000, 12_000, 28_000, 60_000]) {
    const event = { ...exchange(at, request("DHCPDISCOVER", "uefi")), outcome: unanswered };
    expect(diagnosis.exchange(event, "proxy")).toEqual([]);
  }
});

test("a second server that hands out addresses is a trouble in full mode only", () => {
  const troubles = (mode: "full" | "proxy") =>
    createDhcpDiagnosis()
      .overheard(heard({}, given), mode)
      .map(({ trouble }) => trouble);
  expect(troubles("full")).toEqual(["second-dhcp-server"]);
  expect(troubles("proxy")).toEqual([]);
});

test("what is remembered is bounded: strangers push out the longest silent", () => {
  const discover = request("DHCPDISCOVER", "uefi");
  const after = (strangers: number[]) => {
    const diagnosis = createDhcpDiagnosis(2);
    for (const at of [0, 4000, 12_000]) diagnosis.exchange(exchange(at, discover), "proxy");
    for (const last of strangers) diagnosis.exchange(exchange(13_000, discover, 67, last), "proxy");
    return diagnosis.exchange(exchange(28_000, discover), "proxy");
  };
  expect(after([2])).toHaveLength(1);
  expect(after([2, 3])).toEqual([]);
});
