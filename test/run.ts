/**
 * Runs the tests and ends with the line CI reads: `N passed, N failed`, with `, N skipped` when some were.
 *
 *   bun test/run.ts          everything but the slow systems
 *   bun test/run.ts --os     only the full operating-system installs
 *   bun test/run.ts PATTERN… the test files whose path holds one of them
 *
 * LABCTL_CI=1 widens the set of virtual machines.
 */
import { join } from "node:path";
import { tokens } from "./fake-pve/lab.ts";
import { buildExecutable, buildRam } from "./lab/artifacts.ts";
import { addCounts, type Counts, noCounts, readCounts, summary } from "./summary.ts";

const top = join(import.meta.dir, "..");
const argv = process.argv.slice(2);
const os = argv.includes("--os");
const patterns = argv.filter((arg) => !arg.startsWith("-"));
// Clients and namespaces live in the sbin directories, which a bare environment may lack.
const path = `${process.env.PATH ?? "/usr/bin:/bin"}:/usr/local/sbin:/usr/sbin:/sbin`;

const files = [...new Bun.Glob("{src,test,bench}/**/*.test.ts").scanSync({ cwd: top })]
  .filter((file) => patterns.length === 0 || patterns.some((pattern) => file.includes(pattern)))
  .sort();
const isMachineTest = (file: string) => file.startsWith("test/vm/");
const isSystemTest = (file: string) => file.startsWith("test/vm/os/");

const skipped: string[] = [];
let total: Counts = noCounts;
if (os) {
  await build();
  for (const file of files.filter(isSystemTest)) await run([file], { LABCTL_OS: "1" });
} else {
  const quick = files.filter((file) => !isMachineTest(file));
  if (quick.length > 0) await run(quick, {});
  // One process per file: one virtual machine at a time, and a crash takes only its own file along.
  const machineTests = files.filter((file) => isMachineTest(file) && !isSystemTest(file));
  if (machineTests.length > 0) await build();
  for (const file of machineTests) await run([file], {});
}

if (skipped.length > 0) {
  console.log("\nskipped:");
  for (const line of skipped) console.log(`  ${line}`);
}
if (total.passed + total.failed + total.skipped === 0) {
  console.log("no test ran");
  total = addCounts(total, { passed: 0, failed: 1, skipped: 0 });
}
console.log(`\n${summary(total)}`);
process.exit(total.failed > 0 ? 1 : 0);

/** What virtual machines are booted with; where it cannot be built, that is a failure of its own. */
async function build(): Promise<void> {
  try {
    console.log(`built ${await buildExecutable()}`);
    await buildRam();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    total = addCounts(total, { passed: 0, failed: 1, skipped: 0 });
  }
}

/** One `bun test` over these files; what it prints passes through. */
async function run(list: string[], extra: Record<string, string>): Promise<void> {
  const child = Bun.spawn(
    [process.execPath, "test", "--timeout", "60000", ...list.map((file) => `./${file}`)],
    {
      cwd: top,
      env: { ...process.env, PATH: path, ...extra },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  let interrupted = false;
  const forward = (signal: NodeJS.Signals) => {
    interrupted = true;
    child.kill(signal);
  };
  process.once("SIGINT", forward);
  process.once("SIGTERM", forward);
  const [output, said] = await Promise.all([
    passOn(child.stderr, process.stderr),
    passOn(child.stdout, process.stdout),
  ]);
  const status = await child.exited;
  process.off("SIGINT", forward);
  process.off("SIGTERM", forward);
  for (const line of output.split("\n")) if (line.startsWith("(skip)")) skipped.push(line.slice(7));
  const counts = readCounts(output, status === 0);
  if (showsSecret(output + said)) {
    console.log("failed: the output shows the secret of a token");
    counts.failed++;
  }
  if (counts.failed > 0) console.log(`failed: ${list.length === 1 ? list[0] : `${list.length} files`}`);
  total = addCounts(total, counts);
  if (interrupted || child.signalCode !== null) process.exit(130);
}

async function passOn(from: AsyncIterable<Uint8Array>, to: NodeJS.WriteStream): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of from) {
    to.write(chunk);
    text += decoder.decode(chunk, { stream: true });
  }
  return text;
}

/** Whether a token that the tests work with was printed by anything, anywhere. */
function showsSecret(text: string): boolean {
  return Object.values(tokens).some((token) => text.includes(token.slice(token.indexOf("=") + 1)));
}
