import { expect, test } from "bun:test";
import { receiveInTurn } from "./inbox.server.ts";

test("who sends faster than it is worked on waits; all comes in its order, also after a failure", async () => {
  let send = (_: Buffer) => {};
  const taken: string[] = [];
  const calls: string[] = [];
  const gates: (() => void)[] = [];
  receiveInTurn(
    {
      ...{ send() {}, ping() {}, close() {}, terminate() {}, once() {}, bufferedAmount: 0 },
      pause: () => void calls.push("pause"),
      resume: () => void calls.push("resume"),
      on(event: string, handle: (data: Buffer) => void) {
        if (event === "message") send = handle;
      },
    },
    async (text) => {
      taken.push(text.slice(0, 1));
      await new Promise<void>((resolve) => gates.push(resolve));
      if (text.startsWith("b")) throw new Error("b");
    },
    () => void calls.push("failed"),
  );
  const next = async () => {
    await Bun.sleep(0);
    gates.shift()?.();
    await Bun.sleep(0);
  };
  for (const name of ["a", "b", "c"]) send(Buffer.alloc(3 << 20, name));
  expect(calls).toEqual(["pause", "pause"]);
  await next();
  expect(calls).toEqual(["pause", "pause"]);
  await next();
  expect(calls).toEqual(["pause", "pause", "failed", "resume"]);
  await next();
  expect(taken).toEqual(["a", "b", "c"]);
});
