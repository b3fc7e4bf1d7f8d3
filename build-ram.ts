// Makes dist/ram/ARCH/{vmlinuz,initrd.img,manifest.json}: bun build-ram.ts [x86_64|arm64]
import { join } from "node:path";
import { buildRam } from "./src/images/ram-build.client.ts";
import { ramArchitectures } from "./src/images/ram-contents.ts";
import { ramScripts } from "./src/images/ram-scripts.ts";
import { toAppError } from "./src/platform/errors.ts";

const host = process.arch === "arm64" ? "arm64" : "x86_64";
const architecture = ramArchitectures.find((known) => known === (process.argv[2] ?? host));
if (architecture === undefined) {
  console.error(`build-ram: '${process.argv[2]}' is not one of ${ramArchitectures.join(", ")}`);
  process.exit(2);
}
const output = join(import.meta.dir, "dist/ram", architecture);
try {
  const manifest = await buildRam({
    architecture,
    outputFolder: output,
    cacheFolder: join(import.meta.dir, "dist/cache/ram"),
    scripts: ramScripts,
    progress: (what) => console.error(`build-ram: ${what}`),
  });
  const megabytes = (manifest.files["initrd.img"].bytes / 1e6).toFixed(1);
  console.log(
    `${output}: Linux ${manifest.kernel}, initrd ${megabytes} MB, ${manifest.packages.length} packages`,
  );
} catch (thrown) {
  const error = toAppError(thrown);
  console.error(`build-ram: ${error.message}${error.hint === undefined ? "" : `\n  ${error.hint}`}`);
  process.exit(1);
}
