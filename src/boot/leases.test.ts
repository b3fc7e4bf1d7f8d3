import { expect, test } from "bun:test";
import fc from "fast-check";
import { formatIpv4, toIpv4 } from "../protocols/inet/ipv4.ts";
import { createLeasePool, type Lease } from "./leases.ts";
import { ip, mac, server, subnet } from "./testdata/dhcp.ts";

const lease = (last: number, address: string, state: Lease["state"] = "bound", expires = 1000): Lease => ({
  address: ip(address),
  mac: mac(last),
  state,
  expires,
});
const chosen = (pool: ReturnType<typeof createLeasePool>, last: number, now = 0, wanted?: string) => {
  const choice = pool.choose(mac(last), wanted === undefined ? undefined : ip(wanted), now);
  return choice && formatIpv4(choice.address);
};

test("addresses go round the range, so that the longest unused comes next", () => {
  const pool = createLeasePool(subnet(), server);
  for (const last of [1, 2]) pool.put(lease(last, chosen(pool, last) ?? "", "bound", 10));
  expect(chosen(pool, 3, 20)).toBe("10.0.0.102");
  expect(chosen(pool, 4, 20)).toBe("10.0.0.100");
});

test("a MAC gets its own address again, also after it was released or ran out", () => {
  const pool = createLeasePool(subnet(), server, [
    lease(1, "10.0.0.101"),
    lease(2, "10.0.0.102", "released"),
  ]);
  expect(pool.choose(mac(1), undefined, 500)).toEqual({ address: ip("10.0.0.101"), fresh: false });
  expect(pool.choose(mac(1), undefined, 5000)).toEqual({ address: ip("10.0.0.101"), fresh: true });
  expect(pool.choose(mac(2), undefined, 500)).toEqual({ address: ip("10.0.0.102"), fresh: true });
});

test("the address asked for is given when it is free and in the range", () => {
  const pool = createLeasePool(subnet(), server, [lease(1, "10.0.0.101")]);
  expect(chosen(pool, 2, 0, "10.0.0.102")).toBe("10.0.0.102");
  expect(chosen(pool, 2, 0, "10.0.0.101")).not.toBe("10.0.0.101");
  expect(chosen(pool, 2, 0, "10.0.0.7")).not.toBe("10.0.0.7");
});

test("a reservation is its MAC's alone, in the range or outside it", () => {
  const reservations = new Map([
    [mac(1), { address: ip("10.0.0.100"), hostname: undefined }],
    [mac(2), { address: ip("10.0.0.9"), hostname: "two" }],
  ]);
  const pool = createLeasePool(subnet({ reservations }), server);
  expect(chosen(pool, 3, 0, "10.0.0.100")).toBe("10.0.0.101");
  expect(chosen(pool, 1)).toBe("10.0.0.100");
  expect(chosen(pool, 2, 0, "10.0.0.102")).toBe("10.0.0.9");
});

test("neither our own address nor the gateway's is given away", () => {
  const pool = createLeasePool(
    subnet({ first: ip("10.0.0.1"), last: ip("10.0.0.2"), gateway: ip("10.0.0.2") }),
    server,
  );
  expect(chosen(pool, 1)).toBeUndefined();
});

test("a used-up range answers nothing until a lease ends, is released, or a quarantine is over", () => {
  const pool = createLeasePool(subnet(), server, [
    lease(1, "10.0.0.100", "bound", 100),
    lease(2, "10.0.0.101", "declined", 50),
    lease(3, "10.0.0.102", "bound", 200),
  ]);
  expect(chosen(pool, 9, 10)).toBeUndefined();
  expect(chosen(pool, 9, 49)).toBeUndefined();
  expect(chosen(pool, 9, 51)).toBe("10.0.0.101");
  pool.put(lease(4, "10.0.0.101", "bound", 1000));
  expect(chosen(pool, 9, 60)).toBeUndefined();
  pool.put(lease(3, "10.0.0.102", "released", 60));
  expect(chosen(pool, 9, 60)).toBe("10.0.0.102");
});

test("a declined address is nobody's, not even its last holder's", () => {
  const pool = createLeasePool(subnet(), server, [lease(1, "10.0.0.100")]);
  pool.put(lease(1, "10.0.0.100", "declined"));
  expect(pool.of(mac(1))).toBeUndefined();
  expect(chosen(pool, 1)).toBe("10.0.0.101");
});

test("of two saved leases of one MAC the later one counts; leases of other networks are left aside", () => {
  const pool = createLeasePool(subnet(), server, [
    lease(1, "10.0.0.102", "bound", 900),
    lease(1, "10.0.0.100", "bound", 100),
    lease(2, "10.9.0.1"),
  ]);
  expect(pool.list()).toEqual([lease(1, "10.0.0.102", "bound", 900)]);
});

test("property: no address is ever promised to two MACs at once", () => {
  const step = fc.record({
    last: fc.integer({ min: 1, max: 8 }),
    wanted: fc.option(fc.integer({ min: 98, max: 104 }), { nil: undefined }),
    state: fc.constantFrom<Lease["state"]>("offered", "bound", "released", "declined"),
    lasts: fc.integer({ min: 1, max: 50 }),
    passes: fc.integer({ min: 0, max: 20 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const pool = createLeasePool(subnet(), server);
      let now = 0;
      for (const { last, wanted, state, lasts, passes } of steps) {
        now += passes;
        const before = pool.list();
        const choice = pool.choose(
          mac(last),
          wanted === undefined ? undefined : toIpv4(ip("10.0.0.0") + wanted),
          now,
        );
        if (!choice) continue;
        const holder = before.find((held) => held.address === choice.address && held.expires > now);
        if (holder && holder.state !== "released") {
          expect(holder.mac).toBe(mac(last));
          expect(holder.state).not.toBe("declined");
        }
        pool.put({ address: choice.address, mac: mac(last), state, expires: now + lasts });
        const addresses = pool.list().map((held) => held.address);
        expect(new Set(addresses).size).toBe(addresses.length);
      }
    }),
    { numRuns: 500 },
  );
});
