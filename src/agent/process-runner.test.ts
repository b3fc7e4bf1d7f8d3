import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { commandSchema } from "../fleet/protocol.ts";
import { systemClock } from "../platform/clock.ts";
import { createProcessRunner } from "./process-runner.server.ts";
import type { RunningCommand } from "./runner.ts";

const runner = createProcessRunner(systemClock, { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" });

/** A child nobody has reaped yet has ended all the same (proc(5), stat 3: Z). */
const isRunning = (pid: number) => {
  const path = `/proc/${pid}/stat`;
  return existsSync(path) && !/\) Z /.test(readFileSync(path, "utf8"));
};

/** What was told to end may take its moment; the test's own time-out ends the wait. */
const isGone = async (pid: number) => {
  while (isRunning(pid)) await Bun.sleep(10);
};

interface Seen {
  stdout: string;
  stderr: string;
  taken: number[];
  exit: { code: number | null; signal: string | null; reason?: string };
}

function run(
  spec: unknown,
  drive: (running: RunningCommand, seen: Seen) => void = () => {},
  hold = false,
): Promise<Seen> {
  return new Promise((resolve) => {
    const seen: Seen = { stdout: "", stderr: "", taken: [], exit: { code: null, signal: null } };
    const running = runner(commandSchema.parse(spec), {
      output(stream, data) {
        seen[stream] += Buffer.from(data).toString();
        return !hold;
      },
      inputTaken: (seq) => seen.taken.push(seq),
      exit(exit) {
        seen.exit = exit;
        resolve(seen);
      },
    });
    drive(running, seen);
  });
}

test("output of both streams and the exit code arrive", async () => {
  const seen = await run({ argv: ["sh", "-c", "echo out; echo err >&2; exit 3"] });
  expect(seen).toMatchObject({ stdout: "out\n", stderr: "err\n", exit: { code: 3, signal: null } });
});

test("no shell stands between: an argument is an argument", async () => {
  expect((await run({ argv: ["printf", "%s", "$(id); `id` | cat"] })).stdout).toBe("$(id); `id` | cat");
});

test("environment, directory and input reach the command", async () => {
  const seen = await run(
    { argv: ["sh", "-c", 'pwd; echo "$A"; cat'], env: { A: "b c" }, directory: "/tmp", stdin: true },
    (running) => running.input(1, Buffer.from("typed"), true),
  );
  expect(seen.stdout).toBe("/tmp\nb c\ntyped");
  expect(seen.taken).toEqual([1]);
});

test("a program that is not there, and a user that is not, are said", async () => {
  expect((await run({ argv: ["/no/such/program"] })).exit).toMatchObject({
    code: 127,
    reason: expect.stringContaining("/no/such/program"),
  });
  expect((await run({ argv: ["id"], user: "nobody-here" })).exit.reason).toBe(
    "there is no user 'nobody-here' on this host",
  );
});

test("a time-out ends the whole group, and says so", async () => {
  const seen = await run({ argv: ["sh", "-c", "sleep 60 & echo $!; wait"], timeout: 200 });
  expect(seen.exit).toMatchObject({ signal: "SIGTERM", reason: "it ran out of time" });
  await isGone(Number(seen.stdout));
});

test("a command held back stops filling memory, and goes on when resumed", async () => {
  let held = 0;
  const seen = await run(
    { argv: ["sh", "-c", "head -c 3000000 /dev/zero"] },
    (running, now) => {
      setTimeout(() => {
        held = now.stdout.length;
        const go = setInterval(() => running.resume(), 1);
        setTimeout(() => clearInterval(go), 3000);
      }, 200);
    },
    true,
  );
  expect(held).toBeLessThan(500_000);
  expect(seen.stdout.length).toBe(3_000_000);
});

test("a terminal has its size, echoes, and takes signals from the keyboard", async () => {
  const seen = await run(
    {
      argv: ["sh", "-c", "stty size; read line; echo got $line; sleep 60"],
      terminal: { columns: 91, rows: 17 },
    },
    (running, now) => {
      const tick = setInterval(() => {
        if (now.stdout.includes("17 91") && !now.stdout.includes("got"))
          running.input(1, Buffer.from("hi\n"), false);
        if (now.stdout.includes("got hi")) {
          clearInterval(tick);
          running.input(2, Buffer.from("\u0003"), false);
        }
      }, 20);
    },
  );
  expect(seen.stdout).toContain("got hi");
  expect(seen.exit.signal ?? seen.exit.code).toBeOneOf(["SIGINT", 130]);
});

test("what cannot be started at all is said, and throws nothing", async () => {
  const terminal = { columns: 80, rows: 24 };
  for (const argv of [[""], ["echo", "a\0secret"], ["echo", "x".repeat(131_072)]])
    for (const spec of [{ argv }, { argv, terminal }]) {
      const { exit } = await run(spec);
      expect(exit.code).toBe(127);
      expect(exit.reason).toMatch(/^cannot run (?!.*secret)/s);
    }
});

test("what is ended and ignores SIGTERM is killed, also where the one that started it has ended", async () => {
  const script = "(trap '' TERM; echo ready >&2; exec sleep 60 >/dev/null 2>&1 </dev/null) & echo $!; wait";
  const seen = await run({ argv: ["sh", "-c", script] }, (running, now) => {
    const tick = setInterval(() => {
      if (!now.stderr.includes("ready")) return;
      clearInterval(tick);
      running.cancel("enough");
    }, 20);
  });
  expect(seen.exit).toMatchObject({ signal: "SIGTERM", reason: "enough" });
  await isGone(Number(seen.stdout));
}, 30_000);

test("a terminal that is taken away takes its shell's jobs along", async () => {
  const seen = await run(
    { argv: ["bash", "--norc", "-i"], terminal: { columns: 80, rows: 24 } },
    (running, now) => {
      running.input(1, Buffer.from("sleep 61 & echo job=$!\n"), false);
      const tick = setInterval(() => {
        if (!/job=\d/.test(now.stdout)) return;
        clearInterval(tick);
        running.cancel("its client went away");
      }, 20);
    },
  );
  await isGone(Number(/job=(\d+)/.exec(seen.stdout)?.[1]));
}, 30_000);
