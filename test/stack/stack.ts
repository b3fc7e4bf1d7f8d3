import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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
  /** One that goes on; ended with the stack. */
  spawn(...words: string[]): Bun.Subprocess<"ignore", "pipe", "pipe">;
  /** The control plane, or with it a bastion that serves no interface. */
  startLabd(role?: "labd" | "standalone"): Promise<Bun.Subprocess>;
  startAgent(name: string): Bun.Subprocess;
  join(name: string, token?: string): Promise<Ran>;
  stateOf(name: string): string;
  directory: string;
  /** The admin socket. */
  socket: string;
  stop(): Promise<void>;
}

export function createStack(index = 0): Stack {
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
      dataDir: join(directory, "data"),
      adminSocket: socket,
      labd: {
        listen: "127.0.0.1",
        port,
        caKeyFile: join(directory, "ca.key"),
        // The tests ask more of one identity in a minute than people do.
        rateLimits: { general: 10_000, enrol: 1000, tokens: 1000, failed: 1000 },
      },
    }),
  );
  const start = (words: string[], log: string) => {
    const child = Bun.spawn([executable, ...words], {
      env,
      stdin: "ignore",
      stdout: "ignore",
      stderr: Bun.file(join(directory, `${log}.log`)),
    });
    children.push(child);
    return child;
  };
  const stack: Stack = {
    port,
    directory,
    socket,
    stateOf: (name) => join(directory, name),
    async labctl(...words) {
      const child = Bun.spawn([executable, ...words], {
        env,
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
    },
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
    async startLabd(role = "labd") {
      const child = start([role, "run", "--config", config], "labd");
      await until("labd answers", async () => (await stack.labctl("whoami")).code === 0);
      return child;
    },
    startAgent: (name) => start(["agent", "run", "--state", join(directory, name)], name),
    async join(name, token) {
      const text =
        token ?? (await stack.labctl("token", "create", "--uses", "1", "--name", name)).stdout.trim();
      return stack.labctl(
        "agent",
        "enroll",
        `127.0.0.1:${port}`,
        "--token",
        text,
        "--state",
        join(directory, name),
      );
    },
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
