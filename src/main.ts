import { versionLine } from "./platform/build.ts";

const argv = process.argv.slice(2);
if (argv[0] === "--version" || argv[0] === "-v") {
  process.stdout.write(`${versionLine}\n`);
} else {
  const { main } = await import("./cli/labctl.ts");
  process.exitCode = await main(argv);
}
