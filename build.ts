// Makes dist/labctl (and, with --all, one for each platform). Usage: bun build.ts [--all | --target=bun-linux-arm64] [--outfile=…]
import { $ } from "bun";

const { version } = await Bun.file(new URL("package.json", import.meta.url)).json();
const commit = (await $`git rev-parse --short=12 HEAD`.nothrow().quiet().text()).trim() || "unknown";
const seconds = (await $`git log -1 --format=%ct`.nothrow().quiet().text()).trim();
// The commit's time, not this moment's: the same sources give the same bytes.
const date = new Date(Number(process.env.SOURCE_DATE_EPOCH ?? (seconds || 0)) * 1000)
  .toISOString()
  .slice(0, 10);

const platforms = [
  { target: "bun-linux-x64", name: "labctl" },
  { target: "bun-linux-x64-baseline", name: "labctl-linux-x64-baseline" },
  { target: "bun-linux-arm64", name: "labctl-linux-arm64" },
];
const flag = (name: string) =>
  process.argv.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3);
const wanted = flag("target");
const chosen = process.argv.includes("--all")
  ? platforms
  : platforms.filter(({ target }) => target === (wanted ?? "bun-linux-x64"));

for (const { target, name } of chosen) {
  const outfile = flag("outfile") ?? `dist/${name}`;
  const flags = [
    ...["--compile", "--minify", "--bytecode", "--format=esm", "--splitting"],
    // What lies in the directory a user happens to stand in must not change what the executable does.
    ...["--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig"],
    ...["--define", `LABCTL_VERSION=${JSON.stringify(version)}`],
    ...["--define", `LABCTL_COMMIT=${JSON.stringify(commit)}`],
    ...["--define", `LABCTL_BUILD_DATE=${JSON.stringify(date)}`],
  ];
  await $`${process.execPath} build src/main.ts ${flags} --target=${target} --outfile=${outfile}`.quiet();
  console.log(`${outfile}: ${(Bun.file(outfile).size / 1e6).toFixed(1)} MB, ${target}, ${version} ${commit}`);
}
