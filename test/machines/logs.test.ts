import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { ringLines } from "../../src/machines/log-repository.ts";
import { bearer, mac, openRoom, type Room } from "./room.ts";

let room: Room;
let token: string;
beforeEach(async () => {
  room = openRoom();
  await room.queue();
  token = await room.start();
});
afterEach(() => room.close());

interface LogsAnswer {
  stages: { name: string }[];
  log_lines: { seq: number; text: string; source?: string }[];
  log_total: number;
  gaps: { from: number; to: number }[];
}
const logs = async () => (await (await room.order(`/api/logs/${mac}`)).json()) as LogsAnswer;
const lines = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => ({ seq: from + index, text: `line ${from + index}` }));
const raw = (body: string, headers: Record<string, string> = {}, query = "") =>
  room.ask(`/api/log${query}`, { method: "POST", body, headers: { ...bearer(token), ...headers } });

/** Reads events of a follower until `enough` of them have come. */
async function follow(
  enough: number,
  options: { after?: number; query?: string; meanwhile?: () => Promise<unknown> } = {},
): Promise<{ id: string; event: string; data: unknown }[]> {
  const headers: Record<string, string> =
    options.after === undefined ? {} : { "last-event-id": String(options.after) };
  const response = await room.order(`/api/logs/${mac}/follow${options.query ?? ""}`, { headers });
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) throw new Error("no body");
  let text = "";
  const events = () =>
    text
      .split("\n\n")
      .slice(0, -1)
      .filter((each) => each.includes("event: "))
      .map((each) => ({
        id: /^id: (.*)$/m.exec(each)?.[1] ?? "",
        event: /^event: (.*)$/m.exec(each)?.[1] ?? "",
        data: JSON.parse(/^data: (.*)$/m.exec(each)?.[1] ?? "null") as unknown,
      }));
  let started = false;
  while (events().length < enough) {
    const chunk = await reader.read();
    if (chunk.done) break;
    text += chunk.value;
    if (!started && events().some(({ event }) => event === "state")) {
      started = true;
      await options.meanwhile?.();
    }
  }
  await reader.cancel();
  return events();
}

