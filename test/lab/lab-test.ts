import { test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ramDirectory } from "./bastion.ts";
import { stuckProcessor } from "./console.ts";
import { createLab, type Lab, top } from "./lab.ts";

/**
 * A test with a lab of its own. When it fails, the serial consoles, logs and a screenshot of every machine stay
 * in dist/lab/NAME, which is printed; where that was the emulator's fault, it is tried a second time. Without root,
 * qemu or the wider set switched on it is skipped, and says why.
 */
export function labTest(
  name: string,
  options: { minutes: number; only?: "ci" | "os" },
  body: (lab: Lab) => Promise<void>,
): void {
  const reason = unable(options.only);
  if (reason !== undefined) {
    test.skip(`${name} (${reason})`, () => {});
    return;
  }
  test(
    name,
    async () => {
      for (let attempt = 1; ; attempt++) {
        const lab = await createLab({ say: (text) => console.log(`  ${text}`) });
        try {
          return await body(lab);
        } catch (error) {
          const folder = `${name.replace(/[^a-z0-9]+/gi, "-").toLowerCase()}${attempt > 1 ? `-${attempt}` : ""}`;
          const kept = join(top, "dist/lab", folder);
          await lab.keepEvidence(kept).catch((failure) => console.log(`  no evidence kept: ${failure}`));
          console.log(`  serial consoles, logs and screenshots are in ${kept}`);
          const stuck = lab.machines.flatMap((machine) => stuckProcessor(machine.console.text()) ?? []);
          if (stuck.length === 0 || lab.accelerator !== "tcg" || attempt > 1) throw error;
          console.log(error instanceof Error ? error.message : error);
          console.log(`  its emulated processor is stuck (${stuck[0]}): once more, from the beginning`);
        } finally {
          await lab.close();
        }
      }
    },
    2 * options.minutes * 60_000,
  );
}

function unable(only: "ci" | "os" | undefined): string | undefined {
  if (only === "ci" && process.env.LABCTL_CI !== "1") return "part of .ci/run: set LABCTL_CI=1";
  if (only === "os" && process.env.LABCTL_OS !== "1") return "part of npm run test:os";
  if (process.getuid?.() !== 0) return "needs root for network namespaces";
  if (!Bun.which("qemu-system-x86_64")) return "qemu-system-x86_64 is not installed";
  if (!existsSync(join(ramDirectory, "x86_64/initrd.img"))) return "dist/ram is not built";
  return undefined;
}
