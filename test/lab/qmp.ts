import { createConnection } from "node:net";
import { z } from "zod";

/** QEMU Machine Protocol: one JSON object a line, answers in the order of the commands. */
export interface Qmp {
  execute(command: string, args?: Record<string, unknown>): Promise<unknown>;
  close(): void;
}

const message = z.looseObject({
  QMP: z.unknown().optional(),
  event: z.string().optional(),
  return: z.unknown().optional(),
  error: z.object({ class: z.string(), desc: z.string() }).optional(),
});

export async function connectQmp(path: string, timeoutMs = 10_000): Promise<Qmp> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await open(path);
    } catch (error) {
      if (Date.now() > end) throw new Error(`QMP socket ${path}: ${String(error)}`);
      await Bun.sleep(50);
    }
  }
}

async function open(path: string): Promise<Qmp> {
  const socket = createConnection({ path });
  const waiting: { resolve: (value: unknown) => void; reject: (error: Error) => void }[] = [];
  let buffer = "";
  const fail = (error: Error) => {
    for (const waiter of waiting.splice(0)) waiter.reject(error);
  };
  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    buffer += chunk;
    const lines = buffer.split("\n");
    buffer = lines.pop() ?? "";
    for (const line of lines) {
      const answer = message.parse(JSON.parse(line));
      if (answer.QMP !== undefined || answer.event !== undefined) continue;
      const waiter = waiting.shift();
      if (answer.error) waiter?.reject(new Error(`QMP: ${answer.error.desc}`));
      else waiter?.resolve(answer.return);
    }
  });
  socket.on("close", () => fail(new Error("QMP: the virtual machine has ended")));
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  socket.on("error", fail);

  const execute: Qmp["execute"] = (command, args) =>
    new Promise((resolve, reject) => {
      if (socket.destroyed) return reject(new Error("QMP: the virtual machine has ended"));
      waiting.push({ resolve, reject });
      socket.write(`${JSON.stringify({ execute: command, ...(args ? { arguments: args } : {}) })}\n`);
    });
  await execute("qmp_capabilities");
  return { execute, close: () => socket.destroy() };
}
