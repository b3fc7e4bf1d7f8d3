/**
 * Followers of installs' logs and the machines that write them, in one process, so that one clock measures both ends.
 * Usage: follow-client.ts JSON (see FollowOrder); prints a line of JSON when every follower listens, another at the end.
 */
import { z } from "zod";
import { macOf } from "./seed.ts";
import { encodePost, openCaller, startInstall } from "./swarm.ts";

export const followOrder = z.strictObject({
  hostname: z.ipv4(),
  socket: z.string(),
  installs: z.int(),
  followers: z.int(),
  /** Lines each install sends, one a request. */
  lines: z.int(),
  everyMs: z.number(),
});
type FollowOrder = z.infer<typeof followOrder>;
export const followResult = z.object({
  delivered: z.number(),
  missing: z.number(),
  p50Ms: z.number(),
  p99Ms: z.number(),
});

/** Connections that may wait to be answered. */
const queue = 100;
/** Milliseconds before its memory is looked at: what connecting left over, the server has cleared away then. */
const settleMs = 3000;

async function follow(order: FollowOrder): Promise<z.infer<typeof followResult>> {
  const { hostname, socket, installs, followers, lines, everyMs } = order;
  const orders = Bun.stdin.stream().getReader();
  const senders = await Promise.all(
    Array.from({ length: installs }, () => openCaller({ hostname, port: 8080 })),
  );
  const tokens: string[] = [];
  for (const [index, sender] of senders.entries()) tokens.push(await startInstall(sender, macOf(index)));
  const delays: number[] = [];
  const connect = async (many: number) => {
    const streams: { terminate(): void }[] = [];
    let answered = 0;
    for (let n = 0; n < many; n++) {
      let rest = "";
      let listening = false;
      const stream = await Bun.connect({
        unix: socket,
        socket: {
          data(_socket, bytes) {
            const now = performance.now();
            if (!listening) {
              listening = true;
              answered++;
            }
            const text = rest + bytes.toString("latin1");
            const cut = text.lastIndexOf("\n") + 1;
            rest = text.slice(cut);
            for (const found of text.slice(0, cut).matchAll(/sent=([\d.]+)/g))
              delays.push(now - Number(found[1]));
          },
        },
      });
      stream.write(`GET /api/logs/${macOf(n % installs)}/follow HTTP/1.1\r\nHost: bench\r\n\r\n`);
      streams.push(stream);
      // a Unix socket whose queue is full refuses
      const end = Date.now() + 20_000;
      while (streams.length - answered > (n === many - 1 ? 0 : queue) && Date.now() < end) await Bun.sleep(5);
    }
    return streams;
  };
  // What the program itself needs for its first installs and followers is not the memory of those that are measured.
  for (const stream of await connect(Math.min(followers, 100))) stream.terminate();
  await Bun.sleep(settleMs);
  console.log("started");
  await orders.read();
  const streams = await connect(followers);
  await Bun.sleep(settleMs);
  console.log("listening");
  await orders.read();
  await Promise.all(
    senders.map(async (sender, index) => {
      // spread over the interval, as machines are
      await Bun.sleep((everyMs * index) / installs);
      for (let seq = 1; seq <= lines; seq++) {
        const next = performance.now() + everyMs;
        const text = `line ${seq} sent=${performance.now().toFixed(3)}`;
        await sender.ask(
          encodePost("/api/log", tokens[index] ?? "", JSON.stringify({ lines: [{ seq, text }] })),
        );
        await Bun.sleep(Math.max(0, next - performance.now()));
      }
    }),
  );
  const expected = lines * followers;
  for (const end = Date.now() + 10_000; delays.length < expected && Date.now() < end; ) await Bun.sleep(20);
  for (const each of [...streams, ...senders.map((sender) => ({ terminate: sender.close }))])
    each.terminate();
  delays.sort((a, b) => a - b);
  const at = (share: number) => delays[Math.floor(delays.length * share)] ?? Number.NaN;
  return { delivered: delays.length, missing: expected - delays.length, p50Ms: at(0.5), p99Ms: at(0.99) };
}

if (import.meta.main) {
  console.log(JSON.stringify(await follow(followOrder.parse(JSON.parse(process.argv[2] ?? "{}")))));
  process.exit(0);
}
