import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { until } from "./stack.ts";

const answer = z.object({
  id: z.number().optional(),
  method: z.string().optional(),
  params: z.unknown().optional(),
  result: z.unknown().optional(),
  error: z.object({ message: z.string() }).optional(),
});
const evaluated = z.object({
  result: z.object({ value: z.unknown().optional() }),
  exceptionDetails: z.object({ text: z.string() }).optional(),
});
const complaint = z.object({ entry: z.object({ level: z.string(), text: z.string() }) });

/** A page of a real browser, by the Chrome DevTools protocol. */
export interface Browser {
  open(url: string): Promise<void>;
  /** The value of a JavaScript expression on the page; promises are waited for. */
  read(expression: string): Promise<unknown>;
  /** The text of the first element that fits. */
  text(selector: string): Promise<string>;
  /** Waits until the text of the element holds `text`. */
  sees(selector: string, text: string): Promise<void>;
  /** Clicks where the element is, as a person would. */
  click(selector: string): Promise<void>;
  fill(selector: string, text: string): Promise<void>;
  /** PNG, of a window of this many pixels. */
  screenshot(options: { width: number; height: number; dark?: boolean }): Promise<Uint8Array>;
  /** What the browser complained of: what the content security policy stopped, scripts that failed. */
  readonly complaints: string[];
  close(): Promise<void>;
}

export async function openBrowser(): Promise<Browser> {
  const directory = mkdtempSync(join(tmpdir(), "labctl-browser-"));
  const child = Bun.spawn(
    [
      "chromium",
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--no-first-run",
      "--disable-background-networking",
      "--hide-scrollbars",
      // labd's own authority is none that a browser knows.
      "--ignore-certificate-errors",
      "--remote-debugging-port=0",
      `--user-data-dir=${directory}`,
      "about:blank",
    ],
    { stdin: "ignore", stdout: "ignore", stderr: "ignore", env: { ...process.env, HOME: directory } },
  );
  const file = join(directory, "DevToolsActivePort");
  await until(
    "the browser listens",
    () => existsSync(file) && readFileSync(file, "utf8").includes("\n"),
    30_000,
  );
  const [port] = readFileSync(file, "utf8").split("\n");
  const targets = z.array(z.object({ type: z.string(), webSocketDebuggerUrl: z.string() }));
  const pages = targets.parse(await (await fetch(`http://127.0.0.1:${port}/json/list`)).json());
  const socket = new WebSocket(pages.find(({ type }) => type === "page")?.webSocketDebuggerUrl ?? "");
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve);
    socket.addEventListener("error", reject);
  });

  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  const complaints: string[] = [];
  let loaded = () => {};
  const gone = () => {
    for (const asked of waiting.values()) asked.reject(new Error("the browser is gone"));
  };
  socket.addEventListener("close", gone);
  socket.addEventListener("message", ({ data }) => {
    const { id, method, params, result, error } = answer.parse(JSON.parse(String(data)));
    if (method === "Page.loadEventFired") loaded();
    if (method === "Log.entryAdded") {
      const { level, text } = complaint.parse(params).entry;
      if (level === "error") complaints.push(text);
    }
    if (method === "Runtime.exceptionThrown") complaints.push(JSON.stringify(params));
    const asked = id === undefined ? undefined : waiting.get(id);
    if (id !== undefined) waiting.delete(id);
    if (error) asked?.reject(new Error(error.message));
    else asked?.resolve(result);
  });
  let last = 0;
  const send = (method: string, params: Record<string, unknown> = {}) => {
    const asked = Promise.withResolvers<unknown>();
    waiting.set(++last, asked);
    socket.send(JSON.stringify({ id: last, method, params }));
    return asked.promise;
  };
  for (const domain of ["Page", "Runtime", "Log"]) await send(`${domain}.enable`);

  const read = async (expression: string) => {
    const done = evaluated.parse(
      await send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true }),
    );
    if (done.exceptionDetails) throw new Error(`${expression}: ${done.exceptionDetails.text}`);
    return done.result.value;
  };
  const text = async (selector: string) =>
    String(await read(`document.querySelector(${JSON.stringify(selector)})?.textContent ?? ""`));
  const size = async (width: number, height: number, dark: boolean) => {
    await send("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: width < 600,
    });
    const features = [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }];
    await send("Emulation.setEmulatedMedia", { features });
  };
  return {
    complaints,
    read,
    text,
    async open(url) {
      const load = new Promise<void>((resolve) => {
        loaded = resolve;
      });
      await send("Page.navigate", { url });
      await load;
    },
    sees: (selector, wanted) =>
      until(
        `${selector} shows '${wanted}'`,
        async () => (await text(selector).catch(() => "")).includes(wanted),
        30_000,
      ),
    async click(selector) {
      await until(`${selector} is there`, async () => (await text(selector).catch(() => "")) !== "");
      await read(`document.querySelector(${JSON.stringify(selector)}).click()`);
    },
    fill: async (selector, value) =>
      void (await read(
        `document.querySelector(${JSON.stringify(selector)}).value = ${JSON.stringify(value)}`,
      )),
    async screenshot({ width, height, dark = false }) {
      await size(width, height, dark);
      await Bun.sleep(300);
      const shot = z
        .object({ data: z.string() })
        .parse(await send("Page.captureScreenshot", { format: "png" }));
      return Buffer.from(shot.data, "base64");
    },
    async close() {
      socket.close();
      child.kill("SIGTERM");
      await Promise.race([child.exited, Bun.sleep(3000)]);
      child.kill("SIGKILL");
      await child.exited;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
