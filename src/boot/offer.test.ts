import { expect, test } from "bun:test";
import type { DhcpOptions } from "../protocols/dhcp4/options.ts";
import { formatIpv4 } from "../protocols/inet/ipv4.ts";
import { createLeasePool, type Lease } from "./leases.ts";
import { type Decision, decideFull, quarantine } from "./offer.ts";
import { asked, ip, mac, request, server, subnet } from "./testdata/dhcp.ts";

const now = 1_000_000;
const bound = (last: number, address: string, expires = now + 60_000): Lease => ({
  address: ip(address),
  mac: mac(last),
  state: "bound",
  expires,
});
const decide = (packet: Parameters<typeof asked>[0], saved: Lease[] = [], last = 1): Decision =>
  decideFull(asked(packet, last), [createLeasePool(subnet(), server, saved)], now);
const ask = (options: DhcpOptions, fields = {}, client: "plain" | "uefi" = "plain") =>
  request("DHCPREQUEST", client, options, fields);

test("DISCOVER: an offer with the network's parameters, held for its client and not yet saved", () => {
  const decision = decide(request("DHCPDISCOVER"));
  if (decision.kind !== "offer") throw new Error(decision.kind);
  expect(decision.lease).toEqual({
    address: ip("10.0.0.100"),
    mac: mac(1),
    state: "offered",
    expires: now + 30_000,
  });
  expect(decision.probe).toBe(true);
  expect(decision.reply).toMatchObject({ yiaddr: ip("10.0.0.100"), xid: 7, siaddr: 0 });
  expect(decision.reply.options).toEqual({
    messageType: "DHCPOFFER",
    serverIdentifier: server,
    leaseTime: 3600,
    renewalTime: 1800,
    rebindingTime: 3150,
    subnetMask: ip("255.255.255.0"),
    broadcastAddress: ip("10.0.0.255"),
    routers: [ip("10.0.0.254")],
    dnsServers: [ip("10.0.0.53")],
    domainName: "lab.example",
  });
});

test("DISCOVER: a client with a lease is offered it again without a probe, and keeps it meanwhile", () => {
  const lease = bound(1, "10.0.0.102");
  expect(decide(request("DHCPDISCOVER"), [lease])).toMatchObject({ kind: "offer", lease, probe: false });
});

test("DISCOVER: a used-up range is said to be", () => {
  const saved = [bound(2, "10.0.0.100"), bound(3, "10.0.0.101"), bound(4, "10.0.0.102")];
  expect(decide(request("DHCPDISCOVER"), saved)).toEqual({
    kind: "ignore",
    reason: "no free address",
    exhausted: true,
  });
});

test("REQUEST, selecting us: bound for the lease time, with the client's name if it is one", () => {
  const options = { serverIdentifier: server, requestedAddress: ip("10.0.0.101") };
  expect(decide(ask({ ...options, hostname: "node-1" }))).toMatchObject({
    kind: "ack",
    lease: { address: ip("10.0.0.101"), state: "bound", expires: now + 3_600_000, hostname: "node-1" },
    reply: { yiaddr: ip("10.0.0.101"), options: { messageType: "DHCPACK", leaseTime: 3600 } },
  });
  const odd = decide(ask({ ...options, hostname: "$(reboot)" }));
  expect(odd.kind === "ack" && odd.lease.hostname).toBeUndefined();
});

test("REQUEST, selecting another server: silence", () => {
  const decision = decide(ask({ serverIdentifier: ip("10.0.0.2"), requestedAddress: ip("10.0.0.101") }));
  expect(decision).toEqual({ kind: "ignore", reason: "took the offer of 10.0.0.2" });
});

test("REQUEST for an address another client holds: NAK", () => {
  const options = { serverIdentifier: server, requestedAddress: ip("10.0.0.101") };
  expect(decide(ask(options), [bound(2, "10.0.0.101")])).toMatchObject({
    kind: "nak",
    reply: { yiaddr: 0, options: { messageType: "DHCPNAK", serverIdentifier: server } },
  });
});

test("INIT-REBOOT on the wrong network: NAK", () => {
  expect(decide(ask({ requestedAddress: ip("192.168.1.5") }))).toMatchObject({
    kind: "nak",
    reason: "192.168.1.5 is not on this network",
  });
});

test("INIT-REBOOT: ACK for what is known, NAK for another address than its own, silence where nothing is known", () => {
  const wants = ask({ requestedAddress: ip("10.0.0.101") });
  expect(decide(wants, [bound(1, "10.0.0.101")]).kind).toBe("ack");
  expect(decide(wants, [bound(1, "10.0.0.102")]).kind).toBe("nak");
  expect(decide(wants)).toEqual({ kind: "ignore", reason: "no lease is known for it" });
});

test("an address outside our range may be another server's of this network: silence, no NAK", () => {
  expect(decide(ask({ requestedAddress: ip("10.0.0.30") }))).toEqual({
    kind: "ignore",
    reason: "10.0.0.30 is not ours to give",
  });
});

test("RENEWING: extended, answered to ciaddr; also when our record of it is lost and the address is free", () => {
  const renew = ask({}, { ciaddr: ip("10.0.0.101") });
  for (const saved of [[bound(1, "10.0.0.101")], []]) {
    expect(decide(renew, saved)).toMatchObject({
      kind: "ack",
      lease: { expires: now + 3_600_000 },
      reply: { ciaddr: ip("10.0.0.101"), yiaddr: ip("10.0.0.101") },
    });
  }
  expect(decide(renew, [bound(2, "10.0.0.101")]).kind).toBe("nak");
});

