import { expect, test } from "bun:test";
import { networkInterfaces } from "node:os";
import { openInterfaceReader } from "./interfaces.client.ts";

test("what the runtime finds is found too, with the same addresses, networks and MAC", () => {
  const found = openInterfaceReader()();
  expect(found.get("lo")?.addresses[0]).toEqual({ address: "127.0.0.1", prefix: 8 });
  for (const [name, entries = []] of Object.entries(networkInterfaces())) {
    const ours = found.get(name);
    const theirs = entries.filter(({ family }) => family === "IPv4");
    expect(ours?.addresses.map(({ address, prefix }) => `${address}/${prefix}`)).toEqual(
      theirs.map(({ cidr }) => `${cidr}`),
    );
    for (const { mac } of theirs) expect(`${ours?.mac}`).toBe(mac);
  }
});
