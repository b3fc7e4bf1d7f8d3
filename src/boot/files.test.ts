import { expect, test } from "bun:test";
import { normalize } from "node:path";
import fc from "fast-check";
import { readDispatchQuery } from "./dispatch.ts";
import { createBootFiles, directoryMount } from "./files.ts";
import { decidePart } from "./range.ts";
import { createTftpFiles } from "./tftp-files.ts";

const from = { clientIp: "10.0.0.50", baseUrl: "http://10.0.0.1:8080" };
const asked: string[] = [];
const files = createBootFiles({
  programs: {
    names: ["ipxe.efi"],
    read: (name) => (name === "ipxe.efi" ? Promise.resolve(new Uint8Array(10)) : undefined),
  },
  dispatch: { config: (mac, cpu) => Promise.resolve(`# ${mac} ${cpu}\n`) },
  mounts: {
    agent: () => undefined,
    ram: directoryMount("/srv/ram"),
    installer: directoryMount("/srv/installer"),
    image: directoryMount("/srv/image"),
  },
  stat: (path) => {
    asked.push(path);
    return { size: 5, modified: 1000 };
  },
});

test("whatever path is asked for, nothing outside of the mounts is looked at", async () => {
  const part = fc.oneof(
    fc.constantFrom(
      "..",
      ".",
      "",
      "ram",
      "installer",
      "image",
      "boot",
      "grub",
      "\\",
      "%2e%2e",
      "\u0000",
      "etc",
      "x",
    ),
    fc.string({ maxLength: 8 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 8 }), async (parts) => {
      asked.length = 0;
      await files.open(parts.join("/"), from);
      for (const path of asked) {
        expect(path).toMatch(/^\/srv\/(ram|installer|image)\/./);
        expect(normalize(path)).toBe(path);
        expect(path).not.toContain("/.");
      }
    }),
    { numRuns: 500 },
  );
});

test("a loader finds beside itself what it looks for, over either protocol", async () => {
  for (const name of ["ipxe.efi", "boot/ipxe.efi", "/ipxe.efi", "\\ipxe.efi", "//boot//ipxe.efi"])
    expect(await files.open(name, from)).toMatchObject({ type: "application/efi" });
  for (const name of [
    "autoexec.ipxe",
    "boot/autoexec.ipxe",
    "boot.ipxe",
    "grub/grub.cfg",
    "boot/grub/grub.cfg",
  ])
    expect(await files.open(name, from)).toMatchObject({ type: "text/plain; charset=utf-8" });
  expect(await files.open("grub/x86_64-efi/fs.lst", from)).toBeUndefined();
});

test("over TFTP scripts name our HTTP by the address that was asked, and no disk image is served", async () => {
  const tftp = createTftpFiles(
    files,
    () => Promise.resolve({ read: () => Promise.resolve(new Uint8Array()), close: () => {} }),
    8081,
  );
  const client = { address: "10.0.0.50", port: 2000, local: "10.0.0.2" };
  const script = await tftp.open("autoexec.ipxe", client);
  expect(script && "bytes" in script && new TextDecoder().decode(script.bytes)).toContain(
    "http://10.0.0.2:8081/dispatch?",
  );
  expect(await tftp.open("ram/x86_64/vmlinuz", client)).toMatchObject({ size: 5 });
  expect(await tftp.open("image/debian-12", client)).toBeUndefined();
});

test("no query, whatever is in it, makes dispatch fail, and only bounded values come through", () => {
  const value = fc.oneof(
    fc.string({ maxLength: 300 }),
    fc.constantFrom("52:54:00:12:34:56", "efi", "i386", "arm64"),
  );
  const key = fc.oneof(
    fc.constantFrom("mac", "uuid", "serial", "platform", "arch"),
    fc.string({ maxLength: 9 }),
  );
  fc.assert(
    fc.property(fc.dictionary(key, value), (query) => {
      const read = readDispatchQuery(query, from);
      if (read.kind === "refuse") return;
      expect(read.request.uuid?.length ?? 36).toBe(36);
      expect(read.request.serial ?? "").toMatch(/^[\x20-\x7e]{0,128}$/);
    }),
  );
});

test("any Range header gets the whole file, a part that lies in it, or 416", () => {
  const range = fc.oneof(
    fc.string(),
    fc.tuple(fc.maxSafeNat(), fc.maxSafeNat()).map(([a, b]) => `bytes=${a}-${b}`),
    fc.maxSafeNat().map((n) => `bytes=-${n}`),
  );
  fc.assert(
    fc.property(range, fc.nat(1000), (text, size) => {
      const conditions = {
        range: text,
        ifRange: undefined,
        ifNoneMatch: undefined,
        ifModifiedSince: undefined,
      };
      const part = decidePart(conditions, { size, etag: '"x"' });
      if (part.kind !== "range") return;
      expect(part.first).toBeGreaterThanOrEqual(0);
      expect(part.last).toBeGreaterThanOrEqual(part.first);
      expect(part.last).toBeLessThan(size);
    }),
  );
});
