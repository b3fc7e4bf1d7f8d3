import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { post, type RoomProcess, startRoomProcess } from "./room-process.ts";

let room: RoomProcess;
beforeAll(async () => {
  room = await startRoomProcess();
});
afterAll(() => room.close());

const main = join(import.meta.dir, "../../src/main.ts");
function start(...words: string[]) {
  return Bun.spawn([process.execPath, main, "provision", ...words], {
    env: { ...process.env, LABCTL_SOCKET: room.socket, HOME: "/nonexistent", NO_COLOR: "1" },
    stdout: "pipe",
    stderr: "pipe",
  });
}
async function labctl(...words: string[]) {
  const child = start(...words);
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { out, err, code };
}
/** All a child tells people; `until` waits for a part of it. */
function hear(child: ReturnType<typeof start>) {
  let heard = "";
  const ended = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) heard += text;
  })();
  return {
    until: async (part: string) => {
      while (!heard.includes(part)) await Bun.sleep(10);
    },
    text: () => ended.then(() => heard),
  };
}
const discover = (mac: string) =>
  fetch(
    `${room.url}/api/discover`,
    post({
      version: 1,
      mac,
      system: { vendor: "QEMU", product: "Standard PC" },
      memory: { totalBytes: 8 * 2 ** 30 },
      disks: [{ name: "vda", sizeBytes: 300e9 }],
    }),
  );

test("a machine is listed, queued and shown, by MAC and by name", async () => {
  const mac = "52:54:00:00:02:01";
  await discover(mac);
  expect((await labctl("list")).out).toMatch(
    /52:54:00:00:02:01 +- +discovered .*Standard PC .*8 GiB +300 GB/,
  );
  const queued = await labctl("install", mac.toUpperCase(), "web1", "--os", "image:web", "--role", "worker");
  expect(queued).toMatchObject({ code: 0, out: expect.stringContaining(`web1 (${mac}) is queued`) });
  const shown = await labctl("show", "web1", "-o", "json");
  expect(JSON.parse(shown.out)).toMatchObject({
    mac,
    state: "queued",
    installs: [{ os: "image:web", role: "worker" }],
  });
  expect((await labctl("show", "web1")).out).toContain("HISTORY");
  expect((await labctl("list", "--state", "queued", "-o", "json")).out).toContain('"web1"');
  expect((await labctl("list", "-o", "yaml")).out).toContain("name: web1");
});

test.each([
  [["show", "nobody"], 3, "there is no machine 'nobody'"],
  [["install", "52:54:00:00:02:02", "web2"], 2, "--os is missing"],
  [["install", "52:54:00:00:02:02", "-x", "--os", "a"], 2, "there is no flag '-x'"],
  [["install", "52:54:00:00:02:02", "a b", "--os", "image:web"], 2, "must be a host name"],
  [["install", "52:54:00:00:02:02", "web2", "--os", "fedoar-42"], 2, "did you mean 'fedora-42'"],
  [["install", "52:54:00:00:02:02", "web2", "--os", "image:web", "--ssh-key", "/none"], 2, "no SSH key file"],
  [["forget", "nobody"], 3, "there is no machine"],
  [["wait", "nobody"], 3, "there is no machine"],
  [["wait", "nobody", "--timeout", "soon"], 2, "is not a duration"],
  [["logs", "nobody", "-f"], 3, "there is no machine"],
])("%j is refused with exit code %d", async (words, code, message) => {
  const result = await labctl(...words);
  expect(result).toMatchObject({ code, err: expect.stringContaining(message) });
});

test("a queued install is cancelled by name, and whoever waits for it is told", async () => {
  const mac = "52:54:00:00:02:0c";
  await discover(mac);
  await labctl("install", mac, "web12", "--os", "image:web");
  const waiting = start("wait", "web12");
  const told = hear(waiting);
  await told.until("queued");
  expect(await labctl("cancel", "web12")).toMatchObject({
    code: 0,
    out: `the queued install of web12 is cancelled: ${mac} is discovered, as before\n`,
  });
  expect(await waiting.exited).not.toBe(0);
  expect(await told.text()).toContain("the install was cancelled");
  expect(await labctl("cancel", mac)).toMatchObject({
    code: 5,
    err: expect.stringContaining("no install is queued"),
  });
});

