import { afterAll, beforeAll, expect, test } from "bun:test";
import { createConnection } from "node:net";
import { type RoomProcess, startRoomProcess } from "./room-process.ts";

let room: RoomProcess;
beforeAll(async () => {
  room = await startRoomProcess();
});
afterAll(() => room.close());

const logsOf = async (mac: string) =>
  (await (await room.admin(`/api/logs/${mac}`)).json()) as {
    log_lines: { seq: number; text: string }[];
    log_total: number;
    gaps: unknown[];
    stages: { name: string; state: string }[];
  };

test("kill -9 while lines pour in loses nothing that was acknowledged, round after round", async () => {
  const mac = "52:54:00:00:01:01";
  const token = await room.startInstall(mac, "durable");
  let next = 1;
  const acknowledged = new Set<number>();
  for (let round = 0; round < 5; round++) {
    let stop = false;
    const senders = Array.from({ length: 8 }, async () => {
      while (!stop) {
        const first = next;
        next += 3;
        const lines = [0, 1, 2].map((step) => ({ seq: first + step, text: `line ${first + step}` }));
        try {
          const response = await room.log(token, { lines });
          if (response.status === 200) for (const { seq } of lines) acknowledged.add(seq);
        } catch {
          // The server died under this request: nobody promised anything.
        }
      }
    });
    const before = acknowledged.size;
    while (acknowledged.size < before + 60) await Bun.sleep(1);
    await Bun.sleep(round * 7);
    const killed = room.killAndRestart();
    stop = true;
    await Promise.all([killed, ...senders]);
    const kept = new Set((await logsOf(mac)).log_lines.map(({ seq }) => seq));
    const oldest = Math.min(...kept);
    const lost = [...acknowledged].filter((seq) => seq >= oldest && !kept.has(seq));
    expect(lost).toEqual([]);
  }
  // What was sent and not acknowledged is sent again, as an installer does: then nothing is missing.
  for (let first = 1; first < next; first += 500) {
    const lines = Array.from({ length: Math.min(500, next - first) }, (_, step) => ({
      seq: first + step,
      text: "again",
    }));
    expect((await room.log(token, { lines })).status).toBe(200);
  }
  const { gaps, log_total } = await logsOf(mac);
  expect(gaps).toEqual([]);
  expect(log_total).toBe(next - 1);
});

test("stages, states and tokens outlive kill -9", async () => {
  const mac = "52:54:00:00:01:02";
  const token = await room.startInstall(mac, "stages");
  await room.progress(token, { seq: 1, stage: "network", state: "running" });
  await room.killAndRestart();
  expect((await room.progress(token, { seq: 2, stage: "installed", state: "done" })).status).toBe(200);
  await room.killAndRestart();
  expect((await logsOf(mac)).stages.map(({ name, state }) => [name, state])).toEqual([
    ["network", "done"],
    ["installed", "done"],
  ]);
  const machine = (await (await room.admin(`/api/v1/machines/${mac}`)).json()) as { state: string };
  expect(machine.state).toBe("installed");
});

test("a follower that stops reading is cut off; the sender and the others notice nothing", async () => {
  const mac = "52:54:00:00:01:03";
  const token = await room.startInstall(mac, "slow");
  const stuck = createConnection(room.socket);
  stuck.write(`GET /api/logs/${mac}/follow HTTP/1.1\r\nHost: x\r\n\r\n`);
  await new Promise((resolve) => stuck.once("data", resolve));
  stuck.pause();
  const abort = new AbortController();
  const good = await room.admin(`/api/logs/${mac}/follow`, { signal: abort.signal });
  let seen = 0;
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of good.body ?? []) {
      seen += decoder.decode(chunk).split("event: log").length - 1;
      if (seen >= 2000) break;
    }
  })();
  const text = "x".repeat(2000);
  for (let batch = 0; batch < 20; batch++) {
    const lines = Array.from({ length: 100 }, (_, step) => ({ seq: batch * 100 + step + 1, text }));
    expect((await room.log(token, { lines })).status).toBe(200);
  }
  await reading;
  expect(seen).toBe(2000);
  abort.abort();
  // 4 MB went to the one that read; the one that did not was cut off with what fitted into its buffers.
  const ended = new Promise<string>((resolve) => {
    stuck.once("close", () => resolve("closed"));
    stuck.once("error", () => resolve("closed"));
  });
  let bytes = 0;
  stuck.on("data", (chunk) => {
    bytes += chunk.length;
  });
  stuck.resume();
  expect(await ended).toBe("closed");
  expect(bytes).toBeLessThan(3_000_000);
});

test.each([
  ["a body without end", { body: "x".repeat(5 * 1024 * 1024) }, 413],
  ["bytes that are no text", { body: new Uint8Array([0, 255, 254, 0, 128]) }, 400],
  ["JSON a thousand levels deep", { body: `${"[".repeat(1000)}${"]".repeat(1000)}` }, 400],
  ["a __proto__", { body: '{"__proto__":{"seq":1},"text":"x"}' }, 400],
])("%s is answered with a refusal and leaves the server working", async (_, init, status) => {
  const token = await room.startInstall("52:54:00:00:01:04", "hostile");
  const response = await fetch(`${room.url}/api/log`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...init,
  });
  expect(response.status).toBe(status);
  expect((await room.log(token, { seq: 1, text: "still here" })).status).toBe(200);
});
