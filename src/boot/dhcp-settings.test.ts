import { expect, test } from "bun:test";
import { daemonConfigSchema, type InterfaceConfig } from "../platform/config.ts";
import { readDhcpInterface } from "./dhcp-settings.ts";
import { ip, mac } from "./testdata/dhcp.ts";

function config(changes: Record<string, unknown> = {}): InterfaceConfig {
  const whole = { name: "eth1", dhcp: "full", range: "10.0.0.100-10.0.0.200", ...changes };
  const [first] = daemonConfigSchema.parse({ interfaces: [whole] }).interfaces;
  if (!first) throw new Error("no interface");
  return first;
}
const read = (changes: Record<string, unknown> = {}) =>
  readDhcpInterface(config(changes), ip("10.0.0.1"), 24);

test("an interface's own network comes from our address on it", () => {
  expect(read({ gateway: "10.0.0.254", leaseTime: "2h" })).toMatchObject({
    mode: "full",
    address: ip("10.0.0.1"),
    subnets: [{ network: ip("10.0.0.0"), prefix: 24, gateway: ip("10.0.0.254"), leaseTime: 7200 }],
  });
});

test("reservations go to the network they lie in, relayed ones included", () => {
  const { subnets } = read({
    relayed: [{ subnet: "10.1.0.0/24", range: "10.1.0.10-10.1.0.20" }],
    reservations: [
      { mac: mac(1), ip: "10.0.0.9" },
      { mac: mac(1), ip: "10.1.0.9", hostname: "one" },
    ],
  });
  expect(subnets.map(({ reservations }) => reservations.get(mac(1))?.address)).toEqual([
    ip("10.0.0.9"),
    ip("10.1.0.9"),
  ]);
});

test("proxy mode needs neither range nor anything else", () => {
  expect(read({ dhcp: "proxy", range: undefined }).subnets).toEqual([]);
});

test("what does not fit the network is refused, and says where", () => {
  expect(() => read({ range: undefined })).toThrow("interface eth1: dhcp is 'full' and there is no range");
  for (const range of [
    "10.0.1.1-10.0.1.9",
    "10.0.0.9-10.0.0.5",
    "10.0.0.0-10.0.0.9",
    "10.0.0.250-10.0.0.255",
  ]) {
    expect(() => read({ range })).toThrow("does not lie within 10.0.0.0/24");
  }
  const relayed = [{ subnet: "10.1.0.0/99", range: "10.1.0.1-10.1.0.9" }];
  expect(() => read({ relayed })).toThrow("the relayed network 10.1.0.0/99 is no /8 to /30");
  expect(() => read({ gateway: "192.168.0.1" })).toThrow("the gateway 192.168.0.1 is not in 10.0.0.0/24");
  expect(() => read({ reservations: [{ mac: mac(1), ip: "9.9.9.9" }] })).toThrow(
    "9.9.9.9 for 52:54:00:00:00:01 is in none of its networks",
  );
});

test("what could never be handed out, or only to one of two, is refused instead of failing on the wire", () => {
  const reserve = (...each: [last: number, ip: string][]) =>
    read({
      gateway: "10.0.0.254",
      reservations: each.map(([last, address]) => ({ mac: mac(last), ip: address })),
    });
  expect(() => reserve([1, "10.0.0.1"])).toThrow(`the reservation 10.0.0.1 for ${mac(1)} is our own address`);
  expect(() => reserve([1, "10.0.0.254"])).toThrow("is the gateway's address");
  expect(() => reserve([1, "10.0.0.255"])).toThrow("is no host's address");
  expect(() => reserve([1, "10.0.0.9"], [2, "10.0.0.9"])).toThrow(`is reserved for ${mac(1)} as well`);
  expect(() => reserve([1, "10.0.0.8"], [1, "10.0.0.9"])).toThrow(
    "10.0.0.8 for 52:54:00:00:00:01 is not its only one there: 10.0.0.9 is another",
  );
  const behind = (subnet: string, range: string, gateway?: string) => ({ subnet, range, gateway });
  expect(() => read({ relayed: [behind("10.0.0.0/16", "10.0.1.5-10.0.1.9")] })).toThrow(
    "10.0.0.0/16 and 10.0.0.0/24 overlap",
  );
  expect(() => read({ relayed: [behind("10.1.0.0/24", "10.1.0.5-10.1.0.9", "10.2.0.1")] })).toThrow(
    "the gateway 10.2.0.1 is not in 10.1.0.0/24",
  );
});
