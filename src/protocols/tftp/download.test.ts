import { expect, test } from "bun:test";
import { beginDownload, type DownloadPlan, type DownloadStep, decideDownload } from "./download.ts";
import type { Packet } from "./packet.ts";

const plan: DownloadPlan = {
  filename: "ipxe.efi",
  options: [
    ["tsize", "0"],
    ["blksize", "8"],
    ["windowsize", "4"],
  ],
  sizeOnly: false,
  waits: [1000, 2000],
  tries: 3,
};
const oack = (windowsize: number, size: number): Packet => ({
  kind: "OACK",
  options: [
    ["tsize", String(size)],
    ["blksize", "8"],
    ["windowsize", String(windowsize)],
  ],
});
const data = (block: number, length = 8): Packet => ({ kind: "DATA", block, bytes: new Uint8Array(length) });

/** Hands packets to a download one after the other; what it said to each. */
function feed(given: DownloadPlan, packets: readonly Packet[]) {
  let step: DownloadStep = beginDownload(given, 0);
  const said: (string | undefined)[] = [];
  for (const packet of packets) {
    step = decideDownload(given, step.state, { kind: "packet", packet, port: 5000, at: 0 });
    said.push(step.send && (step.send.kind === "ACK" ? `ACK ${step.send.block}` : step.send.kind));
  }
  return { said, step };
}

test("a window is acknowledged once, the last block at once", () => {
  const { said, step } = feed(plan, [oack(4, 45), ...[1, 2, 3, 4, 5].map((n) => data(n)), data(6, 5)]);
  expect(said).toEqual(["ACK 0", undefined, undefined, undefined, "ACK 4", undefined, "ACK 6"]);
  expect(step.end).toEqual({ kind: "done" });
  expect(step.state.bytes).toBe(45);
});

test("RFC 7440: a gap is told once, by the last block before it", () => {
  const { said } = feed(plan, [oack(4, 800), data(1), data(3), data(4), data(2), data(3)]);
  expect(said).toEqual(["ACK 0", undefined, "ACK 1", undefined, undefined, undefined]);
});

test("in lock step a block that comes again is acknowledged again", () => {
  expect(feed(plan, [oack(1, 800), data(1), data(1), data(2)]).said).toEqual([
    "ACK 0",
    "ACK 1",
    "ACK 1",
    "ACK 2",
  ]);
});

test("a request for the size alone ends with an error to the server", () => {
  const { said, step } = feed({ ...plan, sizeOnly: true }, [oack(4, 996_864)]);
  expect({ said, end: step.end, size: step.state.size }).toEqual({
    said: ["ERROR"],
    end: { kind: "size" },
    size: 996_864,
  });
});

test("rule 17: a larger value than asked for, or an option not asked for, is an abort", () => {
  expect(feed(plan, [{ kind: "OACK", options: [["blksize", "9000"]] }]).step.end?.kind).toBe("broken");
  expect(feed(plan, [{ kind: "OACK", options: [["timeout", "1"]] }]).step.end?.kind).toBe("broken");
});

test("a file cut short against its announced size is broken", () => {
  expect(feed(plan, [oack(4, 45), data(1, 3)]).step.end).toEqual({
    kind: "broken",
    detail: "3 bytes came of the 45 announced",
  });
});

test("silence is met by saying the last thing again, and then by giving up; another port is another transfer", () => {
  const first = beginDownload(plan, 0);
  const again = decideDownload(plan, first.state, { kind: "timeout", at: 1000 });
  expect(again.send?.kind).toBe("RRQ");
  const third = decideDownload(plan, again.state, { kind: "timeout", at: 3000 });
  expect(decideDownload(plan, third.state, { kind: "timeout", at: 5000 }).end).toEqual({ kind: "silent" });
  const bound = decideDownload(plan, first.state, { kind: "packet", packet: oack(4, 45), port: 5000, at: 0 });
  const stray = decideDownload(plan, bound.state, { kind: "packet", packet: data(1), port: 6000, at: 0 });
  expect(stray.state).toBe(bound.state);
});
