import { join } from "node:path";
import { type Lab, top } from "./lab.ts";
import { run } from "./process.ts";

export interface AptProxy {
  /** The package archive as the lab's machines see it. */
  readonly mirror: string;
  readonly security: string;
  readonly log: string;
}

const port = 3142;

/**
 * A caching package mirror inside the lab: it listens in the server's namespace and fetches outside, with apt's
 * own downloader, from whatever archive this machine's apt is configured with. `overlay` is looked at first.
 */
export async function startAptProxy(lab: Lab, overlay?: string): Promise<AptProxy> {
  const log = join(lab.directory, "apt-proxy.log");
  const setup = {
    host: lab.network.serverAddress,
    port,
    cache: join(top, "dist/cache/apt"),
    outside: `/proc/${process.pid}/ns/net`,
    archives: await readArchives(),
    overlay,
  };
  const child = lab.start(
    [process.execPath, join(import.meta.dir, "apt-proxy-server.ts"), JSON.stringify(setup)],
    {
      namespace: lab.network.server,
      log,
    },
  );
  lab.scope.defer(() => child.stop());
  const base = `http://${lab.network.serverAddress}:${port}`;
  return { mirror: `${base}/debian`, security: `${base}/debian-security`, log };
}

/** The archives of this machine's apt, by the name they get in the lab. */
export async function readArchives(): Promise<Record<string, string>> {
  const format = "$(REPO_URI) $(SUITE) $(ORIGIN)";
  const lines = await run(["apt-get", "indextargets", "--format", format, "Created-By: Packages"]);
  const archives: Record<string, string> = {};
  for (const line of lines.split("\n")) {
    const [uri, suite, origin] = line.split(" ");
    if (uri === undefined || suite === undefined || origin !== "Debian") continue;
    const name = suite.endsWith("-security") ? "debian-security" : "debian";
    archives[name] ??= uri.replace(/\/$/, "");
  }
  if (archives.debian === undefined) throw new Error("apt on this machine has no Debian archive configured");
  return archives;
}
