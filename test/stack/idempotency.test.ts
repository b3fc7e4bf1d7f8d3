import { afterAll, beforeAll, expect, test } from "bun:test";
import { buildExecutable } from "../lab/artifacts.ts";
import { createStack, type Stack } from "./stack.ts";

let stack: Stack;
beforeAll(async () => {
  await buildExecutable();
  stack = createStack(4);
}, 60_000);
afterAll(() => stack.stop());

test("a token is made once, its text given again, though labd was killed in between", async () => {
  const labd = await stack.startLabd();
  const key = crypto.randomUUID();
  const create = () =>
    fetch("http://labctl/api/v1/tokens", {
      unix: stack.socket,
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": key },
      body: JSON.stringify({ lifetime: 3_600_000, description: "made once" }),
    });
  const first = await (await create()).text();
  labd.kill("SIGKILL");
  await labd.exited;
  await stack.startLabd();
  const second = await create();
  expect(await second.text()).toBe(first);
  expect(second.headers.get("idempotency-replayed")).toBe("true");
  expect((await stack.labctl("token", "list")).stdout.split("made once")).toHaveLength(2);
}, 60_000);
