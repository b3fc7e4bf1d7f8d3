import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket, WebSocketServer } from "ws-node";
import { z } from "zod";
import { createRoot, createSigningRequest, issueLeaf, type Root } from "../../src/access/certificates.ts";
import { buildExecutable } from "../lab/artifacts.ts";
import { executable } from "../lab/bastion.ts";
import { createStack, type Stack, until } from "./stack.ts";

const message = z.looseObject({ kind: z.string() });
type Message = z.output<typeof message>;
const vitals = { uptime: 1, load: [0, 0, 0], memory: { total: 1, available: 1 }, disks: [] };
let stack: Stack;
beforeAll(async () => {
  await buildExecutable();
  stack = createStack();
  await stack.startLabd();
}, 60_000);
afterAll(() => stack.stop());

/** An agent of this file's making, with a real host's certificate. */
async function connectAs(name: string) {
  await stack.join(name);
  const state = z
    .object({ certificatePem: z.string(), keyPem: z.string(), authoritiesPem: z.string() })
    .parse(JSON.parse(readFileSync(join(stack.stateOf(name), "agent.json"), "utf8")));
  const socket = new WebSocket(`wss://127.0.0.1:${stack.port}/api/v1/agent`, {
    ca: state.authoritiesPem,
    cert: state.certificatePem,
    key: state.keyPem,
  });
  const received: Message[] = [];
  let closed: string | undefined;
  socket.on("message", (data) => received.push(message.parse(JSON.parse(String(data)))));
  socket.on("close", (code, reason) => {
    closed = `${code} ${reason}`;
  });
  await new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
  return {
    send: (value: unknown) => socket.send(JSON.stringify(value)),
    get: (kind: string) =>
      until(`a ${kind}`, () => received.some((each) => each.kind === kind)).then(
        () => received.find((each) => each.kind === kind) ?? { kind },
      ),
    closed: () => until("its end", () => closed !== undefined).then(() => closed),
    end: () => socket.terminate(),
  };
}

// As the first agents said it, before there were features, clocks and health.
const oldHello = { kind: "hello", versions: [1], agent: "0.0.9", boot: "b1" };

test("an agent of the first version works with this labd, but for what it does not know", async () => {
  const old = await connectAs("old");
  old.send(oldHello);
  expect(await old.get("welcome")).toMatchObject({ version: 1, heartbeat: 1000, commands: [] });
  old.send({ kind: "heartbeat", vitals });
  const ran = stack.spawn("exec", "server/old", "--", "true");
  const { command } = z.object({ command: z.string() }).parse(await old.get("run"));
  old.send({ kind: "output", command, seq: 1, stream: "stdout", data: btoa("from the past\n") });
  old.send({ kind: "exit", command, seq: 2, code: 0, signal: null });
  expect(await new Response(ran.stdout).text()).toBe("from the past\n");
  const moved = await stack.labctl("agent", "move", "server/old", "--to", "127.0.0.1:1");
  expect(moved).toMatchObject({
    code: 8,
    stderr: expect.stringContaining("the agent of server/old is too old"),
  });
  old.end();
});

test("an agent of the future: what labd does not know of it is ignored and counted, never fatal", async () => {
  const future = await connectAs("future");
  future.send({ ...oldHello, versions: [1, 2, 3], agent: "9.0.0", features: ["telepathy"], mood: "good" });
  expect(await future.get("welcome")).toMatchObject({ version: 1 });
  future.send({ kind: "sing", song: 1 });
  future.send({ kind: "heartbeat", vitals: { ...vitals, gravity: 9.81 }, now: Date.now(), phase: "full" });
  future.send({ kind: "sing", song: 2 });
  await until("both are counted", async () =>
    (await stack.labctl("describe", "server/future")).stdout.includes("unknown messages  2"),
  );
  expect((await stack.labctl("get", "servers")).stdout).toMatch(/^future +connected/m);
  future.end();
});

