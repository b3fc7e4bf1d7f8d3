import { expect, test } from "bun:test";
import { type AgentMessage, agentMessageSchema, commandSchema } from "../fleet/protocol.ts";
import type { CommandListener, RunningCommand } from "./runner.ts";
import { createCommandSession } from "./session.ts";

function setup() {
  const sent: AgentMessage[] = [];
  const started: { listener: CommandListener; calls: string[] }[] = [];
  const session = createCommandSession({
    run: (_, listener) => {
      const calls: string[] = [];
      started.push({ listener, calls });
      const running: RunningCommand = {
        input: (seq) => calls.push(`input ${seq}`),
        resize: () => calls.push("resize"),
        signal: (name) => calls.push(name),
        resume: () => calls.push("resume"),
        cancel: (reason) => calls.push(`cancel: ${reason}`),
      };
      return running;
    },
    logCommand: () => commandSchema.parse({ argv: ["journalctl"] }),
    operationCommand: () => commandSchema.parse({ argv: ["reboot"] }),
    send: (message) => {
      sent.push(message);
      return true;
    },
  });
  const run = (command: string) =>
    session.receive({ kind: "run", command, spec: commandSchema.parse({ argv: ["true"] }) });
  return { sent, started, session, run };
}

test("output is numbered, cut into messages, and held back when the window is full", () => {
  const { sent, started, run, session } = setup();
  run("c1");
  const listener = started[0]?.listener;
  expect(listener?.output("stdout", new Uint8Array(100_000))).toBe(true);
  expect(sent.map((message) => (message.kind === "output" ? message.seq : 0))).toEqual([1, 2, 3, 4]);
  expect(listener?.output("stdout", new Uint8Array(200_000))).toBe(false);
  session.receive({ kind: "taken", command: "c1", seq: 4 });
  expect(started[0]?.calls).toEqual(["resume"]);
});

test("after a reconnection what labd has is forgotten and the rest is sent again", () => {
  const { sent, started, run, session } = setup();
  run("c1");
  for (const text of ["a", "b", "c"]) started[0]?.listener.output("stdout", Buffer.from(text));
  sent.length = 0;
  session.resume([{ command: "c1", seq: 1 }]);
  expect(
    sent.map((message) => (message.kind === "output" ? Buffer.from(message.data, "base64").toString() : "?")),
  ).toEqual(["b", "c"]);
});

test("an exit that labd has not seen survives, and is forgotten once taken", () => {
  const { sent, started, run, session } = setup();
  run("c1");
  started[0]?.listener.exit({ code: 0, signal: null });
  sent.length = 0;
  session.resume([{ command: "c1", seq: 0 }]);
  expect(sent).toEqual([{ kind: "exit", command: "c1", seq: 1, code: 0, signal: null }]);
  session.receive({ kind: "taken", command: "c1", seq: 1 });
  expect(session.count).toBe(0);
});

test("a reason that quotes what was given, however long, is one labd takes", () => {
  const { sent, started, run } = setup();
  run("c1");
  started[0]?.listener.exit({ code: 127, signal: null, reason: `cannot run ${"x".repeat(4000)}` });
  expect(agentMessageSchema.safeParse(sent.at(-1)).success).toBe(true);
});

test("a command nobody waits for any more is ended; one that never arrived is told to be lost", () => {
  const { sent, started, run, session } = setup();
  run("c1");
  session.resume([{ command: "c9", seq: 4 }]);
  expect(started[0]?.calls).toEqual(["cancel: nobody waits for it any more"]);
  expect(sent.at(-1)).toMatchObject({ kind: "exit", command: "c9", seq: 5 });
});

test("more commands than the bound are refused, each told why", () => {
  const { sent, run, session } = setup();
  for (let index = 0; index < 33; index++) run(`c${index}`);
  expect(session.count).toBe(32);
  expect(sent.at(-1)).toMatchObject({ kind: "exit", command: "c32", reason: "32 commands run here already" });
});

test("stop ends every command", () => {
  const { started, run, session } = setup();
  run("c1");
  run("c2");
  session.stop("the agent stops");
  expect(started.map((each) => each.calls)).toEqual([
    ["cancel: the agent stops"],
    ["cancel: the agent stops"],
  ]);
});
