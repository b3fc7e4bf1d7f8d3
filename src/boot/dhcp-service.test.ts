import { expect, test } from "bun:test";
import fc from "fast-check";
import { createManualClock } from "../platform/clock.ts";
import { silentLogger } from "../platform/logger.ts";
import type { Mac } from "../platform/mac.ts";
import { decodeUdpPacket, encodeUdpPacket } from "../protocols/dhcp4/frame.ts";
import type { DhcpOptions } from "../protocols/dhcp4/options.ts";
import { type DhcpPacket, decodePacket, encodePacket } from "../protocols/dhcp4/packet.ts";
import { type Ipv4, unspecified } from "../protocols/inet/ipv4.ts";
import type { DhcpEvent } from "./dhcp-events.ts";
import { createDhcpService, type DhcpServiceDeps } from "./dhcp-service.ts";
import type { DhcpInterface } from "./dhcp-settings.ts";
import { createLeaseJournal } from "./lease-journal.ts";
import type { LeaseChange } from "./leases-repository.ts";
import { decideNbp } from "./nbp.ts";
import { type clients, ip, mac, request, server, subnet } from "./testdata/dhcp.ts";

const from = { address: unspecified, port: 68 };

interface Bench {
  mode?: "full" | "proxy";
  save?: (changes: readonly LeaseChange[]) => Promise<void>;
  holder?: (address: Ipv4) => Mac | undefined | Promise<Mac | undefined>;
  bootOptions?: DhcpServiceDeps["bootOptions"];
  crowded?: () => boolean;
  observe?: DhcpServiceDeps["observe"];
}

function bench({
  mode = "full",
  save = async () => {},
  holder = () => undefined,
  bootOptions = () => ({}),
  crowded = () => false,
  observe,
}: Bench = {}) {
  const clock = createManualClock(1_000_000);
  const sent: DhcpPacket[] = [];
  const order: string[] = [];
  const events: DhcpEvent[] = [];
  const nic: DhcpInterface = {
    name: "eth1",
    mode,
    address: server,
    subnets: mode === "full" ? [subnet()] : [],
    probe: true,
  };
  const service = createDhcpService(
    nic,
    [],
    {
      send(bytes) {
        const decoded = decodePacket(bytes);
        if (decoded.kind === "packet") sent.push(decoded.packet);
        order.push("sent");
      },
      probe: async (address) => holder(address),
    },
    {
      boot: { httpPort: 8080, program: "ipxe", discoveryControl: true },
      decideNbp,
      bootOptions,
      crowded,
      journal: createLeaseJournal(
        {
          async save(changes) {
            await save(changes);
            order.push(`saved ${changes.length}`);
          },
        },
        (run) => void setImmediate(run),
      ),
      observe: observe ?? ((event) => void events.push(event)),
      clock,
      log: silentLogger,
    },
  );
  const ask = (
    type: NonNullable<DhcpOptions["messageType"]>,
    last = 1,
    options: DhcpOptions = {},
    client: keyof typeof clients = "plain",
    port: 67 | 4011 = 67,
  ) => {
    const chaddr = Uint8Array.of(0x52, 0x54, 0, 0, 0, last);
    return service.receive(encodePacket(request(type, client, options, { chaddr }), 1500).bytes, port, from);
  };
  const troubles = () => events.flatMap((event) => (event.kind === "trouble" ? [event.trouble] : []));
  const wants = (address: string): DhcpOptions => ({
    serverIdentifier: server,
    requestedAddress: ip(address),
  });
  return { service, clock, sent, order, events, ask, troubles, wants };
}

test("the lease is saved before the ACK is sent", async () => {
  const { ask, order, wants, sent } = bench();
  await ask("DHCPDISCOVER");
  expect(order).toEqual(["sent"]);
  await ask("DHCPREQUEST", 1, wants("10.0.0.100"));
  expect(order).toEqual(["sent", "saved 1", "sent"]);
  expect(sent.map((packet) => packet.options.messageType)).toEqual(["DHCPOFFER", "DHCPACK"]);
});

test("a lease that cannot be saved is not given, and the next attempt is served", async () => {
  let full = true;
  const { ask, sent, service, wants } = bench({
    save: async () => {
      if (full) throw new Error("disk full");
    },
  });
  await ask("DHCPREQUEST", 1, wants("10.0.0.100"));
  expect(sent).toEqual([]);
  expect(service.counters().failed).toBe(1);
  full = false;
  await ask("DHCPREQUEST", 1, wants("10.0.0.100"));
  expect(sent.map((packet) => packet.options.messageType)).toEqual(["DHCPACK"]);
});

