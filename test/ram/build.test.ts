import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildRam } from "../../src/images/ram-build.client.ts";
import { ramManifestSchema } from "../../src/images/ram-manifest.ts";
import { ramScripts } from "../../src/images/ram-scripts.ts";

test.skipIf(process.env.LABCTL_CI !== "1")(
  "two builds of the RAM environment are the same bytes, and as the manifest says (part of .ci/run: set LABCTL_CI=1)",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "ram-build-test-"));
    try {
      const digests: string[] = [];
      for (const name of ["first", "second"]) {
        const outputFolder = join(folder, name);
        const manifest = await buildRam({
          architecture: "x86_64",
          outputFolder,
          cacheFolder: join(import.meta.dir, "../../dist/cache/ram"),
          scripts: ramScripts,
          progress: () => {},
        });
        const initrd = readFileSync(join(outputFolder, "initrd.img"));
        const digest = new Bun.CryptoHasher("sha256").update(initrd).digest("hex");
        expect(manifest.files["initrd.img"]).toEqual({ bytes: initrd.length, sha256: digest });
        const written = JSON.parse(readFileSync(join(outputFolder, "manifest.json"), "utf8"));
        expect(ramManifestSchema.parse(written)).toEqual(manifest);
        expect(initrd.length).toBeLessThan(80e6);
        digests.push(digest);
      }
      expect(digests[0]).toBe(digests[1] ?? "");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  20 * 60_000,
);
