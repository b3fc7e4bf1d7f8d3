import { expect } from "bun:test";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run, tryRun } from "../lab/process.ts";
import { type DhcpBench, dhcpTest, until } from "./bench.ts";

const full = {
  name: "lab0",
  dhcp: "full",
  range: "10.77.0.100-10.77.0.150",
  gateway: "10.77.0.1",
  dns: ["10.77.0.53"],
  domain: "lab.example",
};

/** One run of udhcpc to its first lease, and what its hook was told. */
async function udhcpc(bench: DhcpBench, client: { namespace: string; interface: string }, ...more: string[]) {
  const command = [
    "udhcpc",
    "-i",
    client.interface,
    "-n",
    "-q",
    "-t",
    "4",
    "-T",
    "2",
    "-s",
    bench.hook,
    ...more,
  ];
  const { stdout, stderr, status } = await tryRun(command, {
    namespace: client.namespace,
    timeoutMs: 30_000,
  });
  const bound = stdout.split("\n").find((line) => line.startsWith("event=bound"));
  return { status, bound, said: `${stdout}${stderr}` };
}

const macOf = async (namespace: string) =>
  (await run(["cat", "/sys/class/net/lab0/address"], { namespace: undefined }).catch(() => "")) ||
  /link\/ether (\S+)/.exec(await run(["ip", "-n", namespace, "link", "show", "lab0"]))?.[1] ||
  "";

/** The process a daemon wrote down; 0 as long as it has not. */
const pidIn = (file: string) => (existsSync(file) ? Number.parseInt(readFileSync(file, "utf8"), 10) || 0 : 0);

dhcpTest(
  "udhcpc gets an address with the network's parameters, by unicast and by broadcast",
  ["udhcpc"],
  async (bench) => {
    await bench.serve([full]);
    const client = await bench.network.addHost("c1", undefined);
    const first = await udhcpc(bench, client);
    expect(first.bound).toBe(
      "event=bound ip=10.77.0.100 lease=3600 router=10.77.0.1 dns=10.77.0.53 domain=lab.example serverid=10.77.0.1 mask=255.255.255.0",
    );
    const again = await udhcpc(bench, client, "-B");
    expect(again.bound).toBe(first.bound);
  },
);

dhcpTest("udhcpc releases its lease, and the next client may have the address", ["udhcpc"], async (bench) => {
  const server = await bench.serve([{ ...full, range: "10.77.0.100-10.77.0.100", probe: false }]);
  const one = await bench.network.addHost("c1", undefined);
  const two = await bench.network.addHost("c2", undefined);
  const daemon = bench.background(one.namespace, ["udhcpc", "-i", "lab0", "-f", "-R", "-s", bench.hook]);
  await until(() => server.events().some(({ answer }) => answer === "DHCPACK 10.77.0.100"));
  expect((await udhcpc(bench, two, "-t", "1")).bound).toBeUndefined();
  expect(server.events().some(({ trouble }) => trouble === "range-exhausted")).toBe(true);
  await daemon.stop();
  await until(() => server.events().some(({ asked }) => asked === "DHCPRELEASE"));
  expect((await udhcpc(bench, two)).bound).toContain("ip=10.77.0.100 ");
});

dhcpTest("dhclient gets, renews and releases a lease", ["dhclient"], async (bench) => {
  const server = await bench.serve([full]);
  const client = await bench.network.addHost("c1", undefined);
  const leases = join(bench.directory, "dhclient.leases");
  const script = join(bench.directory, "dhclient-script");
  writeFileSync(
    script,
    '#!/bin/sh\n[ -n "$new_ip_address" ] && ip address replace "$new_ip_address/24" dev "$interface"\nexit 0\n',
    { mode: 0o755 },
  );
  const pid = join(bench.directory, "pid");
  const common = ["dhclient", "-4", "-lf", leases, "-pf", pid, "-sf", script];
  await run([...common, "-1", "-v", "lab0"], { namespace: client.namespace, timeoutMs: 30_000 });
  const lease = readFileSync(leases, "utf8");
  expect(lease).toContain("fixed-address 10.77.0.100;");
  expect(lease).toContain("option dhcp-server-identifier 10.77.0.1;");
  expect(lease).toContain('option domain-name "lab.example";');
  // It goes into the background before it has written where it is, and an empty file reads as process 0: this group.
  await until(() => pidIn(pid) > 1);
  process.kill(pidIn(pid), "SIGKILL");
  rmSync(pid);
  // Started again it asks for what it had: INIT-REBOOT.
  await run([...common, "-1", "lab0"], { namespace: client.namespace, timeoutMs: 30_000 });
  await until(() => pidIn(pid) > 1);
  await run([...common, "-r", "lab0"], { namespace: client.namespace });
  await until(() => server.events().some(({ asked }) => asked === "DHCPRELEASE"));
  expect(server.events().map(({ asked, answer }) => `${asked} ${answer}`)).toEqual([
    "DHCPDISCOVER DHCPOFFER 10.77.0.100",
    "DHCPREQUEST DHCPACK 10.77.0.100",
    "DHCPREQUEST DHCPACK 10.77.0.100",
    "DHCPRELEASE released",
  ]);
});

