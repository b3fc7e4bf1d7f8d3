import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseMac } from "../../src/platform/mac.ts";
import { bearer, inventory, json, mac, openRoom, type Room, sshKey } from "./room.ts";

let room: Room;
beforeEach(() => {
  room = openRoom();
});
afterEach(() => room.close());

const state = async () => {
  const answer = await room.order(`/api/v1/machines/${mac}`);
  return ((await answer.json()) as { state: string }).state;
};
const problem = async (response: Response) => {
  const body = (await response.json()) as { code: string; detail: string };
  return [response.status, body.code, body.detail];
};
const stages = (...names: string[]) => names.map((stage, index) => ({ seq: index + 1, stage }));

describe("discovery", () => {
  test("an unknown machine becomes known, by any of its network cards", async () => {
    expect(await (await room.discover()).json()).toEqual({ mac, first: true, changes: 0 });
    expect(room.machines.find("52-54-00-00-00-02").mac).toBe(mac);
    expect(await (await room.discover({ mac: "52:54:00:00:00:02" })).json()).toMatchObject({
      mac,
      first: false,
    });
    expect(room.machines.list()).toHaveLength(1);
  });

  test("what changed since the last time is kept, in sentences", async () => {
    await room.discover();
    await room.discover({ disks: [], memory: { totalBytes: 8 * 2 ** 30 } });
    expect(room.machines.historyOf(mac).map(({ what }) => what)).toEqual([
      "disk sda (SSD, D1, 500 GB) is gone",
      "memory halved: 16 GiB → 8 GiB",
      "discovered",
    ]);
    expect(room.events.map(([name]) => name)).toEqual([
      "machine.discovered",
      "machine.discovered",
      "machine.changed",
    ]);
  });

  test("a machine whose card was exchanged is known by UUID and serial number together", async () => {
    await room.discover();
    const card = "52:54:00:00:00:09";
    await room.discover({ mac: card, nics: [{ name: "eth0", mac: card }] });
    expect(room.machines.list().map((machine) => machine.nics)).toEqual([[mac, parseMac(card)]]);
    const other = "52:54:00:00:00:0a";
    await room.discover({ mac: other, nics: [], system: { ...inventory().system, serial: "S-2" } });
    expect(room.machines.list()).toHaveLength(2);
  });

  test("a card another machine has is not taken from it", async () => {
    await room.discover();
    const thief = parseMac("52:54:00:00:00:66");
    await room.discover({ mac: thief, nics: [{ name: "eth0", mac }], system: {} });
    expect(room.machines.find(mac).mac).toBe(mac);
    expect(room.machines.list()).toHaveLength(1);
  });

  test("one machine reporting again and again is told to wait", async () => {
    for (let count = 0; count < 6; count++) expect((await room.discover()).status).toBe(200);
    expect((await room.discover()).status).toBe(429);
    room.clock.advance(60_000);
    expect((await room.discover()).status).toBe(200);
  });

  test.each([
    ["no JSON", "{", 400],
    ["no MAC", JSON.stringify({ version: 1 }), 400],
    ["too large", " ".repeat(513 * 1024), 413],
  ])("%s is refused", async (_, body, status) => {
    const response = await room.ask("/api/discover", { method: "POST", body });
    expect(response.status).toBe(status);
  });

  test("everything is still known after a restart", async () => {
    await room.discover();
    await room.queue();
    await room.restart();
    expect(room.machines.find("node1")).toMatchObject({ mac, state: { kind: "queued" } });
    expect(room.machines.find("52:54:00:00:00:02").mac).toBe(mac);
  });
});

describe("queueing", () => {
  test("a machine nobody has seen yet may be queued", async () => {
    expect((await room.queue()).status).toBe(201);
    expect(await state()).toBe("queued");
  });

  test("a name belongs to one machine", async () => {
    await room.queue();
    const other = await room.order(
      "/api/v1/machines/52:54:00:00:00:77/install",
      json({ spec: { name: "node1", os: "image:web" } }),
    );
    expect(await problem(other)).toEqual([409, "conflict", `the name 'node1' is taken by ${mac}`]);
    expect(room.machines.list()).toHaveLength(1);
  });

  test("what cannot be installed is refused before anything is queued", async () => {
    await room.discover();
    const refused = [
      await problem(await room.queue({ name: "$(reboot)" })),
      await problem(await room.queue({ os: "image:none" })),
      await problem(await room.queue({ os: "debain-12" })),
      await problem(await room.queue({ disk: "serial=nothere" })),
      await problem(await room.queue({ sshKeys: 7 })),
    ];
    expect(refused.map(([status, code]) => [status, code])).toEqual(Array(5).fill([400, "invalid"]));
    expect(await state()).toBe("discovered");
  });

  test("the appliance's keys are in every install", async () => {
    await room.queue();
    expect(room.machines.installsOf(mac)[0]?.spec.sshKeys).toEqual([sshKey]);
  });

  test("an installed machine is queued again only by who says replace", async () => {
    await room.queue();
    const token = await room.start();
    await room.progress(token, 1, "installed", "done");
    expect(await state()).toBe("installed");
    expect((await room.queue()).status).toBe(409);
    expect((await room.queue({}, true)).status).toBe(201);
    expect(await state()).toBe("queued");
  });
});

