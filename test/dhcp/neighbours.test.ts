import { Database } from "bun:sqlite";
import { expect } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderDhcpSnippet, type SnippetKind } from "../../src/boot/dhcp-snippet.ts";
import { run, tailOf, tryRun } from "../lab/process.ts";
import { type DhcpBench, dhcpTest, until } from "./bench.ts";

const mac = "52:54:00:00:00:01";
const uefi = { vendorClass: "PXEClient:Arch:00007:UNDI:003000", clientArch: [7] };
const http = { vendorClass: "HTTPClient:Arch:00016:UNDI:003000", clientArch: [16] };
const bios = { vendorClass: "PXEClient:Arch:00000:UNDI:002001", clientArch: [0] };
const ipxe = { ...uefi, userClasses: ["iPXE"] };
const plain = { vendorClass: "udhcp 1.36" };
const discover = (options: object) => ({ options: { messageType: "DHCPDISCOVER", ...options } });

/** dnsmasq as somebody's own DHCP server: in the foreground, no DNS, nothing of the host's configuration. */
function dnsmasq(bench: DhcpBench, namespace: string, ...more: string[]) {
  const leases = join(bench.directory, "dnsmasq.leases");
  return bench.background(namespace, [
    "dnsmasq",
    ...["--no-daemon", "--conf-file=/dev/null", "--port=0", "--user=root", "--no-ping", "--log-dhcp"],
    ...["--pid-file=", "--interface=lab0", `--dhcp-leasefile=${leases}`],
    "--dhcp-range=10.77.0.64,10.77.0.80,600",
    ...more,
  ]);
}

dhcpTest(
  "proxy mode beside dnsmasq: boot clients get both offers, others only dnsmasq's",
  ["dnsmasq"],
  async (bench) => {
    const other = await bench.network.addHost("dhcp", 254);
    const client = await bench.network.addHost("c1", undefined);
    const log = dnsmasq(bench, other.namespace).log;
    await until(() => readFileSync(log, "utf8").includes("DHCP, IP range"));
    const server = await bench.serve([{ name: "lab0", dhcp: "proxy" }]);

    const booting = await bench.ask(client, mac, discover(uefi));
    expect(booting.find(({ from }) => from === "10.77.0.1:67")).toMatchObject({
      type: "DHCPOFFER",
      yiaddr: "0.0.0.0",
      siaddr: "10.77.0.1",
      file: "ipxe.efi",
      vendorClass: "PXEClient",
      discoveryControl: 8,
    });
    expect(booting.find(({ from }) => from === "10.77.0.254:67")?.yiaddr).toStartWith("10.77.0.");

    const others = await bench.ask(client, mac, discover(plain));
    expect(others.map(({ from }) => from)).toEqual(["10.77.0.254:67"]);
    expect(server.events().at(-1)).toMatchObject({
      outcome: "ignored",
      answer: "does not boot from the network",
    });
  },
);

dhcpTest("rule 2: in proxy mode a client with an address is answered on 4011", [], async (bench) => {
  await bench.serve([{ name: "lab0", dhcp: "proxy" }]);
  const client = await bench.network.addHost("c1", 64);
  const ciaddr = 0x0a4d0040;
  const asked = { ciaddr, to: "10.77.0.1", port: 4011, options: { messageType: "DHCPREQUEST", ...http } };
  expect(await bench.ask(client, mac, asked)).toMatchObject([
    {
      from: "10.77.0.1:4011",
      type: "DHCPACK",
      yiaddr: "0.0.0.0",
      file: "http://10.77.0.1:8080/boot/ipxe.efi",
    },
  ]);
});

dhcpTest(
  "rule 2: where another DHCP server of this host holds 67, proxy mode answers on 4011 alone",
  ["dnsmasq"],
  async (bench) => {
    const { network } = bench;
    const log = dnsmasq(bench, network.server).log;
    await until(() => readFileSync(log, "utf8").includes("DHCP, IP range"));
    const server = await bench.serve([{ name: "lab0", dhcp: "proxy" }]);
    expect(readFileSync(server.log, "utf8")).toContain("answering on 4011 alone");
    const client = await network.addHost("c1", 64);
    const asked = {
      ciaddr: 0x0a4d0040,
      to: "10.77.0.1",
      port: 4011,
      options: { messageType: "DHCPREQUEST", ...uefi },
    };
    expect(await bench.ask(client, mac, asked)).toMatchObject([{ from: "10.77.0.1:4011", file: "ipxe.efi" }]);
    expect((await bench.ask(client, mac, discover(plain))).map(({ from }) => from)).toEqual(["10.77.0.1:67"]);
  },
);

