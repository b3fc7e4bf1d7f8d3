import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../platform/logger.ts";
import { createApp } from "./app.ts";
import { listenLocal } from "./local-listener.server.ts";

const directory = mkdtempSync(join(tmpdir(), "labctl-local-"));
afterAll(() => rmSync(directory, { recursive: true }));
const listen = (path: string) => listenLocal(createApp([], silentLogger), () => false, path, silentLogger);

test("what is there and is no socket is left alone", async () => {
  const file = join(directory, "config.yaml");
  writeFileSync(file, "precious");
  await expect(listen(file)).rejects.toThrow(`${file} is there and is no socket`);
  await expect(listen(directory)).rejects.toThrow("is no socket");
  expect(readFileSync(file, "utf8")).toBe("precious");
});