describe("install data", () => {
  test("is served once for each token, rendered for it, and starts the install", async () => {
    await room.queue();
    const token = await room.boot();
    const first = await room.ask(`/install/${token}/install.sh`);
    expect(await first.text()).toContain(`token='${token}'`);
    expect(await state()).toBe("installing");
    expect(await problem(await room.ask(`/install/${token}/install.sh`))).toEqual([
      410,
      "gone",
      "install.sh was fetched before; it is served once for each boot",
    ]);
    expect(room.logged.find(({ message }) => message === "install data refused")?.fields).toMatchObject({
      mac,
    });
  });

  test("two requests at once are served once", async () => {
    await room.queue();
    const path = `/install/${await room.boot()}/install.sh`;
    const answers = await Promise.all([room.ask(path), room.ask(path), room.ask(path)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 410, 410]);
  });

  test("HEAD tells the length and fetches nothing", async () => {
    await room.queue();
    const path = `/install/${await room.boot()}/install.sh`;
    const head = await room.ask(path, { method: "HEAD" });
    const body = await room.ask(path);
    expect(head.headers.get("content-length")).toBe(String((await body.bytes()).length));
  });

  test("an installer with several files gets each of them once", async () => {
    await room.queue({ os: "debian-12" });
    const token = await room.boot();
    for (const file of ["preseed.cfg", "early.sh", "late.sh"]) {
      expect((await room.ask(`/install/${token}/${file}`)).status).toBe(200);
      expect((await room.ask(`/install/${token}/${file}`)).status).toBe(410);
    }
    expect((await room.ask(`/install/${token}/passwd`)).status).toBe(404);
  });

  test("goes to the address the machine has a lease for, and to no other", async () => {
    await room.queue();
    room.leases.set(mac, ["10.1.0.7", "10.0.0.50"]);
    const path = `/install/${await room.boot()}/install.sh`;
    expect((await room.ask(path, {}, "10.0.0.66")).status).toBe(403);
    expect(await state()).toBe("queued");
    expect((await room.ask(path, {}, "10.0.0.50")).status).toBe(200);
  });

  test("goes to a machine that boots from another of its network cards, too", async () => {
    await room.discover();
    await room.queue();
    const token = await room.boot(parseMac("52:54:00:00:00:02"));
    expect((await room.ask(`/install/${token}/install.sh`)).status).toBe(200);
    await room.progress(token, 1, "installed", "done");
    expect(await state()).toBe("installed");
  });

  test("goes to the fixed address the install gives the machine as well", async () => {
    await room.queue({ network: { kind: "static", address: "10.0.0.9/24" } });
    room.leases.set(mac, ["10.0.0.50"]);
    const path = `/install/${await room.boot()}/install.sh`;
    expect((await room.ask(path, {}, "10.0.0.9")).status).toBe(200);
  });

  test("each boot has a token of its own; the fourth newest is still good, the fifth is not", async () => {
    await room.queue();
    const tokens: string[] = [];
    for (let count = 0; count < 5; count++) {
      room.clock.advance(1);
      tokens.push(await room.boot());
    }
    expect(new Set(tokens).size).toBe(5);
    const [oldest, fourth, newest] = [tokens[0], tokens[1], tokens[4]];
    expect((await room.ask(`/install/${oldest}/install.sh`)).status).toBe(404);
    expect((await room.ask(`/install/${fourth}/install.sh`)).status).toBe(200);
    expect((await room.ask(`/install/${newest}/install.sh`)).status).toBe(404);
  });

  test("a boot after the data was served goes to the disk, so nothing installs for ever", async () => {
    await room.queue();
    await room.start();
    await expect(room.boot()).rejects.toThrow("its data was served already");
  });

  test("no token is in the database", async () => {
    await room.queue();
    const token = await room.boot();
    const files = ["db.sqlite", "db.sqlite-wal"].map((name) => readFileSync(join(room.directory, name)));
    const bytes = Buffer.concat(files);
    expect(bytes.includes(token)).toBe(false);
    expect(bytes.includes("node1")).toBe(true);
  });
});

