import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AppError } from "../platform/errors.ts";
import { aptPreferences, renderAptConfiguration } from "./apt-configuration.ts";
import { type Package, parsePackages } from "./ram-packages.ts";
import { runTool } from "./tool.client.ts";

export interface Apt {
  /** Every package of Debian's archives, as the host's sources give them. */
  list(): Promise<Map<string, Package>>;
  /** Fetches packages (apt proves their checksums); their files, in the order asked for. */
  download(packages: readonly Package[]): Promise<string[]>;
}

const updateTimeoutMs = 10 * 60_000;
const downloadTimeoutMs = 30 * 60_000;

/**
 * An apt with a state of its own in `folder`, which reads the host's sources and touches nothing of the host.
 * Works as any user, and for architectures the host is not set up for.
 */
export async function openApt(folder: string, architecture: string): Promise<Apt> {
  const folders = {
    state: join(folder, "state"),
    cache: join(folder, "cache"),
    preferences: join(folder, "preferences"),
    empty: join(folder, "empty"),
    status: join(folder, "status"),
  };
  const archives = join(folder, "archives");
  for (const path of [
    folders.empty,
    archives,
    join(folders.state, "lists/partial"),
    join(folders.cache, "archives/partial"),
  ]) {
    mkdirSync(path, { recursive: true });
  }
  writeFileSync(folders.status, "");
  writeFileSync(folders.preferences, aptPreferences);
  const dump = await runTool(["apt-config", "dump"], { package: "apt" });
  const configuration = join(folder, "apt.conf");
  writeFileSync(configuration, renderAptConfiguration(dump, architecture, folders));
  const env = { APT_CONFIG: configuration };

  return {
    async list() {
      borrowLists(join(folders.state, "lists"));
      await runTool(["apt-get", "update", "-qq"], { package: "apt", env, timeoutMs: updateTimeoutMs });
      const available = await runTool(["apt-cache", "dumpavail"], { package: "apt", env });
      return parsePackages(available);
    },
    async download(packages) {
      const names = packages.map(({ name, version }) => `${name}=${version}`);
      await runTool(["apt-get", "download", "-qq", ...names], {
        package: "apt",
        env,
        cwd: archives,
        timeoutMs: downloadTimeoutMs,
      });
      return packages.map(({ name, version, architecture: own }) => {
        const path = join(archives, `${name}_${version.replaceAll(":", "%3a")}_${own}.deb`);
        if (!existsSync(path)) {
          throw new AppError("internal", `apt fetched ${name} ${version}, but ${path} is not there`);
        }
        return path;
      });
    },
  };
}

/** The host's package lists as a first state: apt then asks only for what changed. */
function borrowLists(lists: string): void {
  const host = "/var/lib/apt/lists";
  if (readdirSync(lists).length > 1 || !existsSync(host)) return;
  for (const entry of readdirSync(host, { withFileTypes: true })) {
    if (!entry.isFile() || entry.name === "lock") continue;
    cpSync(join(host, entry.name), join(lists, entry.name), { preserveTimestamps: true });
  }
}
