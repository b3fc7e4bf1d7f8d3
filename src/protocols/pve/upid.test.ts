import { expect, test } from "bun:test";
import fc from "fast-check";
import { formatUpid, parseUpid } from "./upid.ts";

test("parseUpid reads node, numbers, type, id, user and token", () => {
  expect(parseUpid("UPID:pve-1:000005E5:0003B812:6B00E341:qmclone:9000:lab@pve!full:")).toEqual({
    node: "pve-1",
    pid: 0x5e5,
    pstart: 0x3b812,
    starttime: 0x6b00e341,
    type: "qmclone",
    id: "9000",
    user: "lab@pve",
    tokenid: "full",
  });
});

test("parseUpid reads an empty id, an id that is no vmid, and a pstart of nine digits", () => {
  expect(parseUpid("UPID:n:00004F17:0005D2BB:6B00E8A4:imgcopy::root@pam:")).toMatchObject({
    id: "",
    tokenid: undefined,
  });
  expect(parseUpid("UPID:n:00004F17:1234567890:6B00E8A4:qmstart:1:root@pam:")).toBeUndefined();
  expect(parseUpid("UPID:n:00004F17:123456789:6B00E8A4:qmmove:101-unused0>103-scsi3:a@pve!b:")?.id).toBe(
    "101-unused0>103-scsi3",
  );
});

test("parseUpid takes nothing else", () => {
  for (const text of [
    "",
    "UPID:bogus",
    "UPID:n:1:2:3:t:i:u:",
    "UPID:n:00004F17:0005D2BB:6B00E8A4:t:i:u",
    "x UPID:n:00004F17:0005D2BB:6B00E8A4:t:i:u:",
  ]) {
    expect(parseUpid(text)).toBeUndefined();
  }
});

test("what formatUpid writes, parseUpid reads back, whatever the id", () => {
  const number = fc.integer({ min: 0, max: 0xffffffff });
  fc.assert(
    fc.property(
      number,
      number,
      number,
      fc.string({ unit: "grapheme-ascii" }),
      (pid, pstart, starttime, id) => {
        const parts = { node: "pve1", pid, pstart, starttime, type: "x", id, user: "a@pve", tokenid: "t" };
        expect(parseUpid(formatUpid(parts))).toEqual(parts);
      },
    ),
  );
});