dhcpTest("full mode refuses to start where 67 is taken, and says what to do", ["dnsmasq"], async (bench) => {
  const log = dnsmasq(bench, bench.network.server).log;
  await until(() => readFileSync(log, "utf8").includes("DHCP, IP range"));
  const started = bench.serve([{ name: "lab0", dhcp: "full", range: "10.77.0.100-10.77.0.150" }]);
  await expect(started).rejects.toThrow("UDP port 67 on lab0 is taken by another program");
});

dhcpTest(
  "an interface that is configured twice is refused: only the first would be served",
  [],
  async (bench) => {
    const full = { name: "lab0", dhcp: "full", range: "10.77.0.100-10.77.0.150" };
    await expect(bench.serve([full, { ...full, dhcp: "proxy" }])).rejects.toThrow("configured for it twice");
  },
);

dhcpTest(
  "an interface without a carrier is served: who plugs a cable in is answered at once",
  [],
  async (bench) => {
    const { lan } = bench.network;
    const client = await bench.network.addHost("c1", undefined);
    await run(["ip", "-n", lan, "link", "set", "srv", "down"]);
    await bench.serve([{ name: "lab0", dhcp: "proxy" }]);
    const config = join(bench.directory, "labctl.yaml");
    writeFileSync(config, JSON.stringify({ interfaces: [{ name: "lab0", dhcp: "proxy" }] }));
    const doctor = [
      process.execPath,
      join(import.meta.dir, "../../src/main.ts"),
      "doctor",
      "--config",
      config,
    ];
    const found = await tryRun([...doctor, "-o", "json"], { namespace: bench.network.server });
    expect(JSON.parse(found.stdout)).toContainEqual(
      expect.objectContaining({
        check: "interface lab0",
        result: "warn",
        detail: "10.77.0.1, dhcp proxy; no carrier",
      }),
    );
    await run(["ip", "-n", lan, "link", "set", "srv", "up"]);
    const answers = await bench.ask(client, mac, discover(uefi));
    expect(answers.map(({ from }) => from)).toEqual(["10.77.0.1:67"]);
  },
);

dhcpTest(
  "rule 3: another server's option 60 without 43 is overheard on the wire and named",
  ["dnsmasq"],
  async (bench) => {
    const other = await bench.network.addHost("dhcp", 254);
    const client = await bench.network.addHost("c1", undefined);
    const log = dnsmasq(bench, other.namespace, "--dhcp-option-force=60,PXEClient").log;
    await until(() => readFileSync(log, "utf8").includes("DHCP, IP range"));
    const server = await bench.serve([{ name: "lab0", dhcp: "proxy" }]);
    await bench.ask(client, mac, discover(uefi));
    await until(() => server.events().some(({ trouble }) => trouble === "option-60-without-43"));
    const told = server.events().find(({ trouble }) => trouble === "option-60-without-43");
    expect(told?.message).toContain("10.77.0.254 sends option 60");
  },
);

dhcpTest(
  "an interface that was down for a moment is listened on again: other servers are still overheard",
  ["dnsmasq"],
  async (bench) => {
    const other = await bench.network.addHost("dhcp", 254);
    const client = await bench.network.addHost("c1", undefined);
    const server = await bench.serve([{ name: "lab0", dhcp: "proxy" }]);
    for (const state of ["down", "up"])
      await run(["ip", "-n", bench.network.server, "link", "set", "lab0", state]);
    const log = dnsmasq(bench, other.namespace, "--dhcp-option-force=60,PXEClient").log;
    await until(() => readFileSync(log, "utf8").includes("DHCP, IP range"));
    await until(async () => {
      await bench.ask(client, mac, discover(uefi));
      return server.events().some(({ trouble }) => trouble === "option-60-without-43");
    });
  },
);

dhcpTest(
  "rule 9: a second proxyDHCP server on the wire is overheard and named",
  ["dnsmasq"],
  async (bench) => {
    const other = await bench.network.addHost("dhcp", 254);
    const client = await bench.network.addHost("c1", undefined);
    bench.background(other.namespace, [
      "dnsmasq",
      ...[
        "--no-daemon",
        "--conf-file=/dev/null",
        "--port=0",
        "--user=root",
        "--pid-file=",
        "--interface=lab0",
      ],
      ...["--dhcp-range=10.77.0.0,proxy", "--pxe-service=x86-64_EFI,other,other.efi"],
    ]);
    const server = await bench.serve([{ name: "lab0", dhcp: "proxy" }]);
    await until(async () => {
      await bench.ask(client, mac, discover(uefi));
      return server.events().some(({ trouble }) => trouble === "second-proxy");
    });
  },
);

