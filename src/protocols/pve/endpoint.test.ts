import { expect, test } from "bun:test";
import { formatEndpoint, parseEndpoint } from "./endpoint.ts";

test("parseEndpoint takes names and addresses, with a port or without, and gives one spelling", () => {
  const spelled = ["pve1.lab", "pve1.lab:8006", "https://pve1.lab:8006/"].map((text) =>
    formatEndpoint(parseEndpoint(text)),
  );
  expect(new Set(spelled)).toEqual(new Set(["pve1.lab:8006"]));
  expect(formatEndpoint(parseEndpoint("[2001:db8::1]:443"))).toBe("[2001:db8::1]:443");
});

test("parseEndpoint refuses what is no address", () => {
  for (const text of ["", "http://pve1", "pve1:0", "pve1:70000", "pve1/api", "a b", "user@pve1"]) {
    expect(() => parseEndpoint(text)).toThrow("is not the address of a Proxmox node");
  }
});