describe("wait", () => {
  test("ends with 0 when the machine is installed, having told its stages", async () => {
    const token = await room.startInstall("52:54:00:00:02:03", "good");
    const waiting = start("wait", "good");
    const told = hear(waiting);
    await room.progress(token, { seq: 1, stage: "partition", state: "running" });
    await room.progress(token, { seq: 2, stage: "packages", state: "running" });
    await told.until("partition");
    await room.progress(token, { seq: 3, stage: "installed", state: "done" });
    expect(await new Response(waiting.stdout).text()).toContain("good is installed");
    expect(await told.text()).toMatch(/partition +done/);
    expect(await waiting.exited).toBe(0);
  });

  test("ends with the code of a failure when it failed, and says why", async () => {
    const token = await room.startInstall("52:54:00:00:02:04", "bad");
    await room.progress(token, {
      seq: 1,
      stage: "partition",
      state: "failed",
      message: "no disk is large enough",
    });
    expect(await labctl("wait", "bad")).toMatchObject({
      code: 7,
      err: expect.stringContaining("failed in stage 'partition': no disk is large enough"),
    });
  });

  test("ends when its time is up", async () => {
    await room.startInstall("52:54:00:00:02:05", "long");
    expect(await labctl("wait", "long", "--timeout", "300ms")).toMatchObject({ code: 9 });
  });

  test("refuses to wait for what nobody queued, and waits for a machine to show up", async () => {
    const mac = "52:54:00:00:02:06";
    const waiting = start("wait", mac, "--for", "discovered", "--timeout", "20s");
    await Bun.sleep(300);
    await discover(mac);
    expect(await waiting.exited).toBe(0);
    expect(await labctl("wait", mac)).toMatchObject({
      code: 5,
      err: expect.stringContaining("nothing is queued"),
    });
  });
});

describe("logs", () => {
  test("prints lines with their source, marks what is missing, and cuts to the tail", async () => {
    const token = await room.startInstall("52:54:00:00:02:07", "logged");
    await room.log(token, {
      lines: [1, 2, 5].map((seq) => ({ seq, text: `l${seq}\u001b[31m`, source: "syslog" })),
    });
    const { out, err } = await labctl("logs", "logged");
    expect(out.split("\n").map((line) => line.slice(9))).toEqual([
      "syslog: l1",
      "syslog: l2",
      "syslog: l5",
      "",
    ]);
    expect(err).toContain("2 not received (3–4)");
    expect((await labctl("logs", "logged", "-n", "1")).out).toMatch(/^\S+ syslog: l5\n$/);
  });

  test("-f goes on after the server was killed and came back, losing and repeating nothing", async () => {
    const token = await room.startInstall("52:54:00:00:02:08", "followed");
    await room.log(token, { lines: [{ seq: 1, text: "before" }] });
    const following = start("logs", "followed", "-f", "-o", "json");
    const lines: string[] = [];
    const reading = (async () => {
      let rest = "";
      for await (const chunk of following.stdout.pipeThrough(new TextDecoderStream())) {
        const parts = (rest + chunk).split("\n");
        rest = parts.pop() ?? "";
        lines.push(...parts.filter((line) => line.includes('"log"')));
      }
    })();
    const seen = async (count: number) => {
      while (lines.length < count) await Bun.sleep(20);
    };
    await seen(1);
    await room.killAndRestart();
    await room.log(token, { lines: [{ seq: 2, text: "between" }] });
    await room.log(token, { lines: [{ seq: 3, text: "after" }] });
    await seen(3);
    following.kill("SIGINT");
    await reading;
    expect(await following.exited).toBe(0);
    expect(lines.map((line) => JSON.parse(line).text)).toEqual(["before", "between", "after"]);
  });
});

test("boot options are set one at a time and shown", async () => {
  const mac = "52:54:00:00:02:09";
  await discover(mac);
  await labctl("options", mac, "--uefi", "grub");
  const { out } = await labctl("options", mac, "--no-discovery-control", "-o", "json");
  expect(JSON.parse(out)).toEqual({ uefi: "grub", discoveryControl: false });
});

test("a forgotten machine is gone; one that installs takes --force", async () => {
  await room.startInstall("52:54:00:00:02:0a", "gone");
  expect(await labctl("forget", "gone")).toMatchObject({ code: 5, err: expect.stringContaining("--force") });
  expect((await labctl("forget", "gone", "--force")).code).toBe(0);
  expect((await labctl("show", "gone")).code).toBe(3);
});
