import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildExecutable } from "../lab/artifacts.ts";
import { executable } from "../lab/bastion.ts";
import { createRelay, createStack, type Relay, type Stack, until } from "./stack.ts";

let stack: Stack;
let agent: Bun.Subprocess;
let labd: Bun.Subprocess;
let relay: Relay;
beforeAll(async () => {
  await buildExecutable();
  stack = createStack();
  labd = await stack.startLabd();
  await stack.join("n1");
  relay = await createRelay(stack.port);
  stack.send("n1", `https://127.0.0.1:${relay.port}`);
  agent = stack.startAgent("n1");
  await stack.connected("n1");
}, 60_000);
afterAll(async () => {
  await stack.stop();
  relay.stop();
});

const exec = (...words: string[]) => stack.labctl("exec", "server/n1", ...words);
/** A shell script on the host, after flags of exec. */
const sh = (script: string, ...flags: string[]) => exec(...flags, "--", "sh", "-c", script);
const isRunning = (mark: string) =>
  Bun.spawnSync(["pgrep", "-f", mark]).stdout.toString().trim().split("\n").filter(Boolean).length;
/** Resident memory of a process, in bytes. */
const memoryOf = (pid: number) =>
  1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);

test("our input reaches the command whole, however much it is, and its end is the command's", async () => {
  const file = join(stack.directory, "input");
  writeFileSync(file, randomBytes(20 << 20));
  const child = Bun.spawn([executable, "exec", "server/n1", "-i", "--", "sha256sum"], {
    env: stack.env,
    stdin: Bun.file(file),
    stdout: "pipe",
  });
  const digest = createHash("sha256").update(readFileSync(file)).digest("hex");
  expect(await new Response(child.stdout).text()).toBe(`${digest}  -\n`);
  expect(await child.exited).toBe(0);
}, 60_000);

test("input a command does not read stops at its source instead of filling memory", async () => {
  const child = Bun.spawn([executable, "exec", "server/n1", "-i", "--", "sleep", "3"], {
    env: stack.env,
    stdin: "pipe",
    stdout: "pipe",
  });
  let written = 0;
  const chunk = Buffer.alloc(1 << 20);
  const writing = (async () => {
    for (let index = 0; index < 64; index++) {
      child.stdin.write(chunk);
      await child.stdin.flush();
      written++;
    }
    // What the client did not take is left when it ends.
  })().catch(() => {});
  expect(await child.exited).toBe(0);
  await writing;
  expect(written).toBeLessThan(64);
}, 30_000);

test("environment and working directory are the command's own", async () => {
  const ran = await sh('echo "$GREETING $PWD $LABCTL_SOCKET."', "--env", "GREETING=hello", "-C", "/tmp");
  expect(ran.stdout).toBe("hello /tmp .\n");
  const nowhere = await sh("true", "-C", "/nowhere");
  expect(nowhere).toMatchObject({
    code: 127,
    stderr: "labctl: there is no directory '/nowhere' on this host\n",
  });
});

test("a user's rights, home and groups are theirs, and root's are gone", async () => {
  const ran = await sh('id -u; id -G; echo "$HOME $USER"; cat /etc/shadow', "--user", "nobody");
  const groups = Bun.spawnSync(["id", "-G", "nobody"]).stdout.toString();
  expect(ran.stdout).toBe(`65534\n${groups}/nonexistent nobody\n`);
  expect(ran.stderr).toContain("Permission denied");
  expect((await sh("true", "--user", "nosuch")).stderr).toContain("there is no user 'nosuch' on this host");
});

test("a program that is not there, and one that may not run, say so as a shell would", async () => {
  expect(await exec("--", "/no/such/program")).toMatchObject({ code: 127 });
  expect((await exec("--", "/no/such/program")).stderr).toContain("cannot run /no/such/program");
  expect((await sh("kill -SEGV $$")).code).toBe(139);
});

test("a time-out ends the whole group: SIGTERM first, SIGKILL five seconds later", async () => {
  const mark = `labctl-deaf-${process.pid}`;
  const at = Date.now();
  const polite = await sh("sleep 60 & wait", "--timeout", "1s");
  expect(polite).toMatchObject({ code: 143, stderr: expect.stringContaining("it ran out of time") });
  expect(Date.now() - at).toBeLessThan(4000);
  const deaf = await sh(
    `trap '' TERM; sh -c "trap '' TERM; sleep 60" & sleep 60 #${mark}`,
    "--timeout",
    "1s",
  );
  expect(deaf.code).toBe(137);
  expect(Date.now() - at).toBeGreaterThan(6000);
  expect(isRunning(mark)).toBe(0);
}, 30_000);