describe("reports", () => {
  test("stages move the install on to its end, and are remembered for the next one", async () => {
    for (let round = 0; round < 2; round++) {
      await room.queue({}, true);
      const token = await room.start();
      for (const { seq, stage } of stages("network", "partition", "image-write")) {
        expect((await room.progress(token, seq, stage)).status).toBe(200);
        room.clock.advance(10_000);
      }
      expect(await (await room.progress(token, 4, "installed", "done")).json()).toEqual({ accepted: 1 });
      expect(await state()).toBe("installed");
    }
    expect(room.machines.expectationsFor("image:web").get("partition")).toEqual({
      medianMs: 10_000,
      spreadMs: 0,
      samples: 2,
    });
    const names = room.events.map(([name]) => name).filter((name) => name !== "install.stage-reached");
    expect(names.slice(0, 3)).toEqual(["install.queued", "install.started", "install.finished"]);
  });

  test("a stage that says nothing has no message", async () => {
    await room.queue();
    const token = await room.start();
    await room.progress(token, 1, "hardware", "running", "");
    expect(room.machines.logs.view(room.machines.find(mac)).stages[0]?.message).toBeUndefined();
  });

  test("a report sent twice counts once", async () => {
    await room.queue();
    const token = await room.start();
    await room.progress(token, 1, "network");
    expect(await (await room.progress(token, 1, "network")).json()).toEqual({ accepted: 0 });
    expect(room.machines.logs.view(room.machines.find(mac)).stages).toHaveLength(1);
  });

  test("a failure ends it with its reason, and the log's tail is still taken", async () => {
    await room.queue();
    const token = await room.start();
    await room.progress(token, 1, "partition", "failed", "line 12: no space\ntail");
    expect(room.machines.find(mac).state).toMatchObject({ kind: "failed", reason: "line 12: no space" });
    expect(await (await room.log(token, [{ seq: 2, text: "the tail" }])).json()).toEqual({
      accepted: 1,
      duplicates: 0,
    });
    room.clock.advance(11 * 60_000);
    expect((await room.log(token, [{ seq: 3, text: "too late" }])).status).toBe(409);
  });

  test("a token that fetched nothing, another's, none, and one of an install that was replaced are refused", async () => {
    await room.queue();
    const unclaimed = await room.boot();
    for (const token of [unclaimed, "x".repeat(43), ""]) {
      expect((await room.progress(token, 1, "network")).status).toBe(401);
      expect((await room.log(token, [{ seq: 1, text: "x" }])).status).toBe(401);
    }
    const token = await room.start();
    await room.queue({}, true);
    expect((await room.progress(token, 1, "installed", "done")).status).toBe(401);
    expect(await state()).toBe("queued");
  });

  test("an address that goes on guessing tokens is turned away", async () => {
    const answers: number[] = [];
    for (let count = 0; count < 40; count++) answers.push((await room.progress("guess", 1, "x")).status);
    expect(answers.at(-1)).toBe(429);
    expect((await room.ask("/install/guess/install.sh")).status).toBe(429);
    expect((await room.ask("/install/guess/install.sh", {}, "10.0.0.99")).status).toBe(404);
  });

  test.each([
    ["no JSON", "not json"],
    ["a number for a stage", JSON.stringify({ seq: 1, stage: 7, state: "running" })],
    ["a stage that is markup", JSON.stringify({ seq: 1, stage: "<b>", state: "running" })],
    ["a state nobody knows", JSON.stringify({ seq: 1, stage: "a", state: "great" })],
    ["a number below 0", JSON.stringify({ seq: -1, stage: "a", state: "done" })],
    ["NULs", "\0\0\0"],
  ])("%s is refused and changes nothing", async (_, body) => {
    await room.queue();
    const token = await room.start();
    const response = await room.ask("/api/progress", { method: "POST", body, headers: bearer(token) });
    expect(response.status).toBe(400);
    expect(await state()).toBe("installing");
  });

  test("a token in the query will do, for tools that cannot set headers", async () => {
    await room.queue();
    const token = await room.start();
    const response = await room.ask(`/api/log?seq=1&token=${token}`, {
      method: "POST",
      headers: { "content-type": "text/plain" },
      body: "one\ntwo\n",
    });
    expect(await response.json()).toEqual({ accepted: 2, duplicates: 0 });
  });
});