test("firmware that would wait for its boot program is not let in yet; what is under way goes on", async () => {
  let crowded = true;
  const { ask, sent, events, wants } = bench({ crowded: () => crowded });
  await ask("DHCPDISCOVER", 1, {}, "bios");
  expect(sent).toEqual([]);
  expect(events).toMatchObject([{ kind: "exchange", outcome: { kind: "ignored" } }]);
  await ask("DHCPREQUEST", 2, wants("10.0.0.100"), "bios");
  await ask("DHCPDISCOVER", 3, {}, "ipxe");
  crowded = false;
  await ask("DHCPDISCOVER", 1, {}, "bios");
  const types = sent.map((packet) => packet.options.messageType);
  expect(types).toEqual(["DHCPACK", "DHCPOFFER", "DHCPOFFER"]);
});

test("requests that arrive together share one commit", async () => {
  const { ask, order, wants } = bench();
  await Promise.all([100, 101, 102].map((n) => ask("DHCPREQUEST", n, wants(`10.0.0.${n}`))));
  expect(order).toEqual(["saved 3", "sent", "sent", "sent"]);
});

test("an address that is being saved for one client is not given to another", async () => {
  const { ask, sent, wants } = bench();
  await Promise.all([1, 2].map((n) => ask("DHCPREQUEST", n, wants("10.0.0.100"))));
  expect(sent.map((packet) => packet.options.messageType).sort()).toEqual(["DHCPACK", "DHCPNAK"]);
});

test("an address that somebody answers for is not offered but the next, and the conflict is told", async () => {
  const { ask, sent, troubles } = bench({
    holder: (address) => (address === ip("10.0.0.100") ? mac(0x99) : undefined),
  });
  await ask("DHCPDISCOVER");
  expect(sent.map((packet) => packet.yiaddr)).toEqual([ip("10.0.0.101")]);
  expect(troubles()).toEqual(["address-conflict"]);
});

test("the client itself may answer for its address", async () => {
  const { ask, sent } = bench({ holder: () => mac(1) });
  await ask("DHCPDISCOVER");
  expect(sent.map((packet) => packet.yiaddr)).toEqual([ip("10.0.0.100")]);
});

test("a client that repeats its DISCOVER while its address is probed costs no second probe", async () => {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  let probes = 0;
  const { ask, sent } = bench({
    holder: () => {
      probes++;
      return promise;
    },
  });
  const first = ask("DHCPDISCOVER");
  await ask("DHCPDISCOVER");
  resolve(undefined);
  await first;
  expect(probes).toBe(1);
  expect(sent).toHaveLength(1);
});

test("where every address is taken by strangers the client is left, not looped over", async () => {
  const { ask, sent, troubles } = bench({ holder: () => mac(0x99) });
  await ask("DHCPDISCOVER");
  expect(sent).toEqual([]);
  expect(troubles()).toEqual(["address-conflict", "address-conflict", "address-conflict", "range-exhausted"]);
});

test("a used-up range is told once in ten minutes", async () => {
  const { ask, troubles, clock } = bench();
  for (const last of [1, 2, 3, 4, 5, 6]) await ask("DHCPDISCOVER", last);
  expect(troubles()).toEqual(["range-exhausted"]);
  clock.advance(601_000);
  for (const last of [1, 2, 3, 7]) await ask("DHCPDISCOVER", last);
  expect(troubles()).toEqual(["range-exhausted", "range-exhausted"]);
});

test("leasesOf tells what a MAC holds now: nothing before the ACK, nothing after the end", async () => {
  const { ask, wants, service, clock } = bench();
  await ask("DHCPDISCOVER");
  expect(service.leasesOf(mac(1))).toEqual([]);
  await ask("DHCPREQUEST", 1, wants("10.0.0.100"));
  expect(service.leasesOf(mac(1)).map(({ address }) => address)).toEqual([ip("10.0.0.100")]);
  clock.advance(3_600_001);
  expect(service.leasesOf(mac(1))).toEqual([]);
});

test("a released address is free at once; a declined one is not, and is told", async () => {
  const { ask, sent, wants, service, troubles } = bench();
  await ask("DHCPREQUEST", 1, wants("10.0.0.100"));
  await ask("DHCPDECLINE", 1, { requestedAddress: ip("10.0.0.100") });
  expect(troubles()).toEqual(["address-conflict"]);
  await ask("DHCPREQUEST", 2, wants("10.0.0.100"));
  expect(sent.map((packet) => packet.options.messageType)).toEqual(["DHCPACK", "DHCPNAK"]);
  expect(service.leases()).toMatchObject([{ state: "declined" }]);
});

