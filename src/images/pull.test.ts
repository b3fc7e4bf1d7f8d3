import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAuditLog } from "../access/audit-log.ts";
import { anonymous } from "../access/service.ts";
import { createManualClock } from "../platform/clock.ts";
import { silentLogger } from "../platform/logger.ts";
import { openStore, type Store } from "../store/database.ts";
import { createImageFiles } from "./image-files.client.ts";
import { createImageRepository } from "./repository.ts";
import { createImages, type Images } from "./service.ts";

let keys: string;
let directory: string;
let store: Store;
let mirror: Server | undefined;
const quiet = () => {};
const actor = { principal: anonymous, from: "", requestId: "r1", startedAt: 0 };
const signal = new AbortController().signal;
const sha256 = (text: string | Uint8Array) => createHash("sha256").update(text).digest("hex");
const keyring = () => join(keys, "archive.gpg");

function gpg(...args: string[]): void {
  const done = Bun.spawnSync(["gpg", "--homedir", keys, "--batch", "--quiet", "--passphrase", "", ...args]);
  if (!done.success) throw new Error(done.stderr.toString());
}

beforeAll(() => {
  keys = mkdtempSync(join(tmpdir(), "labctl-keys-"));
  for (const name of ["archive", "stranger"]) {
    gpg("--quick-gen-key", name, "ed25519", "sign", "never");
    gpg("--output", join(keys, `${name}.gpg`), "--export", name);
  }
});
afterAll(() => {
  Bun.spawnSync(["gpgconf", "--homedir", keys, "--kill", "all"]);
  rmSync(keys, { recursive: true, force: true });
});
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "labctl-pull-"));
  store = openStore(":memory:");
});
afterEach(async () => {
  await store.close();
  mirror?.close();
  mirror?.closeAllConnections();
  mirror = undefined;
  rmSync(directory, { recursive: true });
});

const files = { linux: Buffer.alloc(200_000, "k"), "initrd.gz": Buffer.alloc(300_000, "i") };
const images = "main/installer-amd64/current/images";
const list = Object.entries(files)
  .map(([name, bytes]) => `${sha256(bytes)}  ./netboot/debian-installer/amd64/${name}\n`)
  .join("");
const release = (codename = "bookworm") =>
  `Origin: Debian\nCodename: ${codename}\nSHA256:\n ${sha256(list)} ${list.length} ${images}/SHA256SUMS\n`;

function signed(text: string, signer: string): string {
  const path = join(keys, "Release");
  writeFileSync(path, text);
  rmSync(`${path}.gpg`, { force: true });
  gpg("--local-user", signer, "--armor", "--output", `${path}.gpg`, "--detach-sign", path);
  return readFileSync(`${path}.gpg`, "utf8");
}

/** A mirror of one suite. Its answers break off after 50,000 bytes, `breaks` times; `put` replaces what it serves. */
async function serveMirror(options: { breaks?: number; put?: Record<string, string | undefined> } = {}) {
  const served: Record<string, string | Uint8Array | undefined> = {
    Release: release(),
    "Release.gpg": signed(release(), "archive"),
    SHA256SUMS: list,
    ...files,
    ...options.put,
  };
  let breaks = options.breaks ?? 0;
  const ranges: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    const answer = served[(request.url ?? "").split("/").at(-1) ?? ""];
    if (answer === undefined) return response.writeHead(404).end();
    if (typeof answer === "string") return response.end(answer);
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
    ranges.push(request.headers.range);
    const rest = answer.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, { "content-length": rest.length });
    if (breaks-- <= 0) return response.end(rest);
    // Half of it, then the cable comes out.
    return response.write(rest.subarray(0, 50_000), () => setTimeout(() => response.destroy(), 50));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  mirror = server;
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  return { url: `http://127.0.0.1:${port}/debian`, ranges };
}

