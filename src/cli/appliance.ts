import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { DaemonConfig } from "../platform/config.ts";
import { AppError } from "../platform/errors.ts";
import { note } from "./output.ts";

/** The daemon as something to start and stop: a systemd unit where one is installed, else a process of our own. */
export interface Appliance {
  start(): Promise<void>;
  /** False when it was not running. */
  stop(): Promise<boolean>;
  alive(): boolean;
  logTail(): string;
  readonly logHint: string;
}

const unit = "labctl-standalone.service";
/** Milliseconds a daemon may take to close its sockets and database before it is killed. */
const stopPatience = 15_000;

export function createAppliance(configPath: string, config: DaemonConfig): Appliance {
  const underSystemd =
    existsSync("/run/systemd/system") &&
    systemctl("cat", unit).status === 0 &&
    configPath === "/etc/labctl/config.yaml";
  return underSystemd ? systemdAppliance() : processAppliance(configPath, config);
}

function systemdAppliance(): Appliance {
  return {
    start: async () => {
      const result = systemctl("start", unit);
      if (result.status !== 0) {
        throw new AppError("failed", `systemctl start ${unit}: ${result.stderr.trim()}`, {
          hint: `journalctl -u ${unit}`,
        });
      }
    },
    stop: async () => {
      const was = systemctl("is-active", unit).status === 0;
      systemctl("stop", unit);
      return was;
    },
    alive: () => systemctl("is-active", unit).status === 0,
    logTail: () =>
      spawnSync("journalctl", ["-u", unit, "-n", "20", "--no-pager"], { encoding: "utf8" }).stdout ?? "",
    logHint: `journalctl -u ${unit} shows more`,
  };
}

const systemctl = (...words: string[]) =>
  spawnSync("systemctl", words, { encoding: "utf8", timeout: 60_000 });

function processAppliance(configPath: string, config: DaemonConfig): Appliance {
  const pidFile = join(dirname(config.adminSocket), "bastion.pid");
  const logFile = join(config.dataDir, "bastion.log");
  /** Where what the process of this start writes begins. */
  let logStart = 0;
  return {
    start: async () => {
      try {
        mkdirSync(dirname(pidFile), { recursive: true });
        mkdirSync(dirname(logFile), { recursive: true, mode: 0o750 });
        makeCaKey(config.labd.caKeyFile);
        const log = openSync(logFile, "a", 0o640);
        logStart = fstatSync(log).size;
        // BUN_… variables could make the executable run other code than its own.
        const environment = {
          ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("BUN_"))),
          // As the systemd units have it: no thread of the allocator's that an idle process keeps waking.
          MIMALLOC_SCAVENGER: "0",
        };
        const child = spawn(process.execPath, [...ownScript(), "standalone", "run", "--config", configPath], {
          detached: true,
          stdio: ["ignore", log, log],
          cwd: "/",
          env: environment,
        });
        closeSync(log);
        const { pid } = child;
        if (pid === undefined) throw new Error("the process could not be started");
        writeFileSync(pidFile, `${pid} ${startTime(pid) ?? ""}\n`, { flush: true });
        child.unref();
      } catch (cause) {
        throw new AppError("unavailable", `cannot start: ${cause instanceof Error ? cause.message : cause}`, {
          hint: "run as root, or point dataDir and adminSocket to where this user may write",
          cause,
        });
      }
    },
    stop: async () => {
      const pid = runningPid(pidFile);
      if (pid === undefined) return false;
      process.kill(pid, "SIGTERM");
      const end = Date.now() + stopPatience;
      while (runningPid(pidFile) !== undefined) {
        if (Date.now() > end) process.kill(pid, "SIGKILL");
        await Bun.sleep(50);
      }
      rmSync(pidFile, { force: true });
      return true;
    },
    alive: () => runningPid(pidFile) !== undefined,
    logTail: () =>
      existsSync(logFile)
        ? readFileSync(logFile).subarray(logStart).toString().split("\n").slice(-20).join("\n")
        : "",
    logHint: `${logFile} has the whole log; labctl doctor says what is in the way`,
  };
}

/** A key of this host's own, made once: without it the certificate authority cannot be opened again. */
function makeCaKey(path: string): void {
  if (existsSync(path)) return;
  mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
  writeFileSync(path, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600, flag: "wx", flush: true });
  note(`made ${path}, which seals the certificate authority: keep a copy of it in a safe place`);
}

/** The script's path when run from source; nothing in the compiled executable. */
const ownScript = () => (Bun.main.startsWith("/$bunfs/") ? [] : [Bun.main]);

/** The pid in the file, if that very process still runs: a pid alone may have been given to another one since. */
function runningPid(pidFile: string): number | undefined {
  if (!existsSync(pidFile)) return undefined;
  const [pid, started] = readFileSync(pidFile, "utf8").trim().split(" ");
  const current = startTime(Number(pid));
  return current !== undefined && current === started ? Number(pid) : undefined;
}

/** When the process was started, in the kernel's ticks since boot; `undefined` when it is gone (proc(5), stat 22). */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
