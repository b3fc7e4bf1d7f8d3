import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { executable } from "../lab/bastion.ts";

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

/** labd and agents as real processes of the built executable, on loopback. */
export interface Stack {
  readonly port: number;
  /** A user's command, as the local administrator. */
  labctl(...words: string[]): Promise<Ran>;
  /** The environment of the local administrator's commands. */
  env: Env;
  /** One that goes on; ended with the stack. */
  spawn(...words: string[]): Bun.Subprocess<"ignore", "pipe", "pipe">;
  /** The control plane, or with it a bastion that serves no interface. */
  startLabd(role?: "labd" | "standalone", env?: Env): Promise<Bun.Subprocess>;
  startAgent(name: string, env?: Env): Bun.Subprocess;
  /** Another program that goes on, with its log under a name. */
  run(name: string, argv: string[]): Bun.Subprocess;
  join(name: string, token?: string, env?: Env): Promise<Ran>;
  /** `labctl agent …` on the host of that agent. */
  onHost(name: string, ...words: string[]): Promise<Ran>;
  stateOf(name: string): string;
  /** Lets an agent that is not running look for labd at another address. */
  send(name: string, url: string): void;
  /** What a process wrote to its log: `labd`, or an agent's name. */
  log(name: string): string;
  /** Waits until `labctl get servers` shows it connected. */
  connected(name: string): Promise<void>;
  /** A user's command as somebody with a home of their own, over TLS. */
  as(user: string, ...words: string[]): Promise<Ran>;
  directory: string;
  /** The admin socket. */
  socket: string;
  stop(): Promise<void>;
}

export type Env = Record<string, string>;

/** What makes a process live at another time: `+3d`, `-5h`; with a file, the file says so, and may say otherwise later. */
export const atTime = (shift: string): Env => ({ ...fakeTime, FAKETIME: shift });
export const atTimeOf = (file: string): Env => ({
  ...fakeTime,
  FAKETIME_TIMESTAMP_FILE: file,
  FAKETIME_NO_CACHE: "1",
});
const fakeTime: Env = {
  LD_PRELOAD: `/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu/faketime/libfaketime.so.1`,
  // Timers run as ever: only the time of day is another.
  FAKETIME_DONT_FAKE_MONOTONIC: "1",
  FAKETIME_DONT_RESET: "1",
};

export function createStack(
  index = 0,
  labd: Record<string, unknown> = {},
  settings: Record<string, unknown> = {},
): Stack {
  const directory = mkdtempSync(join(tmpdir(), "labctl-stack-"));
  const children: Bun.Subprocess[] = [];
  const socket = join(directory, "labctl.sock");
  const config = join(directory, "config.yaml");
  const port = 20_000 + 2 * (process.pid % 10_000) + index;
  const env = { PATH: process.env.PATH ?? "/usr/bin:/bin", HOME: directory, LABCTL_SOCKET: socket };
  writeFileSync(join(directory, "ca.key"), "5a".repeat(32));
  writeFileSync(
    config,
    JSON.stringify({
      ...settings,
      dataDir: join(directory, "data"),
      adminSocket: socket,
      labd: {
        listen: "127.0.0.1",
        port,
        caKeyFile: join(directory, "ca.key"),
        // The tests ask more of one identity in a minute than people do.
        heartbeat: "1s",
        rateLimits: { general: 10_000, enrol: 1000, tokens: 1000, failed: 1000 },
        ...labd,
      },
    }),
  );
  const start = (words: string[], log: string, extra: Env = {}) => run([executable, ...words], log, extra);
  const run = (argv: string[], log: string, extra: Env = {}) => {
    const child = Bun.spawn(argv, {
      env: { ...env, ...extra },
      stdin: "ignore",
      stdout: "ignore",
      // Appended: a process that is started again goes on where the last one ended.
      stderr: openSync(join(directory, `${log}.log`), "a"),
    });
    children.push(child);
    return child;
  };
  const ran = async (words: string[], environment: Env): Promise<Ran> => {
    const child = Bun.spawn([executable, ...words], {
      env: environment,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { code, stdout, stderr };
  };
  const stack: Stack = {
    port,
    env,
    directory,
    socket,
    run: (name, argv) => run(argv, name),
    stateOf: (name) => join(directory, name),
    send(name, url) {
      const file = join(directory, name, "agent.json");
      writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), server: url }));
    },
    labctl: (...words) => ran(words, env),
    spawn(...words) {
      const child = Bun.spawn([executable, ...words], {
        env,
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      children.push(child);
      return child;
    },
    log: (name) => readFileSync(join(directory, `${name}.log`), "utf8"),
    connected: (name) =>
      until(`server/${name} is connected`, async () =>
        (await stack.labctl("get", "servers")).stdout
          .split("\n")
          .some((line) => new RegExp(`^${name} +connected`).test(line)),
      ),
    as: (user, ...words) => ran(words, { PATH: env.PATH, HOME: join(directory, user) }),
    async startLabd(role = "labd", extra = {}) {
      const child = start([role, "run", "--config", config], "labd", extra);
      await until("labd answers", async () => (await stack.labctl("whoami")).code === 0);
      return child;
    },
    startAgent: (name, extra) => start(["agent", "run", "--state", join(directory, name)], name, extra),
    async join(name, token, extra = {}) {
      const text =
        token ?? (await stack.labctl("token", "create", "--uses", "1", "--name", name)).stdout.trim();
      return ran(
        ["agent", "enroll", `127.0.0.1:${port}`, "--token", text, "--state", join(directory, name)],
        { ...env, ...extra },
      );
    },
    onHost: (name, word = "", ...words) =>
      stack.labctl("agent", word, ...words, "--state", join(directory, name)),
    async stop() {
      for (const child of children.reverse()) {
        child.kill("SIGTERM");
        await Promise.race([child.exited, Bun.sleep(3000)]);
        child.kill("SIGKILL");
      }
      rmSync(directory, { recursive: true, force: true });
    },
  };
  return stack;
}

/** A cable between an agent and labd that can be pulled out. */
export interface Relay {
  readonly port: number;
  /** Drops every connection; new ones are taken again at once. */
  cut(): void;
  stop(): void;
}

export async function createRelay(to: number): Promise<Relay> {
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(to, "127.0.0.1");
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.pipe(other);
      one.on("error", () => {});
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const cut = () => {
    for (const socket of open) socket.destroy();
  };
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    cut,
    stop() {
      server.close();
      cut();
    },
  };
}

/** Waits for `holds`, with a bound, and says what it waited for. */
export async function until(
  what: string,
  holds: () => Promise<boolean> | boolean,
  patience = 15_000,
): Promise<void> {
  const end = Date.now() + patience;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited ${patience} ms in vain: ${what}`);
    await Bun.sleep(50);
  }
}

export const readText = (path: string) => readFileSync(path, "utf8");