dhcpTest(
  "a lease survives kill -9 of the server the moment it was acknowledged",
  ["udhcpc"],
  async (bench) => {
    const server = await bench.serve([full]);
    const [one, two] = [
      await bench.network.addHost("c1", undefined),
      await bench.network.addHost("c2", undefined),
    ];
    const first = await udhcpc(bench, one);
    await server.kill();
    await bench.serve([full]);
    expect((await udhcpc(bench, two)).bound).toContain("ip=10.77.0.101 ");
    expect((await udhcpc(bench, one)).bound).toBe(first.bound);
  },
);

dhcpTest("a reservation is given by MAC", ["udhcpc"], async (bench) => {
  const client = await bench.network.addHost("c1", undefined);
  const mac = await macOf(client.namespace);
  await bench.serve([{ ...full, reservations: [{ mac, ip: "10.77.0.20", hostname: "node-1" }] }]);
  expect((await udhcpc(bench, client)).bound).toContain("ip=10.77.0.20 ");
});

dhcpTest(
  "an address that a silent host already holds is found by ARP and not offered",
  ["udhcpc"],
  async (bench) => {
    const server = await bench.serve([full]);
    await bench.network.addHost("squat", 100);
    const client = await bench.network.addHost("c1", undefined);
    expect((await udhcpc(bench, client)).bound).toContain("ip=10.77.0.101 ");
    expect(server.events().find(({ trouble }) => trouble === "address-conflict")?.message).toContain(
      "10.77.0.100 is in use by",
    );
  },
);

dhcpTest("a client that finds its address in use declines it and gets another", ["udhcpc"], async (bench) => {
  const server = await bench.serve([{ ...full, probe: false }]);
  await bench.network.addHost("squat", 100);
  const client = await bench.network.addHost("c1", undefined);
  const got = await udhcpc(bench, client, "-a", "-A", "1", "-t", "6");
  expect(
    server.events().some(({ asked, outcome }) => asked === "DHCPDECLINE" && outcome === "recorded"),
  ).toBe(true);
  expect(got.bound).toContain("ip=10.77.0.101 ");
});

dhcpTest("a client from another network is told so (NAK) and starts over", ["udhcpc"], async (bench) => {
  const server = await bench.serve([full]);
  const client = await bench.network.addHost("c1", undefined);
  expect((await udhcpc(bench, client, "-r", "192.168.9.9")).bound).toContain("ip=10.77.0.100 ");
  const [answer] = await bench.ask(client, "52:54:00:00:00:01", {
    options: { messageType: "DHCPREQUEST", requestedAddress: 0xc0a80909 },
  });
  expect(answer?.type).toBe("DHCPNAK");
  expect(server.events().at(-1)).toMatchObject({ outcome: "answered" });
});

