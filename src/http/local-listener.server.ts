import { dlopen, ptr } from "bun:ffi";
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readFileSync, unlinkSync } from "node:fs";
import net, { type Socket } from "node:net";
import { dirname } from "node:path";
import { AppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";
import type { Routes } from "./app.ts";
import { createHttp1, type Http1Limits, type Upgrade } from "./http1.server.ts";

/** The group whose members administrate this host's appliance. */
const group = "labctl";
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

/** Serves `app` on a Unix socket that root and the group `labctl` may use; the kernel says who is at the other end. */
export async function listenLocal(
  app: Routes,
  upgrade: Upgrade,
  path: string,
  logger: Logger,
  limits?: Http1Limits,
): Promise<{ stop(): Promise<void> }> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there !== undefined && !there.isSocket()) {
    throw new AppError("config", `${path} is there and is no socket`, {
      hint: "adminSocket names the socket to be made: choose a path nothing else has",
    });
  }
  if (await answers(path)) {
    throw new AppError("conflict", `another appliance listens on ${path}`, {
      hint: "stop it first: labctl init bastion standalone stop",
    });
  }
  // What a killed process left behind.
  if (there !== undefined) unlinkSync(path);
  const libc = dlopen("libc.so.6", {
    getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
  });
  const http1 = createHttp1(app, upgrade, logger, limits);
  const server = net.createServer((socket) => {
    const uid = uidOf(socket, libc.symbols.getsockopt);
    if (uid === undefined) socket.destroy();
    else http1.accept(socket, { kind: "local", uid, user: userName(uid) });
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", (cause) =>
    reject(new AppError("unavailable", `cannot listen on ${path}: ${cause.message}`, { cause })),
  );
  server.listen(path, resolve);
  await promise;
  chmodSync(path, 0o660);
  const gid = idOf("/etc/group", group);
  // Only root may give a socket away; a service's own user is in its group already.
  if (gid !== undefined && process.getuid?.() === 0) chownSync(path, 0, gid);
  return {
    stop: async () => {
      http1.close();
      server.close();
      libc.close();
    },
  };
}

type GetSockOpt = (
  fd: number,
  level: number,
  name: number,
  value: ReturnType<typeof ptr>,
  length: ReturnType<typeof ptr>,
) => number;

/** The user at the other end of a Unix socket (unix(7), SO_PEERCRED: pid, uid, gid). */
function uidOf(socket: Socket, getsockopt: GetSockOpt): number | undefined {
  const handle: unknown = Reflect.get(socket, "_handle");
  const fd: unknown = typeof handle === "object" && handle !== null ? Reflect.get(handle, "fd") : undefined;
  if (typeof fd !== "number") return undefined;
  // Over buffers of their own: the bytes of a small array lie in the heap, and move.
  const credentials = new Uint32Array(new ArrayBuffer(12));
  const length = new Uint32Array(new ArrayBuffer(4));
  length[0] = credentials.byteLength;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ptr(credentials), ptr(length)) === 0
    ? credentials[1]
    : undefined;
}

function userName(uid: number): string {
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((each) => each.split(":")[2] === String(uid));
  return line?.split(":")[0] ?? `uid-${uid}`;
}

function idOf(file: string, name: string): number | undefined {
  const line = readFileSync(file, "utf8")
    .split("\n")
    .find((each) => each.startsWith(`${name}:`));
  return line === undefined ? undefined : Number(line.split(":")[2]);
}

async function answers(path: string): Promise<boolean> {
  if (!existsSync(path)) return false;
  try {
    await fetch("http://labctl/healthz", { unix: path, signal: AbortSignal.timeout(2000) });
    return true;
  } catch (error) {
    return error instanceof Error && error.name === "TimeoutError";
  }
}
