import { afterEach, expect, test } from "bun:test";
import net from "node:net";
import { fetchOnce } from "./repeated-fetch.ts";

const servers: net.Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** Answers the nth request with the nth answer; `undefined` hangs up. Tells the keys that came. */
async function serve(answers: (string | undefined)[]) {
  const keys: string[] = [];
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      const answer = answers[keys.length];
      keys.push(/idempotency-key: (\S+)/i.exec(bytes.toString())?.[1] ?? "none");
      if (answer === undefined) socket.destroy();
      else socket.end(`HTTP/1.1 ${answer}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return { url: `http://127.0.0.1:${port}/`, keys };
}

test("a request whose answer was lost is sent again with the same key", async () => {
  const { url, keys } = await serve([undefined, undefined, "201 Created"]);
  expect((await fetchOnce(url, { method: "POST" })).status).toBe(201);
  expect(keys).toHaveLength(3);
  expect(new Set(keys).size).toBe(1);
  expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/);
});

test("while the first is being worked on, it waits", async () => {
  const { url, keys } = await serve([undefined, "409 Conflict\r\nRetry-After: 1", "201 Created"]);
  expect((await fetchOnce(url, { method: "POST" })).status).toBe(201);
  expect(keys).toHaveLength(3);
});

test("a refusal is an answer", async () => {
  const { url, keys } = await serve(["409 Conflict"]);
  expect((await fetchOnce(url, { method: "POST" })).status).toBe(409);
  expect(keys).toHaveLength(1);
});

test("where nobody listens it says so at once", async () => {
  const begun = Date.now();
  await expect(fetchOnce("http://127.0.0.1:1/", { method: "POST" })).rejects.toThrow();
  expect(Date.now() - begun).toBeLessThan(400);
});
