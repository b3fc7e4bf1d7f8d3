import { expect, test } from "bun:test";
import { createLocalGate, createRoomApp } from "../http/testdata/local-gate.ts";
import { createManualClock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import { silentLogger } from "../platform/logger.ts";
import { parseMac } from "../platform/mac.ts";
import { openStore } from "../store/database.ts";
import { createBootHistory } from "./history-service.ts";
import type { RecordedBoot } from "./record-repository.ts";
import { bootRecordSchema, createBootRecordRoutes } from "./routes.ts";

const mac = parseMac("52:54:00:12:34:56");
const second = parseMac("52:54:00:12:34:57");
const boot: RecordedBoot = {
  id: 1,
  mac,
  startedAt: 1000,
  lastAt: 9000,
  phase: 2,
  dropped: 0,
  entries: [
    {
      fact: { kind: "script", at: 1000, via: "ipxe", order: "local", reason: "installed", files: [] },
      times: 2,
      lastAt: 9000,
    },
  ],
};
const notFound = () => {
  throw new AppError("not-found", "no such machine");
};
const clock = createManualClock(10_000);
const { gate } = createLocalGate(openStore(":memory:"), clock);
const history = createBootHistory({
  record: { boots: (asked) => Promise.resolve(asked === mac ? [boot] : []) },
  machines: {
    // checked: of a machine the route reads its MAC alone
    find: (word) => (word === "worker-1" ? ({ mac } as never) : notFound()),
    resource: (word) => ({ name: `machine/${word}` }),
    orders: { primaryMac: (asked) => (asked === second ? mac : undefined) },
  },
  now: clock.now,
  timeOf: (at) => `second ${at / 1000}`,
});
const routes = createBootRecordRoutes(gate, history);
const app = createRoomApp(gate, [routes], silentLogger);
const peer = { kind: "local", uid: 0, user: "root" } as const;
const get = (word: string) =>
  app.fetch(new Request(`http://labctl/api/v1/machines/${word}/boot`), {
    clientIp: "",
    baseUrl: "",
    untimed: () => {},
    peer,
  });

test("a machine's record is found by any of its MACs and by its name, each boot with its verdict", async () => {
  for (const word of [mac, "52-54-00-12-34-56", second, "worker-1"]) {
    const answer = bootRecordSchema.parse(await (await get(word)).json());
    expect(answer.boots[0]?.verdict).toEqual({
      outcome: "done",
      text: "sent to its local disk at second 1: installed",
    });
    expect(answer.boots[0]?.events[0]).toMatchObject({
      at: 1000,
      lastAt: 9000,
      times: 2,
      text: "iPXE script: local (installed)",
    });
  }
});

test("a machine nothing was recorded of is told what to do", async () => {
  const answer = await get("52:54:00:00:00:01");
  expect(answer.status).toBe(404);
  expect(await answer.json()).toMatchObject({ hint: expect.stringContaining("network boot first") });
  expect((await get("nobody")).status).toBe(404);
});
