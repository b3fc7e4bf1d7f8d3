import { bare, type Entry, lookAt } from "./boot-seen.ts";
import { dhcp, hasBroken, loader } from "./verdict-loader.ts";
import { after, done, patience, type Step, stopped, type TimeOf, type Verdict } from "./verdict-step.ts";

/** Where the boot stands or stopped. `timeOf` writes a time as the reader's clock shows it. */
export function decideVerdict(entries: readonly Entry[], now: number, timeOf: TimeOf): Verdict {
  const seen = lookAt(entries);
  if (entries.length === 0) return { outcome: "under-way", text: "nothing was recorded" };
  const step = { seen, silent: now - seen.lastAt, timeOf };
  return system(step) ?? kernel(step) ?? script(step) ?? loader(step) ?? dhcp(step);
}

function system(step: Step): Verdict | undefined {
  const { seen, timeOf } = step;
  const { install, stage, discovered } = seen;
  if (install?.what === "finished") return done(`${install.name} was installed at ${timeOf(install.at)}`);
  if (install?.what === "failed" || install?.what === "stalled") {
    return stopped(
      `the install of ${install.name} ${install.what} at ${timeOf(install.at)}: ${install.reason ?? "no reason given"}`,
      "labctl provision logs MAC shows what the installer said; labctl provision install queues it again",
    );
  }
  if (stage?.outcome === "failed") {
    return stopped(
      `stage ${stage.stage} failed at ${timeOf(stage.at)}: ${stage.message ?? "no reason given"}`,
      "labctl provision logs MAC shows what the installer said",
    );
  }
  if (stage || install) {
    const where = stage ? `in stage ${stage.stage} since ${timeOf(stage.at)}` : "its install has started";
    return { outcome: "under-way", text: where };
  }
  if (discovered) return done(`reported what it is at ${timeOf(discovered.at)}`);
  return undefined;
}

function kernel(step: Step): Verdict | undefined {
  const { seen, timeOf } = step;
  const { script } = seen;
  const wanted = script?.files.map(bare) ?? [];
  const [image] = wanted;
  if (script === undefined || image === undefined) return undefined;
  const since = (path: string) => seen.handed.find((each) => each.path === path && each.at >= script.at);
  const failed = seen.fetches.findLast((each) => wanted.includes(bare(each.path)) && each.status >= 400);
  const broken = seen.transfers.findLast(
    (each) => wanted.includes(bare(each.path)) && hasBroken(each.outcome),
  );
  const first = since(image);
  const missing = wanted.find((path) => !since(path));
  if (missing !== undefined && failed) {
    return stopped(
      `${failed.path} was asked for at ${timeOf(failed.at)} and is not there (${failed.status})`,
      bare(failed.path).startsWith("ram/")
        ? "install the RAM environment (package labctl-ram, or labctl image build ram), or set ramDir to where it is"
        : "labctl image list shows which installers and images are there; labctl image pull fetches one",
    );
  }
  if (missing !== undefined && broken) {
    return stopped(
      `${broken.path} over TFTP ${broken.outcome} after ${broken.bytes ?? 0} of ${broken.size} bytes`,
      "the network loses packets or a firewall closes the transfer; see the retries in the record",
    );
  }
  if (first === undefined) {
    return after(
      step,
      patience.kernel,
      `the script (${script.order}) was served at ${timeOf(script.at)}; the kernel is fetched next`,
      stopped(
        `the script (${script.order}) was served at ${timeOf(script.at)}; the machine never fetched its kernel /${image}`,
        "look at its screen: the script says there what failed. A firewall that lets port 67 and 69 pass but not our HTTP port looks like this after a boot by TFTP",
      ),
    );
  }
  if (missing !== undefined) {
    return after(
      step,
      patience.kernel,
      `the kernel was fetched at ${timeOf(first.at)}; /${missing} is next`,
      stopped(
        `the kernel was fetched at ${timeOf(first.at)}; /${missing} never was`,
        script.via === "grub"
          ? "GRUB refused the kernel: under Secure Boot it must be signed by the distribution of the shim"
          : "the loader refused the kernel, or the machine has too little memory for both; its screen says which",
      ),
    );
  }
  const what = script.order === "install" ? "its first stage" : "its discovery report";
  return after(
    step,
    patience.system,
    `kernel and initrd were fetched by ${timeOf(seen.lastAt)}; ${what} follows`,
    stopped(
      `kernel and initrd were fetched by ${timeOf(seen.lastAt)}; ${what} never came`,
      "the kernel started and got no further, or has no driver for this network card: look at the console (set install.kernelArgs to console=ttyS0 for a serial one), where it gives a shell with the reason",
    ),
  );
}

function script(step: Step): Verdict | undefined {
  const { seen, timeOf } = step;
  const { script } = seen;
  if (script === undefined) return undefined;
  const why = script.reason === undefined ? "" : `: ${script.reason}`;
  if (script.order === "local") return done(`sent to its local disk at ${timeOf(script.at)}${why}`);
  if (script.order === "menu") {
    return done(`shown a menu at ${timeOf(script.at)}, which boots the local disk when nobody chooses${why}`);
  }
  if (script.order === "refusal") {
    return stopped(
      `nothing could be booted at ${timeOf(script.at)}${why}`,
      "mend what it says and restart it",
    );
  }
  return undefined;
}