dhcpTest(
  "rule 11: a machine behind a real relay is served from the relayed range",
  ["dhcrelay", "udhcpc"],
  async (bench) => {
    const { network, scope } = bench;
    const relay = await network.addHost("relay", 2);
    const far = `${network.server}-far`;
    await run(["ip", "netns", "add", far]);
    scope.defer(async () => {
      await run(["ip", "netns", "delete", far]);
    });
    await run([
      "ip",
      "-n",
      relay.namespace,
      "link",
      "add",
      "far0",
      "type",
      "veth",
      "peer",
      "name",
      "lab0",
      "netns",
      far,
    ]);
    await run(["ip", "-n", relay.namespace, "address", "add", "10.99.0.1/24", "dev", "far0"]);
    await run(["ip", "-n", relay.namespace, "link", "set", "far0", "up"]);
    await run(["ip", "-n", far, "link", "set", "lab0", "up"]);
    await run(["ip", "-n", network.server, "route", "add", "10.99.0.0/24", "via", "10.77.0.2"]);
    const server = await bench.serve([
      {
        name: "lab0",
        dhcp: "full",
        range: "10.77.0.100-10.77.0.150",
        relayed: [{ subnet: "10.99.0.0/24", range: "10.99.0.50-10.99.0.60", gateway: "10.99.0.1" }],
      },
    ]);
    bench.background(relay.namespace, [
      "dhcrelay",
      "-4",
      "-d",
      "-a",
      "-id",
      "far0",
      "-iu",
      "lab0",
      "10.77.0.1",
    ]);
    const udhcpc = ["udhcpc", "-i", "lab0", "-n", "-q", "-t", "5", "-T", "1", "-s", bench.hook];
    const { stdout } = await tryRun(udhcpc, { namespace: far, timeoutMs: 20_000 });
    expect(stdout).toMatch(/event=bound ip=10\.99\.0\.50 .*router=10\.99\.0\.1 /);
    expect(server.events().map(({ answer }) => answer)).toContain("DHCPACK 10.99.0.50");
  },
);

dhcpTest(
  "perfdhcp: hundreds of new clients, none unanswered, no address twice, every acknowledged lease on disk after kill -9",
  ["perfdhcp"],
  async (bench) => {
    const server = await bench.serve([
      {
        name: "lab0",
        dhcp: "full",
        range: "10.77.0.5-10.77.0.250",
        relayed: [{ subnet: "10.77.128.0/17", range: "10.77.128.1-10.77.255.250" }],
      },
    ]);
    const relay = await bench.network.addHost("perf", 3);
    // perfdhcp plays a relay: its own address, on the relayed network, is giaddr.
    await run(["ip", "-n", relay.namespace, "address", "flush", "dev", "lab0"]);
    await run(["ip", "-n", relay.namespace, "address", "add", "10.77.255.254/16", "dev", "lab0"]);
    await run(["ip", "-n", bench.network.server, "route", "add", "10.77.128.0/17", "dev", "lab0"]);
    // Judged by what arrives, not by how fast: a busy machine only takes longer (-d: ten seconds are no drop).
    const load = ["-r", "200", "-n", "500", "-d", "10", "-R", "100000", "-W", "2000000", "-u"];
    const { stdout } = await tryRun(["perfdhcp", "-4", ...load, "-l", "lab0", "10.77.0.1"], {
      namespace: relay.namespace,
      timeoutMs: 50_000,
    });
    await server.kill();
    const count = (what: RegExp) => [...stdout.matchAll(what)].map((found) => Number(found[1]));
    expect(count(/^drops: (\d+)$/gm)).toEqual([0, 0]);
    expect(count(/^non unique addresses: (\d+)$/gm)).toEqual([0, 0]);
    const acknowledged = count(/^received packets: (\d+)$/gm).at(-1) ?? 0;
    expect(acknowledged).toBeGreaterThan(300);
    const database = new Database(join(bench.directory, "db.sqlite"), { readonly: true });
    const saved = database.query<{ n: number }, []>("SELECT count(*) AS n FROM dhcp_leases").get();
    database.close();
    expect(saved?.n).toBeGreaterThanOrEqual(acknowledged);
  },
);

