import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore, type Store } from "../store/database.ts";
import type { Lease } from "./leases.ts";
import { createLeasesRepository, type LeasesRepository } from "./leases-repository.ts";
import { ip, mac } from "./testdata/dhcp.ts";

let directory: string;
let store: Store;
let leases: LeasesRepository;
const open = () => {
  store = openStore(join(directory, "db.sqlite"));
  leases = createLeasesRepository(store);
};
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "labctl-leases-"));
  open();
});
afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true });
});

const network = "10.0.0.0/24";
const lease = (last: number, address: string, changes: Partial<Lease> = {}): Lease => ({
  address: ip(address),
  mac: mac(last),
  state: "bound",
  expires: 5000,
  ...changes,
});
const byAddress = (list: Lease[]) => list.toSorted((a, b) => a.address - b.address);

test("what was saved is loaded after the store was closed and opened again", async () => {
  const saved = [
    lease(1, "10.0.0.100", { hostname: "one" }),
    lease(2, "10.0.0.101", { state: "released" }),
    lease(3, "10.0.0.102", { state: "declined" }),
  ];
  await leases.save(saved.map((each) => ({ lease: each, network })));
  await store.close();
  open();
  expect(byAddress(await leases.load())).toEqual(saved);
});

test("a renewal replaces its lease; an address passes to its next holder", async () => {
  await leases.save([{ lease: lease(1, "10.0.0.100"), network }]);
  await leases.save([{ lease: lease(1, "10.0.0.100", { expires: 9000 }), network }]);
  expect(await leases.load()).toEqual([lease(1, "10.0.0.100", { expires: 9000 })]);
  await leases.save([{ lease: lease(2, "10.0.0.100"), network }]);
  expect(await leases.load()).toEqual([lease(2, "10.0.0.100")]);
});

test("a MAC holds one address in a network, and one in each network; a quarantine stays", async () => {
  await leases.save([
    { lease: lease(1, "10.0.0.100"), network },
    { lease: lease(1, "10.1.0.100"), network: "10.1.0.0/24" },
    { lease: lease(1, "10.0.0.102", { state: "declined" }), network },
    { lease: lease(1, "10.0.0.101"), network },
  ]);
  expect(byAddress(await leases.load()).map(({ address }) => address)).toEqual([
    ip("10.0.0.101"),
    ip("10.0.0.102"),
    ip("10.1.0.100"),
  ]);
});

test("a promise is not saved", async () => {
  await leases.save([{ lease: lease(1, "10.0.0.100", { state: "offered" }), network }]);
  expect(await leases.load()).toEqual([]);
});
