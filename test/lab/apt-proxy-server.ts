/** The mirror of `apt-proxy.ts`, inside the lab's namespace: argv[2] is its set-up as JSON. */
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { z } from "zod";

const setup = z
  .object({
    host: z.string(),
    port: z.number(),
    cache: z.string(),
    outside: z.string(),
    archives: z.record(z.string(), z.string()),
    overlay: z.string().optional(),
  })
  .parse(JSON.parse(process.argv[2] ?? "{}"));

/** Fetches under way, by path: ten machines that ask for one package cost one download. */
const underWay = new Map<string, Promise<string | undefined>>();
const started = Date.now();

Bun.serve({
  hostname: setup.host,
  port: setup.port,
  idleTimeout: 255,
  async fetch(request) {
    const path = normalize(decodeURIComponent(new URL(request.url).pathname)).slice(1);
    const file = await find(path);
    console.log(`${file === undefined ? 404 : 200} ${request.method} /${path}`);
    return file === undefined ? new Response("not found\n", { status: 404 }) : new Response(Bun.file(file));
  },
});

async function find(path: string): Promise<string | undefined> {
  const own = setup.overlay === undefined ? undefined : join(setup.overlay, path);
  if (own !== undefined && existsSync(own)) return own;
  const [name, ...rest] = path.split("/");
  const archive = name === undefined ? undefined : setup.archives[name];
  if (archive === undefined || rest.length === 0) return undefined;
  const running = underWay.get(path);
  if (running) return running;
  const fetching = download(`${archive}/${rest.join("/")}`, join(setup.cache, path)).finally(() =>
    underWay.delete(path),
  );
  underWay.set(path, fetching);
  return fetching;
}

async function download(url: string, file: string): Promise<string | undefined> {
  const cached = Bun.file(file);
  // Packages never change under their name; the lists do, so they are kept for this run only.
  if ((await cached.exists()) && (url.includes("/pool/") || cached.lastModified >= started)) return file;
  mkdirSync(dirname(file), { recursive: true });
  const part = `${file}.part`;
  const child = Bun.spawn(
    ["nsenter", `--net=${setup.outside}`, "/usr/lib/apt/apt-helper", "-o", "APT::Sandbox::User=root"].concat(
      "download-file",
      url,
      part,
    ),
    { stdin: "ignore", stdout: "ignore", stderr: "pipe", timeout: 300_000 },
  );
  const message = await new Response(child.stderr).text();
  if ((await child.exited) !== 0) {
    console.log(`not fetched: ${url}: ${message.trim().split("\n").at(-1)}`);
    return undefined;
  }
  renameSync(part, file);
  return file;
}