const settings = { server: "10.77.0.1", httpPort: 8080, program: "ipxe" } as const;

/** What each server, configured by our snippet, tells each client. */
async function followsSnippet(bench: DhcpBench, from: string, alsoNoProxyDhcp: boolean): Promise<void> {
  const client = await bench.network.addHost("c1", undefined);
  const offers = async (options: object) => {
    const [offer] = (await bench.ask(client, mac, discover(options))).filter(
      (answer) => answer.from === from,
    );
    return offer;
  };
  await until(async () => (await offers(plain)) !== undefined);
  expect(await offers(bios)).toMatchObject({ siaddr: "10.77.0.1", file: "undionly.kpxe" });
  expect(await offers(uefi)).toMatchObject({ siaddr: "10.77.0.1", file: "ipxe.efi" });
  expect((await offers(uefi))?.vendorClass).toBeUndefined();
  expect(await offers(http)).toMatchObject({
    file: "http://10.77.0.1:8080/boot/ipxe.efi",
    vendorClass: "HTTPClient",
  });
  expect(await offers(ipxe)).toMatchObject({ file: "http://10.77.0.1:8080/boot.ipxe" });
  if (alsoNoProxyDhcp) expect((await offers({ ...ipxe, ipxe: {} }))?.noProxyDhcp).toBe(true);
  expect((await offers(plain))?.file ?? "").toBe("");
}

const snippet = (bench: DhcpBench, kind: SnippetKind, wrap: (text: string) => string) => {
  const file = join(bench.directory, `snippet.${kind}`);
  writeFileSync(file, wrap(renderDhcpSnippet(kind, settings)));
  return file;
};

dhcpTest(
  "the snippet for dnsmasq is taken by dnsmasq, and its clients are sent here",
  ["dnsmasq"],
  async (bench) => {
    const other = await bench.network.addHost("dhcp", 254);
    const file = snippet(bench, "dnsmasq", (text) => text);
    await run(["dnsmasq", "--test", `--conf-file=${file}`]);
    dnsmasq(bench, other.namespace, `--conf-file=${file}`);
    await followsSnippet(bench, "10.77.0.254:67", true);
  },
);

dhcpTest(
  "the snippet for ISC dhcpd is taken by dhcpd, and its clients are sent here",
  ["dhcpd"],
  async (bench) => {
    const other = await bench.network.addHost("dhcp", 254);
    const network = "subnet 10.77.0.0 netmask 255.255.255.0 { range 10.77.0.64 10.77.0.80; }\n";
    const file = snippet(bench, "isc", (text) => `${text}${network}`);
    const leases = join(bench.directory, "dhcpd.leases");
    writeFileSync(leases, "");
    await run(["dhcpd", "-4", "-t", "-cf", file]);
    const pid = join(bench.directory, "dhcpd.pid");
    bench.background(other.namespace, ["dhcpd", "-4", "-f", "-cf", file, "-lf", leases, "-pf", pid, "lab0"]);
    await followsSnippet(bench, "10.77.0.254:67", false);
  },
);

dhcpTest(
  "the snippet for Kea is taken by Kea, and its clients are sent here",
  ["kea-dhcp4"],
  async (bench) => {
    const other = await bench.network.addHost("dhcp", 254);
    const file = snippet(
      bench,
      "kea",
      (text) => `{"Dhcp4": {
      "interfaces-config": {"interfaces": ["lab0"]},
      "lease-database": {"type": "memfile", "persist": false},
      "subnet4": [{"id": 1, "subnet": "10.77.0.0/24", "pools": [{"pool": "10.77.0.64 - 10.77.0.80"}]}],
      ${text}
    }}`,
    );
    await run(["kea-dhcp4", "-t", file], { namespace: other.namespace });
    const env = { KEA_PIDFILE_DIR: bench.directory, KEA_LOCKFILE_DIR: bench.directory };
    const kea = bench.background(other.namespace, [
      "env",
      ...Object.entries(env).map((pair) => pair.join("=")),
      "kea-dhcp4",
      "-c",
      file,
    ]);
    await until(() => {
      if (!kea.running()) throw new Error(tailOf(kea.log));
      return readFileSync(kea.log, "utf8").includes("DHCP4_STARTED");
    });
    await followsSnippet(bench, "10.77.0.254:67", false);
  },
);
