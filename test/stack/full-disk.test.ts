import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { buildExecutable, labKey } from "../lab/artifacts.ts";
import { executable } from "../lab/bastion.ts";
import { run, tryRun } from "../lab/process.ts";
import { createStack } from "./stack.ts";

const mac = "52:54:00:00:0f:01";
const [http, tftp] = [30_000 + (process.pid % 5000), 36_000 + (process.pid % 5000)];
const url = `http://127.0.0.1:${http}`;
const directory = mkdtempSync(join(tmpdir(), "labctl-full-"));
const data = join(directory, "data");
const log = join(directory, "log");
const env = {
  LABCTL_SOCKET: join(directory, "sock"),
  LABCTL_CONFIG: join(directory, "config.yaml"),
  HOME: directory,
};
const filler = join(data, "filler");
let daemon: Bun.Subprocess | undefined;

const labctl = (...words: string[]) => tryRun([executable, ...words], { env });
const post = (path: string, body: string, type = "application/json", token = "") =>
  fetch(url + path, {
    method: "POST",
    body,
    headers: { "content-type": type, authorization: `Bearer ${token}` },
  });

async function start(): Promise<void> {
  daemon = Bun.spawn([executable, "bastion", "run", "--config", env.LABCTL_CONFIG], {
    stdin: "ignore",
    stdout: openSync(log, "a"),
    stderr: openSync(log, "a"),
  });
  for (let tries = 0; tries < 300; tries++) {
    if (daemon.exitCode !== null) throw new Error(`it ended: ${readFileSync(log, "utf8")}`);
    if ((await fetch(`${url}/boot.ipxe`).catch(() => undefined))?.ok) return;
    await Bun.sleep(100);
  }
  throw new Error(`it does not answer: ${readFileSync(log, "utf8")}`);
}

async function restart(): Promise<void> {
  daemon?.kill("SIGKILL");
  await daemon?.exited;
  await start();
}

/** Takes all the room there is. */
function fill(filler: string): void {
  const piece = Buffer.alloc(64 * 1024);
  for (let size = piece.length; size >= 1; size = Math.floor(size / 4)) {
    try {
      for (;;) appendFileSync(filler, piece.subarray(0, size));
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
    }
  }
}

const isRoot = process.getuid?.() === 0;
beforeAll(async () => {
  if (!isRoot) return;
  await buildExecutable();
  mkdirSync(data);
  await run(["mount", "-t", "tmpfs", "-o", "size=6m", "labctl-test", data]);
  const config = {
    dataDir: data,
    adminSocket: env.LABCTL_SOCKET,
    imageDir: join(directory, "images"),
    interfaces: [{ name: "lo", address: "127.0.0.1", dhcp: "off" }],
    http: { port: http },
    tftp: { port: tftp },
    install: { mirrors: { debian: "http://127.0.0.1:1/debian" } },
  };
  writeFileSync(env.LABCTL_CONFIG, JSON.stringify(config));
  await start();
}, 120_000);
afterAll(async () => {
  daemon?.kill("SIGKILL");
  await daemon?.exited;
  if (isRoot) await tryRun(["umount", "-l", data]);
  rmSync(directory, { recursive: true, force: true });
});

const logged = z.object({ log_lines: z.array(z.object({ seq: z.number() })), log_total: z.number() });

