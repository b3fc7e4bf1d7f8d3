import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import tls from "node:tls";
import { z } from "zod";
import { buildExecutable } from "../lab/artifacts.ts";
import { atTime, atTimeOf, createStack, type Stack, until } from "./stack.ts";

let stack: Stack;
beforeAll(async () => {
  await buildExecutable();
  stack = createStack();
  await stack.startLabd();
}, 60_000);
afterAll(() => stack.stop());

const describe = async (name: string) => (await stack.labctl("describe", `server/${name}`)).stdout;
const certificateOf = (on: Stack, name: string) =>
  z
    .object({ certificatePem: z.string() })
    .parse(JSON.parse(readFileSync(join(on.stateOf(name), "agent.json"), "utf8"))).certificatePem;

test.each([
  ["ahead", "+5h", "5 h ahead of"],
  ["behind", "-5h", "5 h behind"],
  ["fast", "+4d", "4 d ahead of"],
])(
  "a clock that is %s by %s: the agent joins and works, and both sides say whose clock it is",
  async (name, shift, words) => {
    expect((await stack.join(name, undefined, atTime(shift))).code).toBe(0);
    stack.startAgent(name, atTime(shift));
    await stack.connected(name);
    expect((await stack.labctl("exec", `server/${name}`, "--", "echo", "on")).stdout).toBe("on\n");
    await until("the agent says so", () => stack.log(name).includes(`this host's clock is ${words} labd's`));
    await until("labd says so", () => stack.log("labd").includes(`the host's clock is ${words} ours`));
    await until("describe says so", async () => (await describe(name)).includes(words));
    expect((await stack.onHost(name, "status")).stdout).toContain(words);
    // By its own clock the certificate of the fast one would be due at once, and again and again.
    expect(stack.log(name)).not.toContain("the certificate was renewed");
  },
);

test.each([
  ["-3d", "is not valid yet by this host's clock, which is 3 d behind labd's"],
  ["+40d", "has ended by this host's clock, which is 40 d ahead of labd's"],
])(
  "joining with a clock that is wrong by %s fails, names the clock, and costs no token",
  async (shift, words) => {
    const token = (await stack.labctl("token", "create", "--uses", "1")).stdout.trim();
    const refused = await stack.join(`wrong${shift}`, token, atTime(shift));
    expect(refused.code).toBe(8);
    expect(refused.stderr).toContain(words);
    expect(refused.stderr).toContain("timedatectl set-ntp true");
    expect((await stack.labctl("token", "list")).stdout).toContain("usable");
  },
);

test("an agent whose clock is days behind keeps trying, says why, and labd says what it sees", async () => {
  await stack.join("slow");
  stack.startAgent("slow", atTime("-3d"));
  const words = "labd's certificate is not valid yet by this host's clock, which is 3 d behind labd's";
  await until("the agent says so", () => stack.log("slow").includes(words));
  await until("its status says so", async () =>
    (await stack.onHost("slow", "status")).stdout.includes(words),
  );
  expect(stack.log("labd")).toContain("the other end may not accept labd's certificate");
}, 30_000);

test("certificates are renewed in time by themselves, labd's without a restart", async () => {
  const other = createStack(1);
  const now = join(other.directory, "now");
  const setClock = (shift: string) => writeFileSync(now, `${shift}\n`);
  const server = () =>
    new Promise<string>((resolve, reject) => {
      const socket = tls.connect({ port: other.port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().fingerprint256);
        socket.destroy();
      });
      socket.on("error", reject);
    });
  try {
    setClock("+0");
    const labd = await other.startLabd("labd", atTimeOf(now));
    await other.join("n1", undefined, atTimeOf(now));
    other.startAgent("n1", atTimeOf(now));
    await other.connected("n1");
    const [first, own] = [certificateOf(other, "n1"), await server()];

    setClock("+4d");
    await Bun.sleep(12_000);
    expect(certificateOf(other, "n1")).toBe(first);
    setClock("+5d");
    await until("the agent renewed", () => certificateOf(other, "n1") !== first, 20_000);
    expect(await server()).toBe(own);

    setClock("+21d");
    await until("labd renewed its own", async () => (await server()) !== own, 20_000);
    expect(labd.exitCode).toBeNull();
    // Weeks ahead at one stroke: the agent's certificate ended in the meantime, and it is told so.
    other.startAgent("n1", atTimeOf(now));
    await until("it is told", () => other.log("n1").includes("your certificate ended on"));
  } finally {
    await other.stop();
  }
}, 90_000);