function openImages(
  url: string | undefined,
  keyrings: Record<string, string> = { debian: keyring() },
): Images {
  return createImages({
    repository: createImageRepository(store),
    files: createImageFiles(join(directory, "images"), keyrings),
    mirrors: url === undefined ? {} : { debian: url },
    clock: createManualClock(1000),
    audit: createAuditLog(store, createManualClock(1000)),
    logger: silentLogger,
  });
}
const pull = (opened: Images, unsigned = false) =>
  opened.pull(actor, "debian-12", { unsigned }, quiet, signal);
const home = () => join(directory, "images/installers/debian-12");

test("pull proves the installer's files and puts them where they are served", async () => {
  const { url } = await serveMirror();
  const opened = openImages(url);
  const image = await pull(opened);
  expect(image.source).toBe(`${url}/dists/bookworm/${images}`);
  expect(image.files.map(({ name }) => name)).toEqual(["initrd.gz", "linux"]);
  for (const [name, bytes] of Object.entries(files)) expect(readFileSync(join(home(), name))).toEqual(bytes);
  await opened.verify(actor, "debian-12", quiet);
  await pull(opened);
  expect(readdirSync(join(directory, "images/installers"))).toEqual(["debian-12"]);
});

test("a pull that breaks off goes on from where it was", async () => {
  const { url, ranges } = await serveMirror({ breaks: 2 });
  await pull(openImages(url));
  expect(ranges.filter((range) => range !== undefined).length).toBeGreaterThan(0);
  expect(readFileSync(join(home(), "linux"))).toEqual(files.linux);
});

const otherList = list.replace(/^[0-9a-f]/gm, "f");
const refused: [string, () => Record<string, string | undefined>, string][] = [
  [
    "a file that is not the one of the list",
    () => ({ SHA256SUMS: otherList }),
    "is not the list that Debian signed for",
  ],
  [
    "a Release file changed after it was signed",
    () => ({ Release: release().replace(sha256(list), sha256(otherList)), SHA256SUMS: otherList }),
    "the signature is not one of this text",
  ],
  [
    "one signed by somebody else",
    () => ({ "Release.gpg": signed(release(), "stranger") }),
    "which the keyring does not have",
  ],
  ["a signature that is none", () => ({ "Release.gpg": "hello" }), "there is no signature in it"],
  [
    "another release in its place, well signed",
    () => ({ Release: release("buster"), "Release.gpg": signed(release("buster"), "archive") }),
    "is of buster, not of bookworm",
  ],
];
test.each(refused)("%s is refused, --unsigned or not, and nothing is served", async (_, put, reason) => {
  const { url } = await serveMirror({ put: put() });
  const opened = openImages(url);
  for (const unsigned of [false, true]) await expect(pull(opened, unsigned)).rejects.toThrow(reason);
  expect(existsSync(home())).toBe(false);
  expect(opened.list()).toEqual([]);
});

test("a file the checksums do not speak for is refused and never served", async () => {
  const { url } = await serveMirror({ put: { linux: "not the kernel" } });
  await expect(pull(openImages(url))).rejects.toThrow("is not the file its list of checksums speaks of");
  expect(existsSync(home())).toBe(false);
});

test("without a keyring it stops and says so; told to, it goes on and the record keeps it", async () => {
  const { url } = await serveMirror();
  const opened = openImages(url, { debian: join(directory, "none.gpg") });
  await expect(pull(opened)).rejects.toThrow("cannot be proven on this host: there is no");
  expect((await pull(opened, true)).source).toEndWith("(not signed)");
});

test("without a mirror, a pull says which key names one", async () => {
  await expect(
    openImages(undefined).pull(actor, "fedora-42", { unsigned: false }, quiet, signal),
  ).rejects.toThrow("no mirror is set for fedora");
});

test("a name that leads elsewhere is refused before anything is made there", async () => {
  const os = "x/../../../elsewhere";
  const asked = openImages("http://127.0.0.1:9").pull(actor, os, { unsigned: false }, quiet, signal);
  await expect(asked).rejects.toThrow("names no distribution's release");
  expect(readdirSync(directory)).toEqual([]);
});
