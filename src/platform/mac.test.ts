import { expect, test } from "bun:test";
import { macFromBytes, macToBytes, parseMac, readMac } from "./mac.ts";

test("readMac accepts colons, dashes and bare digits, and gives one spelling", () => {
  for (const text of ["52:54:00:AB:cd:ef", "52-54-00-ab-cd-ef", "525400ABCDEF"]) {
    expect(String(readMac(text))).toBe("52:54:00:ab:cd:ef");
  }
});

test("readMac refuses mixed separators, wrong lengths and other characters", () => {
  for (const text of ["52:54-00:ab:cd:ef", "52:54:00:ab:cd", "52:54:00:ab:cd:eg", "", "$(reboot)"]) {
    expect(readMac(text)).toBeUndefined();
  }
});

test("parseMac names the bad text and what to write", () => {
  expect(() => parseMac("x")).toThrow("'x' is not a MAC address");
});

test("macFromBytes and macToBytes are inverse, and refuse other lengths", () => {
  const bytes = Uint8Array.from([0x52, 0x54, 0, 1, 2, 0xff]);
  const mac = macFromBytes(bytes);
  expect(String(mac)).toBe("52:54:00:01:02:ff");
  expect(mac && macToBytes(mac)).toEqual(bytes);
  expect(macFromBytes(bytes.subarray(1))).toBeUndefined();
});