dhcpTest(
  "two interfaces: each answers with its own range, out of the interface it was asked on",
  ["udhcpc"],
  async (bench) => {
    const { network, scope } = bench;
    // A second wire between the server and a client of its own.
    const client = await network.addHost("c1", undefined);
    const other = `${network.server}-two`;
    await run(["ip", "netns", "add", other]);
    scope.defer(async () => {
      await run(["ip", "netns", "delete", other]);
    });
    await run([
      "ip",
      "-n",
      network.server,
      "link",
      "add",
      "lab1",
      "type",
      "veth",
      "peer",
      "name",
      "lab0",
      "netns",
      other,
    ]);
    await run(["ip", "-n", network.server, "address", "add", "10.88.0.1/24", "dev", "lab1"]);
    await run(["ip", "-n", network.server, "link", "set", "lab1", "up"]);
    await run(["ip", "-n", other, "link", "set", "lab0", "up"]);
    const server = await bench.serve([full, { name: "lab1", dhcp: "full", range: "10.88.0.50-10.88.0.60" }]);
    const here = await udhcpc(bench, client);
    const there = await udhcpc(bench, { namespace: other, interface: "lab0" });
    expect(here.bound).toContain("ip=10.77.0.100 ");
    expect(there.bound).toMatch(/ip=10\.88\.0\.50 .*serverid=10\.88\.0\.1 /);
    const heard = server.events().map((event) => `${event.interface} ${event.answer}`);
    expect(heard).toEqual([
      "lab0 DHCPOFFER 10.77.0.100",
      "lab0 DHCPACK 10.77.0.100",
      "lab1 DHCPOFFER 10.88.0.50",
      "lab1 DHCPACK 10.88.0.50",
    ]);
  },
);

dhcpTest("an interface that goes away and comes back is served again", ["udhcpc"], async (bench) => {
  const { network } = bench;
  const server = await bench.serve([full]);
  const client = await network.addHost("c1", undefined);
  await run(["ip", "-n", network.server, "link", "delete", "lab0"]);
  await until(() => readFileSync(server.log, "utf8").includes("went away"));
  await run([
    "ip",
    "-n",
    network.lan,
    "link",
    "add",
    "srv",
    "type",
    "veth",
    "peer",
    "name",
    "lab0",
    "netns",
    network.server,
  ]);
  await run(["ip", "-n", network.lan, "link", "set", "srv", "master", "br0", "up"]);
  await run(["ip", "-n", network.server, "link", "set", "lab0", "up"]);
  await run(["ip", "-n", network.server, "address", "add", "10.77.0.1/24", "dev", "lab0"]);
  await until(async () => (await udhcpc(bench, client, "-t", "1")).bound !== undefined);
});

dhcpTest("hostile datagrams do not stop the server, and a clean stop ends it", ["udhcpc"], async (bench) => {
  const server = await bench.serve([full]);
  const client = await bench.network.addHost("c1", 9);
  const flood = join(bench.directory, "flood.ts");
  writeFileSync(
    flood,
    `import dgram from "node:dgram";
const socket = dgram.createSocket("udp4");
let seed = 1;
const byte = () => (seed = (seed * 1103515245 + 12345) >>> 0) >>> 24;
for (let n = 0; n < 5000; n++) {
  const bytes = Buffer.from(Array.from({ length: 243 + (n % 300) }, byte));
  bytes.set([1, 1, 6, 0]);
  bytes.set([0x63, 0x82, 0x53, 0x63, 53, 1, 1 + (n % 9)], 236);
  socket.send(bytes, n % 2 === 0 ? 67 : 4011, "10.77.0.1");
  if (n % 200 === 0) await Bun.sleep(1);
}
setTimeout(() => socket.close(), 100);`,
  );
  await run([process.execPath, flood], { namespace: client.namespace });
  const good = await bench.network.addHost("c2", undefined);
  const got = await udhcpc(bench, good);
  expect(got.said + readFileSync(server.log, "utf8")).not.toContain("not answered");
  await server.stop();
  expect(readFileSync(server.log, "utf8")).toContain("stopped");
});

dhcpTest("the two capabilities of the service's unit are enough", ["udhcpc"], async (bench) => {
  const server = await bench.serve([full], { capabilities: ["net_bind_service", "net_raw"] });
  await bench.network.addHost("squat", 100);
  const client = await bench.network.addHost("c1", undefined);
  expect((await udhcpc(bench, client)).bound).toContain("ip=10.77.0.101 ");
  expect(readFileSync(server.log, "utf8")).not.toContain("no packet socket");
});

dhcpTest(
  "without CAP_NET_RAW it says so, broadcasts its answers and probes nothing",
  ["udhcpc"],
  async (bench) => {
    const server = await bench.serve([full], { capabilities: ["net_bind_service"] });
    const client = await bench.network.addHost("c1", undefined);
    expect((await udhcpc(bench, client)).bound).toContain("ip=10.77.0.100 ");
    expect(readFileSync(server.log, "utf8")).toContain("answers are broadcast, addresses not probed");
  },
);
