import { expect, test } from "bun:test";
import { createManualClock } from "../platform/clock.ts";
import { type AgentLink, createHub, type Exit, type Reader } from "./hub.ts";
import { commandSchema, type LabdMessage, maxChunk, readLabdMessage } from "./protocol.ts";

function setup() {
  const clock = createManualClock();
  let count = 0;
  const hub = createHub(clock, () => `c${++count}`);
  const link = (fingerprint = "f1") => {
    const sent: LabdMessage[] = [];
    const closed: string[] = [];
    const made: AgentLink = {
      fingerprint,
      features: new Set(),
      probe: async () => true,
      send: (message) => sent.push(message),
      close: async (reason) => void closed.push(reason),
    };
    return { link: made, sent, closed };
  };
  const reader = () => {
    const seen = { text: "", exits: [] as Exit[] };
    const made: Reader = {
      output: (_, data) => {
        seen.text += Buffer.from(data).toString();
      },
      inputTaken: () => {},
      exit: (exit) => seen.exits.push(exit),
    };
    return { reader: made, seen };
  };
  return { clock, hub, link, reader };
}
const work = { kind: "run" as const, spec: commandSchema.parse({ argv: ["true"] }) };
const output = (seq: number, text: string) => ({
  kind: "output" as const,
  command: "c1",
  seq,
  stream: "stdout" as const,
  data: Buffer.from(text).toString("base64"),
});

test("a command's output reaches its reader and is acknowledged; its exit ends it", () => {
  const { hub, link, reader } = setup();
  const agent = link();
  const { reader: waiting, seen } = reader();
  hub.attach("n1", "b1", agent.link);
  hub.start("n1", work, waiting);
  hub.receive("n1", output(1, "a"));
  hub.receive("n1", { kind: "exit", command: "c1", seq: 2, code: 0, signal: null });
  expect(seen).toEqual({ text: "a", exits: [{ code: 0, signal: null }] });
  expect(agent.sent.map((message) => message.kind)).toEqual(["run", "taken", "taken"]);
});

test("output is acknowledged only when its reader has taken it", async () => {
  const { hub, link } = setup();
  const agent = link();
  const { promise, resolve: take } = Promise.withResolvers<void>();
  hub.attach("n1", "b1", agent.link);
  hub.start("n1", work, { output: () => promise, inputTaken: () => {}, exit: () => {} });
  hub.receive("n1", output(1, "a"));
  expect(agent.sent.some((message) => message.kind === "taken")).toBe(false);
  take();
  await Bun.sleep(0);
  expect(agent.sent.at(-1)).toEqual({ kind: "taken", command: "c1", seq: 1 });
});

test("after a lost connection the agent is told where to go on, and what it repeats is dropped", () => {
  const { hub, link, reader } = setup();
  const first = link();
  const { reader: waiting, seen } = reader();
  hub.attach("n1", "b1", first.link);
  hub.start("n1", work, waiting);
  hub.receive("n1", output(1, "a"));
  hub.detach("n1", first.link);
  const second = link();
  expect(hub.attach("n1", "b1", second.link)).toEqual([{ command: "c1", seq: 1 }]);
  hub.receive("n1", output(1, "a"));
  hub.receive("n1", output(2, "b"));
  expect(seen.text).toBe("ab");
});

test("an agent that was restarted has lost its commands, and their readers are told", () => {
  const { hub, link, reader } = setup();
  const { reader: waiting, seen } = reader();
  hub.attach("n1", "b1", link().link);
  hub.start("n1", work, waiting);
  expect(hub.attach("n1", "b2", link().link)).toEqual([]);
  expect(seen.exits[0]?.reason).toBe("the agent was restarted");
});

test("a host that stays away is given up after a while", () => {
  const { hub, clock, link, reader } = setup();
  const agent = link();
  const { reader: waiting, seen } = reader();
  hub.attach("n1", "b1", agent.link);
  hub.start("n1", work, waiting);
  hub.detach("n1", agent.link);
  clock.advance(5 * 60_000);
  expect(seen.exits[0]?.reason).toContain("did not come back");
});

test("a revoked certificate's link is closed at once, and others are left alone", () => {
  const { hub, link } = setup();
  const bad = link("f1");
  const good = link("f2");
  hub.attach("n1", "b1", bad.link);
  hub.attach("n2", "b1", good.link);
  hub.cut(new Set(["f1"]), "revoked");
  expect(bad.closed).toEqual(["revoked"]);
  expect(good.closed).toEqual([]);
});

test("a client that goes away ends its command; what still arrives of it is refused", () => {
  const { hub, link, reader } = setup();
  const agent = link();
  hub.attach("n1", "b1", agent.link);
  hub.start("n1", work, reader().reader).cancel();
  expect(agent.sent.at(-1)).toEqual({ kind: "cancel", command: "c1" });
  hub.receive("n1", output(1, "late"));
  expect(agent.sent.at(-1)).toEqual({ kind: "cancel", command: "c1" });
});

test("a host that is not connected, or runs enough, starts nothing", () => {
  const { hub, link, reader } = setup();
  expect(() => hub.start("n1", work, reader().reader)).toThrow("server/n1 is not connected");
  hub.attach("n1", "b1", link().link);
  for (let index = 0; index < 32; index++) hub.start("n1", work, reader().reader);
  expect(() => hub.start("n1", work, reader().reader)).toThrow("runs 32 commands already");
});

test("what an agent would not take is refused to who sent it, and reaches no agent", () => {
  const { hub, link, reader } = setup();
  const agent = link();
  hub.attach("n1", "b1", agent.link);
  const argv = ["true", ...Array<string>(20).fill("x".repeat(60_000))];
  expect(() => hub.start("n1", { ...work, spec: { ...work.spec, argv } }, reader().reader)).toThrow("bytes");
  const running = hub.start("n1", work, reader().reader);
  running.input(new Uint8Array(maxChunk), false);
  expect(() => running.input(new Uint8Array(maxChunk + 1), true)).toThrow("pieces");
  expect(agent.sent.map((message) => message.kind)).toEqual(["run", "input"]);
  expect(agent.sent.map((message) => readLabdMessage(JSON.stringify(message)).kind)).toEqual([
    "message",
    "message",
  ]);
});
