import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The machines room as a process of its own, with real sockets and a real clock. */
export interface RoomProcess {
  readonly pid: number;
  readonly socket: string;
  readonly url: string;
  /** A request to the admin socket. */
  admin(path: string, init?: RequestInit): Promise<Response>;
  /** Queues an install, boots the machine, and fetches its data: the token it reports with. */
  startInstall(mac: string, name: string): Promise<string>;
  log(token: string, body: unknown): Promise<Response>;
  progress(token: string, body: unknown): Promise<Response>;
  /** As a power failure of the process would: kill -9; then starts it again on what is on the disk. */
  killAndRestart(): Promise<void>;
  close(): Promise<void>;
}

export const post = (body: unknown, token?: string): RequestInit => ({
  method: "POST",
  headers: {
    "content-type": "application/json",
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  },
  body: JSON.stringify(body),
});

export async function startRoomProcess(): Promise<RoomProcess> {
  const directory = mkdtempSync(join(tmpdir(), "labctl-room-"));

  async function spawn() {
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "room-server.ts"), directory], {
      stdout: "pipe",
      stderr: "inherit",
    });
    const reader = child.stdout.getReader();
    const first = await reader.read();
    return { child, url: `http://127.0.0.1:${new TextDecoder().decode(first.value).trim()}` };
  }

  let running = await spawn();
  const room: RoomProcess = {
    get pid() {
      return running.child.pid;
    },
    get url() {
      return running.url;
    },
    socket: join(directory, "sock"),
    admin: (path, init) => fetch(`http://labctl${path}`, { ...init, unix: room.socket }),
    async startInstall(mac, name) {
      const queued = await room.admin(
        `/api/v1/machines/${mac}/install`,
        post({ spec: { name, os: "image:web" }, replace: true }),
      );
      if (queued.status !== 201) throw new Error(await queued.text());
      // The order of a machine that waits holds a token just as a boot script does.
      const order = (await (await fetch(`${room.url}/dispatch/orders?mac=${mac}`)).json()) as {
        token: string;
      };
      const served = await fetch(`${room.url}/install/${order.token}/install.sh`);
      if (served.status !== 200) throw new Error(await served.text());
      await served.text();
      return order.token;
    },
    log: (token, body) => fetch(`${room.url}/api/log`, post(body, token)),
    progress: (token, body) => fetch(`${room.url}/api/progress`, post(body, token)),
    async killAndRestart() {
      running.child.kill("SIGKILL");
      await running.child.exited;
      running = await spawn();
    },
    async close() {
      running.child.kill("SIGKILL");
      await running.child.exited;
      rmSync(directory, { recursive: true });
    },
  };
  return room;
}