test("an agent that shares no version with labd is told which it speaks", async () => {
  const stranger = await connectAs("stranger");
  stranger.send({ ...oldHello, versions: [7] });
  expect(await stranger.closed()).toBe("4002 labd speaks the protocol versions 1");
});

test("a message of a known kind that is wrong ends the connection, and its reason is told", async () => {
  const broken = await connectAs("broken");
  broken.send(oldHello);
  await broken.get("welcome");
  broken.send({ kind: "output", command: "c", seq: "first", stream: "stdout", data: "" });
  expect(await broken.closed()).toStartWith("4003 output: seq");
});

/** A labd of this file's making, which says exactly what it is told to. */
async function startOtherLabd(
  root: Root,
  script: (send: (value: unknown) => void, received: Message[]) => void,
) {
  const leaf = async (holder: "server" | "agent", name: string) => {
    const { keyPem, csrPem } = await createSigningRequest(name);
    const now = Date.now();
    const addresses = holder === "server" ? ["127.0.0.1"] : [];
    const { pem } = await issueLeaf(root, csrPem, {
      holder,
      name,
      addresses,
      notBefore: now - 60_000,
      notAfter: now + 7 * 86_400_000,
    });
    return { keyPem, pem };
  };
  const own = await leaf("server", "labd");
  const https = createServer({ key: own.keyPem, cert: own.pem });
  const received: Message[] = [];
  new WebSocketServer({ server: https }).on("connection", (socket) => {
    socket.on("message", (data) => {
      const read = message.parse(JSON.parse(String(data)));
      received.push(read);
      if (read.kind === "hello") script((value) => socket.send(JSON.stringify(value)), received);
    });
  });
  await new Promise<void>((resolve) => https.listen(0, "127.0.0.1", resolve));
  const address = https.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return { port, received, agent: await leaf("agent", "n1"), stop: () => https.close() };
}

test.each([
  ["the first version", { commands: [] }, []],
  [
    "the future",
    { commands: [], features: ["telepathy", "confirm"], labels: {}, authorities: undefined, weather: "fine" },
    [
      { kind: "sing", song: 1 },
      { kind: "heard", now: Date.now(), tempo: 3 },
    ],
  ],
])("this agent works with a labd of %s", async (_, welcome, more) => {
  const directory = mkdtempSync(join(tmpdir(), "labctl-protocol-"));
  const root = await createRoot("other", Date.now(), 86_400_000 * 30);
  const labd = await startOtherLabd(root, (send) => {
    send({ kind: "welcome", version: 1, heartbeat: 1000, ...welcome });
    for (const each of more) send(each);
    send({ kind: "run", command: "c1", spec: { argv: ["echo", "hello"] }, urgency: "none" });
  });
  const state = join(directory, "state");
  mkdirSync(state);
  writeFileSync(
    join(state, "agent.json"),
    JSON.stringify({
      server: `https://127.0.0.1:${labd.port}`,
      name: "n1",
      keyPem: labd.agent.keyPem,
      certificatePem: labd.agent.pem,
      authoritiesPem: root.pem,
    }),
  );
  const agent = Bun.spawn([executable, "agent", "run", "--state", state], { stderr: "ignore" });
  try {
    await until("the command ran", () => labd.received.some(({ kind }) => kind === "exit"));
    const output = labd.received.find(({ kind }) => kind === "output");
    expect(Buffer.from(String(output?.data), "base64").toString()).toBe("hello\n");
    await until("heartbeats", () => labd.received.filter(({ kind }) => kind === "heartbeat").length > 2);
    // Only what labd said it knows is said to it.
    const health = labd.received.some(({ kind }) => kind === "health");
    expect(health).toBe(false);
    const status = Bun.spawnSync([executable, "agent", "status", "--state", state, "-o", "json"]);
    const counted = more.filter(({ kind }) => kind === "sing").length;
    expect(JSON.parse(status.stdout.toString())).toMatchObject({ state: "connected", ignored: counted });
  } finally {
    agent.kill();
    await agent.exited;
    labd.stop();
    rmSync(directory, { recursive: true, force: true });
  }
});