describe("log lines", () => {
  test("are kept in the order of their numbers, with their source", async () => {
    await raw("b\nc\n", { "content-type": "text/plain" }, "?seq=2&source=anaconda");
    await raw(JSON.stringify({ seq: 1, text: "a" }));
    expect((await logs()).log_lines.map(({ seq, text, source }) => [seq, text, source])).toEqual([
      [1, "a", undefined],
      [2, "b", "anaconda"],
      [3, "c", "anaconda"],
    ]);
  });

  test("sent again are dropped, in part or whole", async () => {
    await room.log(token, lines(1, 5));
    expect(await (await room.log(token, lines(4, 8))).json()).toEqual({ accepted: 3, duplicates: 2 });
    expect(await (await room.log(token, lines(1, 8))).json()).toEqual({ accepted: 0, duplicates: 8 });
    expect((await logs()).log_total).toBe(8);
  });

  test("that could not be written are no duplicates when they are sent again meanwhile", async () => {
    await room.store.transaction((tx) =>
      tx.run(
        "CREATE TRIGGER refuse BEFORE INSERT ON install_logs WHEN NEW.count = 3 BEGIN SELECT RAISE(ABORT, 'no'); END",
      ),
    );
    const [first, second] = await Promise.all([room.log(token, lines(1, 3)), room.log(token, lines(1, 4))]);
    expect(first.status).toBe(500);
    expect(await second.json()).toEqual({ accepted: 4, duplicates: 0 });
    expect((await logs()).log_lines.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
  });

  test("missing are told as gaps, until they come", async () => {
    await room.log(token, lines(3, 4));
    await room.log(token, lines(8, 9));
    expect((await logs()).gaps).toEqual([
      { from: 1, to: 2 },
      { from: 5, to: 7 },
    ]);
    await room.restart();
    await room.log(token, lines(1, 2));
    await room.log(token, lines(6, 6));
    expect((await logs()).gaps).toEqual([
      { from: 5, to: 5 },
      { from: 7, to: 7 },
    ]);
  });

  test("and stages are numbered apart: neither takes a number of the other", async () => {
    await room.progress(token, 1, "network");
    await room.log(token, lines(1, 2));
    await room.progress(token, 2, "hardware");
    await room.log(token, lines(3, 4));
    for (const seq of [3, 4, 5, 6, 7]) await room.progress(token, seq, "disk-select");
    await room.restart();
    await room.progress(token, 8, "disk-wipe");
    await room.log(token, lines(5, 6));
    const { gaps, log_lines } = await logs();
    expect(gaps).toEqual([]);
    expect(log_lines.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test("beyond the ring the oldest go; the total goes on counting, over a restart too", async () => {
    for (let from = 1; from <= 5000; from += 500) await room.log(token, lines(from, from + 499));
    await room.restart();
    await room.log(token, lines(5001, 5100));
    const { log_lines, log_total } = await logs();
    expect(log_lines).toHaveLength(ringLines);
    expect(log_lines[0]?.seq).toBe(5101 - ringLines);
    expect(log_lines.at(-1)?.text).toBe("line 5100");
    expect(log_total).toBe(5100);
  });

  test("of one at a time do not pile up behind the ring", async () => {
    for (let from = 1; from <= 3000; from += 250) {
      await Promise.all(lines(from, from + 249).map((line) => room.log(token, [line])));
    }
    const kept = room.store.read.values<[number]>("SELECT count(*) FROM install_logs")[0]?.[0] ?? 0;
    expect(kept).toBeGreaterThanOrEqual(ringLines);
    expect(kept).toBeLessThan(ringLines + 512);
    expect((await logs()).log_lines).toHaveLength(ringLines);
  });

  test("are shown without what would act on a terminal", async () => {
    await room.log(token, [{ seq: 1, text: "\u001b[2J\u001b]0;owned\u0007pwd\u0000" }]);
    expect((await logs()).log_lines[0]?.text).toBe("pwd\ufffd");
  });

  test.each([
    ["a body over 1 MiB", "x".repeat(1024 * 1024 + 1), { "content-type": "text/plain" }, "?seq=1", 413],
    ["more than 1,000 lines", "x\n".repeat(1001), { "content-type": "text/plain" }, "?seq=1", 413],
    ["text without a number", "x\n", { "content-type": "text/plain" }, "", 400],
    ["no JSON", "{{", {}, "", 400],
    ["lines that are no list", '{"lines":{"0":1}}', {}, "", 400],
    ["a number that is none", '{"seq":"1; DROP TABLE","text":"x"}', {}, "", 400],
    ["a number past what can be counted", '{"seq":1e300,"text":"x"}', {}, "", 400],
    ["a source that is a path out", '{"seq":1,"text":"x","source":"a b"}', {}, "", 400],
  ])("%s is refused and nothing is kept", async (_, body, headers, query, status) => {
    expect((await raw(body, headers, query)).status).toBe(status);
    expect((await logs()).log_total).toBe(0);
  });

  test("sent without end are told to wait", async () => {
    const answers: number[] = [];
    for (let round = 0; round < 60; round++) {
      answers.push((await room.log(token, lines(round * 1000 + 1, round * 1000 + 1000))).status);
    }
    expect(answers.filter((status) => status === 200)).toHaveLength(50);
    expect(answers.at(-1)).toBe(429);
    room.clock.advance(1000);
    expect((await room.log(token, lines(60_001, 61_000))).status).toBe(200);
  });
});

describe("following", () => {
  test("what was there comes first, then the state, then what happens", async () => {
    await room.log(token, lines(1, 2));
    await room.progress(token, 3, "network");
    const events = await follow(7, {
      meanwhile: async () => {
        await room.log(token, lines(4, 5));
        await room.progress(token, 6, "partition", "failed", "no disk");
      },
    });
    expect(events.map(({ id, event }) => `${event} ${id}`.trim())).toEqual([
      "log 1",
      "log 2",
      "stage 3",
      "state",
      "log 4",
      "log 5",
      "stage 6",
    ]);
    expect(events[0]?.data).toMatchObject({ seq: 1, text: "line 1" });
    expect(events[6]?.data).toMatchObject({ stage: "partition", state: "failed", message: "no disk" });
  });

  test("goes on after Last-Event-ID, even in the middle of a batch, and over a restart", async () => {
    await room.log(token, lines(1, 10));
    await room.restart();
    await room.log(token, lines(11, 12));
    const events = await follow(6, { after: 7 });
    expect(events.map(({ id }) => id)).toEqual(["8", "9", "10", "11", "12", ""]);
  });

  test("a machine that was forgotten and is installed again is told from its beginning", async () => {
    await room.log(token, lines(1, 10));
    const anew = async () => {
      await room.order(`/api/v1/machines/${mac}?force=true`, { method: "DELETE" });
      await room.queue();
      token = await room.start();
      await room.log(token, lines(1, 2));
    };
    const events = await follow(16, { meanwhile: anew });
    expect(events.filter(({ event }) => event === "log").map(({ id }) => id)).toEqual([
      ...lines(1, 10).map(({ seq }) => String(seq)),
      "1",
      "2",
    ]);
    // One that comes back with a number of the time before, too.
    expect((await follow(3, { after: 10 })).map(({ id }) => id)).toEqual(["1", "2", ""]);
  });

  test("nothing is lost or told twice to one that connects while lines come", async () => {
    const sender = (async () => {
      for (let seq = 1; seq <= 300; seq++) await room.log(token, lines(seq, seq));
    })();
    await Bun.sleep(1);
    const events = await follow(301);
    await sender;
    expect(events.filter(({ event }) => event === "log").map(({ id }) => Number(id))).toEqual(
      lines(1, 300).map(({ seq }) => seq),
    );
  });

  test("stages alone, for who waits for the end", async () => {
    await room.log(token, lines(1, 3));
    const events = await follow(3, {
      query: "?lines=false",
      meanwhile: async () => {
        await room.log(token, lines(4, 4));
        await room.progress(token, 5, "installed", "done");
      },
    });
    expect(events.map(({ event, data }) => [event, (data as { state: string }).state])).toEqual([
      ["state", "installing"],
      ["stage", "done"],
      ["state", "installed"],
    ]);
  });

  test("only lines of the current install are told", async () => {
    await room.log(token, lines(1, 3));
    await room.queue({}, true);
    token = await room.start();
    await room.log(token, [{ seq: 1, text: "second" }]);
    const events = await follow(2);
    expect(events.map(({ id, event }) => [event, id])).toEqual([
      ["log", "4"],
      ["state", ""],
    ]);
    expect((await logs()).log_total).toBe(1);
  });

  test("a follower that does not read is cut off, and holds nobody back", async () => {
    const response = await room.order(`/api/logs/${mac}/follow`);
    const slow = response.body?.getReader();
    await slow?.read();
    await slow?.read();
    const text = "x".repeat(4000);
    for (let seq = 1; seq <= 100; seq++) {
      expect((await room.log(token, [{ seq, text }])).status).toBe(200);
    }
    const drained = async () => {
      for (;;) if ((await slow?.read())?.done) return "ended in order";
    };
    expect(await drained().catch(() => "cut off")).toBe("cut off");
  });

  test("an idle follower hears that the connection lives", async () => {
    const response = await room.order(`/api/logs/${mac}/follow`);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    await reader?.read();
    await reader?.read();
    room.clock.advance(15_000);
    expect((await reader?.read())?.value).toBe(":\n\n");
    await reader?.cancel();
  });

  test("a machine that is not there is not followed", async () => {
    expect((await room.order("/api/logs/52:54:00:00:00:99/follow")).status).toBe(404);
  });
});