describe("stalling", () => {
  const check = () => room.machines.reports.checkStalled();

  test("an install that goes silent is stalled, told, and wakes when it reports again", async () => {
    await room.queue();
    const token = await room.start();
    await room.progress(token, 1, "disk-select");
    room.clock.advance(4 * 60_000);
    await check();
    expect(await state()).toBe("installing");
    room.clock.advance(60_000);
    await check();
    expect(await state()).toBe("stalled");
    expect(room.events.at(-1)?.[0]).toBe("install.stalled");
    await room.progress(token, 2, "partition");
    expect(await state()).toBe("installing");
  });

  test("log lines are a sign of life", async () => {
    await room.queue();
    const token = await room.start();
    await room.progress(token, 1, "disk-select");
    room.clock.advance(4 * 60_000);
    await room.log(token, [{ seq: 2, text: "still looking" }]);
    room.clock.advance(4 * 60_000);
    await check();
    expect(await state()).toBe("installing");
  });

  test("time this program did not run is not held against an install", async () => {
    await room.queue();
    const token = await room.start();
    await room.progress(token, 1, "disk-select");
    room.clock.advance(3_600_000);
    await room.restart();
    await check();
    expect(await state()).toBe("installing");
    expect((await room.progress(token, 2, "partition")).status).toBe(200);
  });
});

describe("cancelling", () => {
  const cancel = () => room.order(`/api/v1/machines/${mac}/cancel`, { method: "POST" });

  test("a queued install is taken back: no token of it is good, and the machine is as it was discovered", async () => {
    await room.discover();
    await room.queue();
    const token = await room.boot();
    expect(await (await cancel()).json()).toMatchObject({ state: "discovered" });
    expect(room.events.at(-1)?.[0]).toBe("install.cancelled");
    expect((await room.ask(`/install/${token}/install.sh`)).status).toBe(404);
    await room.restart();
    const machine = room.machines.find(mac);
    expect(machine).toMatchObject({ state: { kind: "discovered" } });
    expect(machine.name).toBeUndefined();
    expect(room.machines.installsOf(mac)).toMatchObject([{ outcome: "cancelled" }]);
    expect(room.machines.historyOf(mac)[0]?.what).toBe("the queued install of node1 was cancelled");
  });

  test("an installed machine is installed again, under the name it has there, also after a restart", async () => {
    await room.queue();
    const token = await room.start();
    await room.progress(token, 1, "installed", "done");
    const before = room.machines.find(mac).state;
    await room.queue({ name: "other" }, true);
    await room.restart();
    expect((await cancel()).status).toBe(200);
    for (let round = 0; round < 2; round++) {
      expect(room.machines.find("node1").state).toEqual(before);
      expect((await room.progress(token, 2, "installed", "failed")).status).toBe(401);
      await room.restart();
    }
  });

  test("one that runs is not, and it is said why; nor one that nobody queued", async () => {
    await room.queue();
    await room.start();
    const refused = await cancel();
    expect(refused.status).toBe(409);
    expect(await refused.text()).toContain("switch the machine off");
    expect(await state()).toBe("installing");
  });
});

describe("forgetting", () => {
  test("a machine is gone with its name and its cards", async () => {
    await room.discover();
    await room.queue();
    const token = await room.boot();
    expect((await room.order(`/api/v1/machines/node1`, { method: "DELETE" })).status).toBe(204);
    expect((await room.order(`/api/v1/machines/52:54:00:00:00:02`)).status).toBe(404);
    expect((await room.ask(`/install/${token}/install.sh`)).status).toBe(404);
    await room.restart();
    expect(room.machines.list()).toEqual([]);
  });

  test("one that installs only by force, and then its reports are refused", async () => {
    await room.queue();
    const token = await room.start();
    expect((await room.order(`/api/v1/machines/${mac}`, { method: "DELETE" })).status).toBe(409);
    expect((await room.order(`/api/v1/machines/${mac}?force=true`, { method: "DELETE" })).status).toBe(204);
    expect((await room.progress(token, 1, "network")).status).toBe(401);
  });
});

describe("waiting in the RAM environment", () => {
  const orders = async () => (await room.ask(`/dispatch/orders?mac=${mac}`)).json();

  test("a machine waits until something is queued; an image is installed where it waits", async () => {
    await room.discover();
    expect(await orders()).toEqual({ order: "wait" });
    await room.queue();
    const { order, token } = (await orders()) as { order: string; token: string };
    expect(order).toBe("install");
    expect((await room.ask(`/install/${token}/install.sh`)).status).toBe(200);
    expect(await orders()).toEqual({ order: "wait" });
  });

  test("for a distribution's own installer it starts again", async () => {
    await room.discover();
    await room.queue({ os: "debian-12" });
    expect(await orders()).toEqual({ order: "reboot" });
  });
});

test("boot options of a machine are kept, and asked for from memory", async () => {
  await room.discover();
  const set = (options: unknown) => room.order(`/api/v1/machines/${mac}/boot-options`, json(options));
  await set({ uefi: "grub" });
  await set({ localBoot: "exit" });
  await room.restart();
  expect(room.machines.orders.bootOptions(parseMac("52:54:00:00:00:02"))).toEqual({
    uefi: "grub",
    localBoot: "exit",
  });
  expect((await set({ uefi: "lilo" })).status).toBe(400);
});
