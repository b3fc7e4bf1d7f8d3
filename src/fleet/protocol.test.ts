import { expect, test } from "bun:test";
import fc from "fast-check";
import { agreeOnVersion, readAgentMessage, readLabdMessage } from "./protocol.ts";

test("two sides speak the highest version both know", () => {
  expect(agreeOnVersion([1, 2, 3], [1, 2])).toBe(2);
  expect(agreeOnVersion([1], [1, 2])).toBe(1);
  expect(agreeOnVersion([3], [1, 2])).toBeUndefined();
});

test("a message of a kind a newer side invented is unknown, not an error; fields it added are ignored", () => {
  expect(readLabdMessage('{"kind":"sing","song":1}')).toEqual({ kind: "unknown" });
  expect(readLabdMessage('{"kind":"cancel","command":"c1","why":"new"}')).toEqual({
    kind: "message",
    message: { kind: "cancel", command: "c1" },
  });
});

test("a message that is wrong says where", () => {
  expect(readAgentMessage('{"kind":"exit","command":"c","seq":0,"code":0,"signal":null}')).toMatchObject({
    kind: "invalid",
    reason: expect.stringContaining("exit: seq"),
  });
  expect(readAgentMessage("{")).toEqual({ kind: "invalid", reason: "it is not JSON" });
});

test("whatever arrives, reading it throws nothing", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) =>
      ["message", "unknown", "invalid"].includes(readAgentMessage(text).kind),
    ),
  );
});
