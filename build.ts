// Makes the executable and, with --package, the DEB and RPM of each architecture (nfpm has to be installed).
import { mkdir } from "node:fs/promises";
import { parseArgs } from "node:util";
import { $ } from "bun";

const { version } = await Bun.file(new URL("package.json", import.meta.url)).json();
const commit = (await $`git rev-parse --short=12 HEAD`.nothrow().quiet().text()).trim() || "unknown";
const seconds = (await $`git log -1 --format=%ct`.nothrow().quiet().text()).trim();
// The commit's time, not this moment's: the same sources give the same bytes.
const built = new Date(Number(process.env.SOURCE_DATE_EPOCH ?? (seconds || 0)) * 1000);

interface Platform {
  target: string;
  outfile: string;
  /** The packages' name for the architecture, of those that are packaged. */
  arch?: string;
}
const platforms: Platform[] = [
  { target: "bun-linux-x64", outfile: "dist/labctl", arch: "amd64" },
  { target: "bun-linux-x64-baseline", outfile: "dist/labctl-linux-x64-baseline" },
  { target: "bun-linux-arm64", outfile: "dist/labctl-linux-arm64", arch: "arm64" },
];
const usage =
  "usage: bun build.ts [--all | --target=bun-linux-arm64] [--outfile=FILE] [--package [--arch=amd64|arm64]]";
const flags = readFlags();
if (flags.help) {
  console.log(usage);
  process.exit(0);
}

const chosen = platforms.filter(
  ({ target, arch }) =>
    flags.all || (flags.package ? arch && (flags.arch ?? arch) === arch : target === flags.target),
);
if (chosen.length === 0) refuse(`nothing is made for ${flags.package ? flags.arch : flags.target}`);
for (const { target, outfile } of chosen) await compile(target, flags.outfile ?? outfile);
if (flags.package) {
  await writeCompletions();
  await writeSudoers();
  for (const { outfile, arch } of chosen) if (arch) await makePackages("nfpm.yaml", arch, outfile);
  if (await Bun.file("dist/ram/x86_64/initrd.img").exists())
    await makePackages("kickstart/ram/nfpm.yaml", "all", "");
  else console.log("dist/ram is not there: labctl-ram was not packaged (npm run build:ram makes it)");
}

function readFlags() {
  try {
    return parseArgs({
      options: {
        all: { type: "boolean" },
        arch: { type: "string" },
        help: { type: "boolean" },
        outfile: { type: "string" },
        package: { type: "boolean" },
        target: { type: "string", default: "bun-linux-x64" },
      },
    }).values;
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

function refuse(why: string): never {
  console.error(`${why}\n${usage}`);
  process.exit(2);
}

async function compile(target: string, outfile: string): Promise<void> {
  const options = [
    ...["--compile", "--minify", "--bytecode", "--format=esm", "--splitting"],
    // What lies in the directory a user happens to stand in must not change what the executable does.
    ...["--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig"],
    ...["--define", `LABCTL_VERSION=${JSON.stringify(version)}`],
    ...["--define", `LABCTL_COMMIT=${JSON.stringify(commit)}`],
    ...["--define", `LABCTL_BUILD_DATE=${JSON.stringify(built.toISOString().slice(0, 10))}`],
  ];
  await $`${process.execPath} build src/main.ts ${options} --target=${target} --outfile=${outfile}`.quiet();
  console.log(`${outfile}: ${(Bun.file(outfile).size / 1e6).toFixed(1)} MB, ${target}, ${version} ${commit}`);
}

async function writeCompletions(): Promise<void> {
  await mkdir("dist/completions", { recursive: true });
  for (const [shell, name] of [
    ["bash", "labctl.bash"],
    ["zsh", "_labctl"],
    ["fish", "labctl.fish"],
  ] as const) {
    await Bun.write(`dist/completions/${name}`, await $`dist/labctl completion ${shell}`.text());
  }
}

async function writeSudoers(): Promise<void> {
  await Bun.write("dist/sudoers-agent", await $`dist/labctl agent sudoers`.text());
}

async function makePackages(description: string, arch: string, binary: string): Promise<void> {
  const nfpm = process.env.NFPM ?? Bun.which("nfpm");
  if (!nfpm) {
    console.error(
      "nfpm is not installed: go install github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.0, or set NFPM",
    );
    process.exit(10);
  }
  await mkdir("dist/packages", { recursive: true });
  const variables = {
    LABCTL_ARCH: arch,
    LABCTL_BINARY: binary,
    LABCTL_VERSION: version,
  };
  const env = { ...process.env, ...variables, SOURCE_DATE_EPOCH: String(built.getTime() / 1000) };
  await Promise.all(
    ["deb", "rpm"].map((format) =>
      $`${nfpm} package --config ${description} --packager ${format} --target dist/packages/`
        .env(env)
        .quiet(),
    ),
  );
}
