import { expect } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { dhcpTest, until } from "../dhcp/bench.ts";
import { buildExecutable } from "../lab/artifacts.ts";
import { executable } from "../lab/bastion.ts";
import { type Output, tryRun } from "../lab/process.ts";

interface Told {
  mac: string;
  story: { text: string }[];
  end:
    | { kind: "boots"; what: string }
    | { kind: "stopped"; stop: { reason: string; detail: string; next: string } };
}

/** `labctl doctor --play-firmware` as a user runs it; what it found, and its exit status. */
async function play(
  namespace: string,
  firmware: string,
  mac?: string,
): Promise<Told & Pick<Output, "status">> {
  const args = ["--interface", "lab0", "--firmware", firmware, "-o", "json", ...(mac ? ["--mac", mac] : [])];
  const { stdout, stderr, status } = await tryRun([executable, "doctor", "--play-firmware", ...args], {
    namespace,
    timeoutMs: 100_000,
  });
  if (!stdout.startsWith("{")) throw new Error(stderr);
  return { ...JSON.parse(stdout), status };
}

dhcpTest(
  "every firmware walks to the kernel of the built bastion, and leaves no machine behind",
  [],
  async (bench) => {
    await buildExecutable();
    const { network, directory } = bench;
    const socket = join(directory, "bastion.sock");
    const config = join(directory, "bastion.yaml");
    for (const arch of ["x86_64", "arm64"]) {
      for (const file of ["vmlinuz", "initrd.img"])
        await Bun.write(join(directory, "ram", arch, file), "a kernel, say");
    }
    const nic = { name: "lab0", dhcp: "full", range: "10.77.0.100-10.77.0.150", probe: false };
    writeFileSync(
      config,
      JSON.stringify({
        dataDir: join(directory, "data"),
        adminSocket: socket,
        ramDir: join(directory, "ram"),
        logLevel: "debug",
        interfaces: [nic],
      }),
    );
    const { log } = bench.background(network.server, [executable, "bastion", "run", "--config", config]);
    await until(() => readFileSync(log, "utf8").includes("bastion is ready"));
    const client = await network.addHost("c1", 2);
    // Another host of the lab, and the bastion's own.
    const names = ["uefi", "uefi-http", "arm64", "bios", "ipxe"];
    const played = await Promise.all([
      ...names.map((name) => play(client.namespace, name)),
      play(network.server, "uefi", "02:6c:61:62:00:99"),
    ]);
    for (const { end, status } of played) {
      expect(end).toMatchObject({ kind: "boots", what: expect.stringContaining("labctl.task=discover") });
      expect(status).toBe(0);
    }
    expect(played.map(({ story }) => story.some(({ text }) => text.startsWith("TFTP ")))).toEqual([
      true,
      false,
      true,
      true,
      false,
      true,
    ]);
    await until(
      () => (readFileSync(log, "utf8").match(/DHCPRELEASE: released/g) ?? []).length === played.length,
    );
    const environment = { LABCTL_SOCKET: socket };
    const list = await tryRun([executable, "provision", "list", "-o", "json"], { env: environment });
    expect(JSON.parse(list.stdout)).toEqual([]);
  },
);

dhcpTest(
  "dnsmasq is walked as firmware walks it: TFTP, then iPXE's own script",
  ["dnsmasq"],
  async (bench) => {
    const { network, directory } = bench;
    const client = await network.addHost("c1", 2);
    await Bun.write(join(directory, "tftp/undionly.kpxe"), new Uint8Array(70_000));
    await Bun.write(join(directory, "tftp/boot.ipxe"), "#!ipxe\necho nothing to install\nexit 1\n");
    const { log } = bench.background(network.server, [
      "dnsmasq",
      ...["--no-daemon", "--conf-file=/dev/null", "--port=0", "--user=root", "--no-ping", "--pid-file="],
      ...["--interface=lab0", "--dhcp-range=10.77.0.64,10.77.0.80,600", "--dhcp-match=set:ipxe,175"],
      ...["--dhcp-boot=tag:!ipxe,undionly.kpxe", "--dhcp-boot=tag:ipxe,boot.ipxe", "--enable-tftp"],
      ...[`--tftp-root=${join(directory, "tftp")}`, `--dhcp-leasefile=${join(directory, "leases")}`],
    ]);
    await until(() => readFileSync(log, "utf8").includes("DHCP, IP range"));
    const { end, story } = await play(client.namespace, "bios");
    expect(end).toEqual({ kind: "boots", what: "its local disk: nothing to install" });
    const told = story.map(({ text }) => text).join("\n");
    expect(told).toContain("undionly.kpxe has 70000 bytes");
    expect(told).toContain("undionly.kpxe: 70000 bytes in");
    expect(told).toContain("boot.ipxe: ");
  },
);

dhcpTest("each fault of a server is found and named", [], async (bench) => {
  const { network } = bench;
  const client = await network.addHost("c1", 2);
  const server = [process.execPath, join(import.meta.dir, "broken-server.ts"), "lab0", network.serverAddress];
  const { log } = bench.background(network.server, server);
  await until(() => readFileSync(log, "utf8").includes("ready"));
  const faults: [who: number, firmware: string, reason: string, detail: string][] = [
    [1, "ipxe", "no-offer", "nobody answered 4 DHCPDISCOVERs"],
    [2, "ipxe", "nak", "10.77.0.1 refused the address"],
    [3, "bios", "tftp-refused", "tftp://10.77.0.1/missing.kpxe: error 1, File not found"],
    [4, "bios", "tftp-broken", "grants blksize 9000, which was not asked for"],
    [5, "ipxe", "http-unreachable", "http://10.77.0.1:9/boot.ipxe"],
    [6, "ipxe", "http-status", "/missing.ipxe: status 404, 'no such page'"],
    [7, "uefi-http", "http-redirect", "redirects (301) to http://10.77.0.1:8080/elsewhere.efi"],
    [8, "uefi-http", "http-no-length", "without Content-Length"],
    [9, "ipxe", "not-a-script", "'<html>Welcome to the default page</html>'"],
    [10, "ipxe", "dispatch-refused", "nothing to boot for this machine"],
    [11, "ipxe", "kernel-missing", "http://10.77.0.1:8080/ram/vmlinuz: status 404"],
    [12, "ipxe", "no-way-there", "'ftp://10.77.0.1/boot.ipxe'"],
    [14, "ipxe", "http-status", "/denied.ipxe: status 403"],
  ];
  const macOf = (who: number) => `02:6c:61:62:01:${who.toString(16).padStart(2, "0")}`;
  const [local, ...told] = await Promise.all([
    play(client.namespace, "ipxe", macOf(13)),
    ...faults.map(([who, firmware]) => play(client.namespace, firmware, macOf(who))),
  ]);
  expect(local?.end).toEqual({ kind: "boots", what: "its local disk: installed already" });
  for (const [index, [, , reason, detail]] of faults.entries()) {
    const found = told[index];
    expect(found?.end).toMatchObject({
      kind: "stopped",
      stop: { reason, detail: expect.stringContaining(detail) },
    });
    expect(found?.status).toBe(7);
  }
});