test("RELEASE ends the lease of its holder, and of nobody else", () => {
  const release = request("DHCPRELEASE", "plain", { serverIdentifier: server }, { ciaddr: ip("10.0.0.101") });
  expect(decide(release, [bound(1, "10.0.0.101")])).toMatchObject({
    kind: "record",
    lease: { state: "released", expires: now },
  });
  expect(decide(release, [bound(2, "10.0.0.101")]).kind).toBe("ignore");
});

test("DECLINE puts the address in quarantine, on its holder's word alone", () => {
  const decline = request("DHCPDECLINE", "plain", { requestedAddress: ip("10.0.0.101") });
  expect(decide(decline, [bound(1, "10.0.0.101")])).toMatchObject({
    kind: "record",
    lease: { address: ip("10.0.0.101"), state: "declined", expires: now + quarantine },
  });
  expect(decide(decline, [bound(2, "10.0.0.101")]).kind).toBe("ignore");
});

test("INFORM: parameters without an address or its times", () => {
  const decision = decide(request("DHCPINFORM", "plain", {}, { ciaddr: ip("10.0.0.9") }));
  if (decision.kind !== "inform") throw new Error(decision.kind);
  expect(decision.reply).toMatchObject({ ciaddr: ip("10.0.0.9"), yiaddr: 0 });
  expect(decision.reply.options.leaseTime).toBeUndefined();
  expect(decision.reply.options.routers).toEqual([ip("10.0.0.254")]);
});

test("the client identifier is echoed (RFC 6842)", () => {
  const clientIdentifier = Uint8Array.of(1, 2, 3);
  const decision = decide(request("DHCPDISCOVER", "plain", { clientIdentifier }));
  expect(decision.kind === "offer" && decision.reply.options.clientIdentifier).toEqual(clientIdentifier);
});

test("a reservation carries its host name, and says why it cannot be had", () => {
  const reservations = new Map([[mac(1), { address: ip("10.0.0.9"), hostname: "node-1" }]]);
  const pool = createLeasePool(subnet({ reservations }), server);
  const offer = decideFull(asked(request("DHCPDISCOVER")), [pool], now);
  if (offer.kind !== "offer") throw new Error(offer.kind);
  expect(formatIpv4(offer.reply.yiaddr)).toBe("10.0.0.9");
  expect(offer.reply.options.hostname).toBe("node-1");
  pool.put(bound(2, "10.0.0.9"));
  expect(decideFull(asked(request("DHCPDISCOVER")), [pool], now)).toMatchObject({
    kind: "ignore",
    reason: "its reserved address 10.0.0.9 is still leased to 52:54:00:00:00:02",
  });
});

/** A network behind a relay. */
const behind = {
  network: ip("10.1.0.0"),
  first: ip("10.1.0.50"),
  last: ip("10.1.0.60"),
  gateway: ip("10.1.0.1"),
};

test("a relay's subnet is chosen by giaddr, or by its link selection (RFC 3527)", () => {
  const pools = [createLeasePool(subnet(), server), createLeasePool(subnet(behind), server)];
  const relayed = (giaddr: string, linkSelection?: string) =>
    decideFull(
      asked(
        request(
          "DHCPDISCOVER",
          "plain",
          linkSelection === undefined
            ? {}
            : { relayAgentInfo: { raw: Uint8Array.of(5), linkSelection: ip(linkSelection) } },
          { giaddr: ip(giaddr) },
        ),
      ),
      pools,
      now,
    );
  expect(relayed("10.1.0.1")).toMatchObject({ kind: "offer", reply: { yiaddr: ip("10.1.0.50") } });
  expect(relayed("172.16.0.1", "10.1.0.0")).toMatchObject({
    kind: "offer",
    reply: { yiaddr: ip("10.1.0.51") },
  });
  expect(relayed("10.2.0.1")).toEqual({ kind: "ignore", reason: "no range for the relay 10.2.0.1" });
});

test("a client behind a relay renews, informs itself and releases without the relay: by the address it has", () => {
  const saved = [bound(1, "10.1.0.50")];
  const pools = [createLeasePool(subnet(), server, saved), createLeasePool(subnet(behind), server, saved)];
  const from = (type: "DHCPREQUEST" | "DHCPINFORM" | "DHCPRELEASE", ciaddr: string) =>
    decideFull(asked(request(type, "plain", {}, { ciaddr: ip(ciaddr) })), pools, now);
  const options = { routers: [ip("10.1.0.1")] };
  expect(from("DHCPREQUEST", "10.1.0.50")).toMatchObject({
    kind: "ack",
    lease: { address: ip("10.1.0.50"), expires: now + 3_600_000 },
    reply: { ciaddr: ip("10.1.0.50"), options },
  });
  expect(from("DHCPINFORM", "10.1.0.50")).toMatchObject({ kind: "inform", reply: { options } });
  expect(from("DHCPRELEASE", "10.1.0.50")).toMatchObject({ kind: "record", lease: { state: "released" } });
  expect(from("DHCPREQUEST", "10.2.0.50")).toMatchObject({ kind: "nak" });
});