test("one MAC that asks without end is held to its rate, and others are not", async () => {
  const { ask, sent, service, clock } = bench();
  for (let n = 0; n < 100; n++) await ask("DHCPDISCOVER");
  expect(sent).toHaveLength(20);
  expect(service.counters().limited).toBe(80);
  await ask("DHCPDISCOVER", 2);
  expect(sent).toHaveLength(21);
  clock.advance(1000);
  await ask("DHCPDISCOVER");
  expect(sent).toHaveLength(22);
});

test("rule 1: a machine's own options decide discovery control and program", async () => {
  const { ask, sent } = bench({
    mode: "proxy",
    bootOptions: async (asking) =>
      asking === mac(1) ? { skipPxeDiscoveryControl: true, program: "grub" } : {},
  });
  await ask("DHCPDISCOVER", 1, {}, "uefi");
  await ask("DHCPDISCOVER", 2, {}, "uefi");
  expect(sent.map(({ file, options }) => [file, options.pxe?.discoveryControl])).toEqual([
    ["shimx64.efi", undefined],
    ["ipxe.efi", 8],
  ]);
});

test("machine options that cannot be had cost this answer, not the server", async () => {
  let broken = true;
  const { ask, sent, service } = bench({
    bootOptions: () => {
      if (broken) throw new Error("no database");
      return {};
    },
  });
  await ask("DHCPDISCOVER", 1, {}, "uefi");
  expect(service.counters().failed).toBe(1);
  broken = false;
  await ask("DHCPDISCOVER", 1, {}, "uefi");
  expect(sent).toHaveLength(1);
});

test("every exchange is told decoded: who, what was asked, what became of it", async () => {
  const { ask, events } = bench({ mode: "proxy" });
  await ask("DHCPDISCOVER", 1, {}, "uefi");
  await ask("DHCPDISCOVER", 2);
  expect(events).toMatchObject([
    {
      kind: "exchange",
      interface: "eth1",
      port: 67,
      mac: mac(1),
      xid: 7,
      client: { kind: "pxe", platform: "uefi-x64" },
      request: { options: { messageType: "DHCPDISCOVER" } },
      outcome: { kind: "answered", reply: { file: "ipxe.efi" } },
    },
    { mac: mac(2), outcome: { kind: "ignored", reason: "does not boot from the network" } },
  ]);
});

test("another server's answer is overheard, our own and nonsense are not", () => {
  const { service, events } = bench();
  const offer = encodePacket(
    request("DHCPOFFER", "plain", {}, { op: "reply", yiaddr: ip("10.0.0.9") }),
  ).bytes;
  const overhear = (source: Ipv4, payload: Uint8Array) => {
    const datagram = decodeUdpPacket(
      encodeUdpPacket({
        source,
        sourcePort: 67,
        destination: ip("255.255.255.255"),
        destinationPort: 68,
        payload,
      }),
    );
    if (datagram) service.overhear(datagram);
  };
  overhear(server, offer);
  overhear(ip("10.0.0.7"), offer.subarray(0, 200));
  expect(events).toEqual([]);
  overhear(ip("10.0.0.7"), offer);
  expect(events.map(({ kind }) => kind)).toEqual(["overheard", "trouble"]);
});

test("an observer that throws costs nobody an answer", async () => {
  const { ask, sent, service } = bench({
    observe: () => {
      throw new Error("no");
    },
  });
  await ask("DHCPDISCOVER");
  expect(sent).toHaveLength(1);
  expect(service.counters()).toMatchObject({ answered: 1, failed: 0 });
});

test("property: no datagram makes the service throw, and it answers the next good one", async () => {
  const good = encodePacket(
    request("DHCPREQUEST", "uefi", { requestedAddress: ip("10.0.0.100") }),
    1500,
  ).bytes;
  const datagrams = fc.oneof(
    fc.uint8Array({ maxLength: 600 }),
    fc.nat(good.length).map((length) => good.slice(0, length)),
    fc
      .array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 30 })
      .map((changes) => {
        const bytes = good.slice();
        for (const [at, byte] of changes) bytes[at] = byte;
        return bytes;
      }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(datagrams, { maxLength: 10 }),
      fc.constantFrom(67, 4011),
      async (some, port) => {
        const { service, ask, sent } = bench();
        for (const bytes of some) await service.receive(bytes, port === 67 ? 67 : 4011, from);
        expect(service.counters().failed).toBe(0);
        await ask("DHCPDISCOVER", 200);
        expect(sent.at(-1)?.options.messageType).toBe("DHCPOFFER");
      },
    ),
    { numRuns: 300 },
  );
});