test.skipIf(!isRoot)(
  "a full disk: it is said, machines go on booting, nothing acknowledged is lost, and with room it goes on",
  async () => {
    expect(
      (
        await post(
          "/api/discover",
          JSON.stringify({ version: 1, mac, system: {}, disks: [{ name: "vda", sizeBytes: 100e9 }] }),
        )
      ).status,
    ).toBe(200);
    const install = ["provision", "install", mac, "node-1", "--role", "plain", "--os", "debian-12"];
    expect(await labctl(...install, "--ssh-key", labKey)).toMatchObject({ status: 0 });
    const script = await (await fetch(`${url}/dispatch?mac=${mac}&platform=efi&arch=x86_64`)).text();
    const token = /\/install\/([\w-]+)\//.exec(script)?.[1] ?? "";
    expect((await fetch(`${url}/install/${token}/preseed.cfg`)).status).toBe(200);

    const acknowledged: number[] = [];
    const refused: number[] = [];
    const text = `${"x".repeat(900)}\n`.repeat(20);
    const send = async (first: number) => {
      const response = await post(`/api/log?seq=${first}&source=test`, text, "text/plain", token);
      if (response.ok) acknowledged.push(first);
      else refused.push(first);
      return response;
    };
    await send(1);
    fill(join(data, "filler"));
    let last = await send(21);
    for (let seq = 41; last.ok && seq < 2000; seq += 20) last = await send(seq);

    // Whoever reports is told to come back, and whoever runs it is told why.
    expect(last.status).toBe(503);
    expect(last.headers.get("retry-after")).not.toBeNull();
    expect(await last.json()).toMatchObject({ detail: expect.stringContaining("no room left to write") });
    for (let seq = 3001; seq < 3100; seq += 20) expect((await send(seq)).status).toBe(503);
    expect(readFileSync(log, "utf8").match(/no room left to write/g)).toHaveLength(1);
    const doctor = await labctl("doctor");
    expect(doctor.stdout).toMatch(/data directory +fail +.*0\.0 GB free/);

    // Machines boot: programs, scripts, and by TFTP.
    for (const path of [
      "/boot/ipxe.efi",
      "/boot.ipxe",
      `/dispatch?mac=${mac}`,
      "/dispatch?mac=52:54:00:00:0f:99",
    ]) {
      const response = await fetch(url + path);
      expect([path, response.status, (await response.bytes()).length > 0]).toEqual([path, 200, true]);
    }
    const fetched = join(directory, "undionly.kpxe");
    await run(["busybox", "tftp", "-g", "-l", fetched, "-r", "undionly.kpxe", "127.0.0.1", String(tftp)]);
    expect(readFileSync(fetched).length).toBeGreaterThan(50_000);

    // Killed and started again on the full disk, it still serves; with room it takes what it refused.
    await restart();
    expect((await fetch(`${url}/dispatch?mac=${mac}`)).status).toBe(200);
    expect((await send(4001)).status).toBe(503);
    // So is a stop, which has no room to tidy up.
    daemon?.kill("SIGTERM");
    expect(await daemon?.exited).toBe(0);
    await start();
    rmSync(filler);
    for (const seq of refused) expect((await send(seq)).status).toBe(200);
    expect(readFileSync(log, "utf8")).toContain("there is room again");
    await restart();
    const { log_lines, log_total } = logged.parse(
      JSON.parse((await labctl("provision", "logs", mac, "-o", "json")).stdout),
    );
    const kept = new Set(log_lines.map(({ seq }) => seq));
    const oldest = Math.min(...kept);
    expect(acknowledged.filter((seq) => seq >= oldest && !kept.has(seq))).toEqual([]);
    expect(log_total).toBe(20 * new Set(acknowledged).size);
  },
  120_000,
);

test.skipIf(!isRoot)(
  "labd: a command that cannot be told to the audit does not run",
  async () => {
    const stack = createStack(1);
    const data = join(stack.directory, "data");
    mkdirSync(data);
    await run(["mount", "-t", "tmpfs", "-o", "size=8m", "labctl-test", data]);
    try {
      await stack.startLabd();
      await stack.join("n1");
      stack.startAgent("n1");
      await stack.connected("n1");
      const mark = join(stack.directory, "mark");
      const touch = () => stack.labctl("exec", "server/n1", "--", "touch", mark);
      fill(join(data, "filler"));
      expect(await touch()).toMatchObject({ code: 8, stderr: expect.stringContaining("no room left") });
      await Bun.sleep(500);
      expect(existsSync(mark)).toBe(false);
      rmSync(join(data, "filler"));
      await stack.connected("n1");
      expect(await touch()).toMatchObject({ code: 0 });
      expect(existsSync(mark)).toBe(true);
      expect((await stack.labctl("audit", "verify")).code).toBe(0);
    } finally {
      await stack.stop().catch(() => {});
      await tryRun(["umount", "-l", data]);
      rmSync(stack.directory, { recursive: true, force: true });
    }
  },
  60_000,
);
