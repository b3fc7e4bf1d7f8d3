import { expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { macFromBytes } from "../platform/mac.ts";
import { decodePacket } from "../protocols/dhcp4/packet.ts";
import { summary } from "../protocols/dhcp4/summary.ts";
import { readPcap } from "../protocols/dhcp4/testdata/pcap.ts";
import { formatIpv4 } from "../protocols/inet/ipv4.ts";
import { classify } from "./classify.ts";
import { decideDestination } from "./delivery.ts";
import { createLeasePool } from "./leases.ts";
import { decideNbp } from "./nbp.ts";
import { type Asked, type Decision, decideFull } from "./offer.ts";
import { decideBinl, decideProxy } from "./proxy-offer.ts";
import { ip, subnet } from "./testdata/dhcp.ts";

/** What we would have answered to everything real firmware sent in the captures, in both modes. */
const captures = join(import.meta.dir, "../protocols/dhcp4/testdata");
const server = ip("10.77.0.1");
const network = subnet({
  network: ip("10.77.0.0"),
  first: ip("10.77.0.64"),
  last: ip("10.77.0.200"),
  gateway: ip("10.77.0.1"),
  domain: undefined,
  dns: [],
});

function answered(
  decision: Decision,
  asked: Asked,
  port: 67 | 4011,
  from: Parameters<typeof decideDestination>[4],
) {
  if (decision.kind === "ignore" || decision.kind === "record") return `${decision.kind}: ${decision.reason}`;
  const to = decideDestination(asked.request, decision.reply, asked.mac, port, from);
  const where = to.kind === "link" ? `${to.mac} as` : "";
  return `to ${where} ${formatIpv4(to.address)}:${to.port} ${summary(decision.reply)}`.replace("to  ", "to ");
}

function replay(name: string): string {
  const pool = createLeasePool(network, server);
  const lines: string[] = [];
  for (const datagram of readPcap(readFileSync(join(captures, name)))) {
    const port = datagram.destinationPort;
    if ((port !== 67 && port !== 4011) || datagram.sourcePort === 67) continue;
    const decoded = decodePacket(datagram.payload);
    if (decoded.kind === "invalid" || decoded.packet.op !== "request") continue;
    const request = decoded.packet;
    const mac = macFromBytes(request.chaddr);
    if (mac === undefined) throw new Error("no MAC");
    // Whichever server the capture's client chose stands for us, and what it was given for what we gave.
    if (request.options.serverIdentifier !== undefined) request.options.serverIdentifier = server;
    const given = pool.of(mac)?.address;
    if (request.options.requestedAddress !== undefined && given !== undefined) {
      request.options.requestedAddress = given;
    }
    const client = classify(mac, request.options);
    const file = decideNbp(client, { server: "10.77.0.1", httpPort: 8080, program: "ipxe" });
    const asked: Asked = { request, mac, client, server, boot: { file, discoveryControl: true } };
    const now = Math.round(datagram.at * 1000);
    const from = { address: datagram.source, port: datagram.sourcePort };
    lines.push(
      `${datagram.at.toFixed(3)} :${port} ${request.options.messageType} ${client.kind} ${client.platform}`,
    );
    if (port === 4011) {
      lines.push(`  4011  ${answered(decideBinl(asked), asked, port, from)}`);
      continue;
    }
    const full = decideFull(asked, [pool], now);
    if ("lease" in full) pool.put(full.lease);
    lines.push(`  full  ${answered(full, asked, port, from)}`);
    lines.push(`  proxy ${answered(decideProxy(asked), asked, port, from)}`);
  }
  return `${lines.join("\n")}\n`;
}

for (const name of readdirSync(captures).filter((each) => each.endsWith(".pcap"))) {
  test(`${name}: our answers are its golden's (UPDATE_GOLDENS=1 rewrites it)`, () => {
    const golden = join(import.meta.dir, "testdata", name.replace(/pcap$/, "answers"));
    const text = replay(name);
    if (process.env.UPDATE_GOLDENS === "1") writeFileSync(golden, text);
    expect(text).toBe(readFileSync(golden, "utf8"));
  });
}