test("many run at once, up to a bound, and one more is refused with its reason", async () => {
  const children = Array.from({ length: 32 }, () =>
    stack.spawn("exec", "server/n1", "--", "sh", "-c", "echo on; sleep 60"),
  );
  await Promise.all(children.map((child) => child.stdout.getReader().read()));
  const refused = await exec("--", "true");
  expect(refused).toMatchObject({ code: 6, stderr: expect.stringContaining("runs 32 commands already") });
  for (const child of children) child.kill();
  await until("there is room again", async () => (await exec("--", "true")).code === 0);
}, 60_000);

test("a terminal: it has our size, follows it, echoes, takes Ctrl-C and the end of input", async () => {
  let seen = "";
  const child = Bun.spawn(
    [
      executable,
      "exec",
      "server/n1",
      "-t",
      "--",
      "bash",
      "--norc",
      "-c",
      'trap "stty size" WINCH; tty; stty size; while read -r line; do echo "got <$line>"; done; echo over; sleep 60',
    ],
    {
      env: { ...stack.env, TERM: "xterm" },
      terminal: {
        cols: 91,
        rows: 17,
        data: (_, data) => {
          seen += Buffer.from(data).toString();
        },
      },
    },
  );
  await until("the size", () => seen.includes("17 91"));
  expect(seen).toContain("/dev/pts/");
  child.terminal?.write("hello\r");
  await until("the answer", () => seen.includes("got <hello>"));
  child.terminal?.resize(120, 40);
  process.kill(child.pid, "SIGWINCH");
  // The signal may overtake a key or be overtaken by it, and bash runs the trap when a line has been read.
  await until("the new size", async () => {
    child.terminal?.write("\r");
    await Bun.sleep(100);
    return seen.includes("40 120");
  });
  child.terminal?.write("\u0004");
  await until("the end of input", () => seen.includes("over"));
  child.terminal?.write("\u0003");
  expect(await child.exited).toBe(130);
}, 30_000);

test.each([
  ["through a pipe", []],
  ["through a terminal", ["-t"]],
] as const)(
  "a client that does not read stops the command, and nobody's memory grows: %s",
  async (_, flags) => {
    const mark = `labctl-slow-${flags.length}-${process.pid}`;
    const before = [memoryOf(labd.pid), memoryOf(agent.pid)];
    const child = Bun.spawn([executable, "exec", "server/n1", ...flags, "--", "sh", "-c", `yes ${mark}`], {
      env: stack.env,
      stdin: "ignore",
      stdout: "pipe",
    });
    const reader = child.stdout.getReader();
    await reader.read();
    const pid = Number(Bun.spawnSync(["pgrep", "-x", "-f", `yes ${mark}`]).stdout.toString());
    const written = () => Number(/^wchar: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1]);
    let last = -1;
    await until("the command stands still", async () => {
      const now = written();
      await Bun.sleep(500);
      const still = now === last;
      last = now;
      return still;
    });
    expect(memoryOf(labd.pid) - (before[0] ?? 0)).toBeLessThan(100 << 20);
    expect(memoryOf(agent.pid) - (before[1] ?? 0)).toBeLessThan(100 << 20);
    expect(memoryOf(child.pid)).toBeLessThan(400 << 20);
    await reader.read();
    for (let index = 0; index < 200; index++) await reader.read();
    await until("it goes on when it is read", () => written() > last);
    child.kill("SIGKILL");
    await until("it ends with its client", () => isRunning(`yes ${mark}`) === 0);
  },
  60_000,
);

test("a lost connection costs no input and no output", async () => {
  const child = Bun.spawn([executable, "exec", "server/n1", "-i", "--", "sh", "-c", "cat; echo end"], {
    env: stack.env,
    stdin: "pipe",
    stdout: "pipe",
  });
  child.stdin.write("before\n");
  child.stdin.flush();
  await Bun.sleep(500);
  relay.cut();
  child.stdin.write("between\n");
  child.stdin.flush();
  await stack.connected("n1");
  child.stdin.write("after\n");
  child.stdin.end();
  expect(await new Response(child.stdout).text()).toBe("before\nbetween\nafter\nend\n");
  expect(stack.log("n1")).toContain("reconnecting");
}, 30_000);
