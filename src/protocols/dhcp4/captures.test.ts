import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatIpv4 } from "../inet/ipv4.ts";
import { decodePacket, encodePacket } from "./packet.ts";
import { summary } from "./summary.ts";
import { type Captured, readPcap } from "./testdata/pcap.ts";

const testdata = join(import.meta.dir, "testdata");
const captures = readdirSync(testdata).filter((name) => name.endsWith(".pcap"));
const dhcpPorts = [67, 68, 4011];

const dhcpOf = (name: string) =>
  readPcap(readFileSync(join(testdata, name))).filter((datagram) =>
    dhcpPorts.includes(datagram.destinationPort),
  );

function line(datagram: Captured): string {
  const { at, source, sourcePort, destination, destinationPort, payload } = datagram;
  const decoded = decodePacket(payload);
  const what =
    decoded.kind === "invalid"
      ? `invalid: ${decoded.reason}`
      : [summary(decoded.packet), ...decoded.faults.map((fault) => `FAULT ${fault}`)].join(" ");
  return `${at.toFixed(3)} ${formatIpv4(source)}:${sourcePort} > ${formatIpv4(destination)}:${destinationPort} ${what}`;
}

test("there are captures to decode", () => {
  expect(captures.length).toBe(16);
});

for (const name of captures) {
  test(`${name}: every message decodes as its golden says (UPDATE_GOLDENS=1 rewrites it)`, () => {
    const text = `${dhcpOf(name).map(line).join("\n")}\n`;
    const golden = join(testdata, name.replace(/pcap$/, "parsed"));
    if (process.env.UPDATE_GOLDENS === "1") writeFileSync(golden, text);
    expect(existsSync(golden)).toBe(true);
    expect(text).toBe(readFileSync(golden, "utf8"));
  });

  test(`${name}: encoding what was decoded and decoding it again changes nothing`, () => {
    for (const { payload } of dhcpOf(name)) {
      const decoded = decodePacket(payload);
      if (decoded.kind === "invalid") throw new Error(decoded.reason);
      const { bytes, omitted } = encodePacket(decoded.packet, 1500);
      expect(omitted).toEqual([]);
      expect(decodePacket(bytes)).toEqual(decoded);
    }
  });
}
