import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Heard, listen } from "./listener.ts";

setDefaultTimeout(30_000);
const library = join(import.meta.dir, "../../kickstart/lib/report.sh");
let folder: string;
let heard: Heard;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "labctl-report-"));
  heard = listen("secret");
});
afterEach(() => {
  heard.stop();
  rmSync(folder, { recursive: true });
});

/** The shells and tools of the places the library runs in. */
const places = {
  "dash with curl, as in RAM": { shell: ["/bin/dash"], path: process.env.PATH ?? "" },
  "bash with curl, as in Anaconda": { shell: ["/bin/bash", "--posix"], path: process.env.PATH ?? "" },
  "busybox with its wget, as in Debian's installer": { shell: ["/bin/busybox", "sh"], path: "busybox" },
};

async function run(place: keyof typeof places, body: string): Promise<{ code: number; screen: string }> {
  const { shell, path } = places[place];
  const script = join(folder, "script.sh");
  writeFileSync(script, `${readFileSync(library, "utf8")}\n${body}\n`);
  const applets = join(folder, "bin");
  if (path === "busybox") {
    mkdirSync(applets, { recursive: true });
    const list = Bun.spawnSync(["/bin/busybox", "--list"]).stdout.toString().trim().split("\n");
    for (const name of list) symlinkSync("/bin/busybox", join(applets, name));
  }
  const child = Bun.spawn([...shell, script], {
    env: {
      PATH: path === "busybox" ? applets : path,
      BASTION_URL: heard.url,
      BASTION_TOKEN: "secret",
      BASTION_DIR: join(folder, "state"),
    },
    stdout: "pipe",
    stderr: "inherit",
  });
  const screen = await new Response(child.stdout).text();
  const code = await child.exited;
  writeFileSync(join(folder, "state/stop"), "");
  return { code, screen };
}

const states = () => heard.stages.map(({ stage, state }) => `${stage} ${state}`);

for (const place of Object.keys(places)) {
  // checked: the keys of `places`
  const here = place as keyof typeof places;
  describe(here, () => {
    test("stages, lines and a followed log arrive in order and numbered without gaps", async () => {
      const log = join(folder, "anaconda.log");
      writeFileSync(log, Array.from({ length: 450 }, (_, index) => `package ${index}\n`).join(""));
      const { code, screen } = await run(
        here,
        `bastion_start pre
bastion_follow anaconda '${log}'
bastion_stage hardware
bastion_log 'a "quoted" line'
bastion_stage disk-select
echo plain output
bastion_installed`,
      );
      expect(code).toBe(0);
      expect(states()).toEqual([
        "hardware running",
        "hardware done",
        "disk-select running",
        "disk-select done",
        "installed done",
      ]);
      expect(heard.stages.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
      expect(heard.text("anaconda")).toEqual(Array.from({ length: 450 }, (_, index) => `package ${index}`));
      expect(heard.text("bastion")).toContain('a "quoted" line');
      expect(heard.text("pre")).toContain("plain output");
      expect([...heard.lines.keys()].sort((a, b) => a - b)).toEqual(
        Array.from({ length: heard.lines.size }, (_, index) => index + 1),
      );
      expect(screen).toContain("labctl: stage hardware");
    });

    test("a command that fails is named with its exit code and the log's tail", async () => {
      const { code } = await run(
        here,
        `bastion_start pre
bastion_stage partition
echo 'the disk is on fire'
sh -c 'exit 7'
echo never`,
      );
      expect(code).toBe(7);
      const failed = heard.stages.at(-1);
      expect(failed).toMatchObject({ stage: "partition", state: "failed" });
      expect(failed?.message).toMatch(/^pre, (line \d+: )?sh -c '?exit 7'? \(exit code 7\)/);
      expect(failed?.message).toContain("the disk is on fire");
      expect(heard.text("pre")).not.toContain("never");
    });

    test("answers that were lost bring nothing twice and nothing out of order", async () => {
      heard.failNext(3, 503);
      const { code } = await run(
        here,
        `bastion_start pre
bastion_stage hardware
bastion_log one
bastion_log two
bastion_installed`,
      );
      expect(code).toBe(0);
      expect(states()).toEqual(["hardware running", "hardware done", "installed done"]);
      expect(heard.text("bastion")).toEqual(["stage hardware", "one", "two", "installed"]);
    });

    test("an unreachable bastion costs the install nothing but the wait at its end", async () => {
      heard.stop();
      const { code } = await run(
        here,
        `bastion_start pre
bastion_stage hardware
bastion_log one
bastion_flush 2`,
      );
      expect(code).toBe(0);
    });
  });
}

test("what a watched log tells of is a failure, with the log's tail, though no command failed", async () => {
  const log = join(folder, "syslog");
  writeFileSync(log, "main-menu[333]: INFO: Menu item 'pkgsel' selected\n");
  const { code } = await run(
    "busybox with its wget, as in Debian's installer",
    `bastion_start early
bastion_watch '${log}' "s/.*main-menu.*: Menu item '\\([^']*\\)' failed.*/step '\\1' failed/p"
bastion_stage packages
sleep 1
echo 'ls: /target/proc/564: gone' >>'${log}'
echo "main-menu[333]: WARNING **: Menu item 'grub-installer' failed." >>'${log}'
sleep 6
bastion_flush 5`,
  );
  expect(code).toBe(0);
  expect(states()).toEqual(["packages running", "packages failed"]);
  expect(heard.stages.at(-1)?.message).toMatch(/^step 'grub-installer' failed\n[\s\S]*proc\/564: gone/);
});

test("bastion_fail ends the script with its own words, once", async () => {
  const { code } = await run(
    "dash with curl, as in RAM",
    `bastion_start pre
bastion_stage disk-select
bastion_fail 'no disk "fits"'`,
  );
  expect(code).toBe(1);
  const failures = heard.stages.filter(({ state }) => state === "failed");
  expect(failures).toHaveLength(1);
  expect(failures[0]?.message).toStartWith('no disk "fits"');
});

test("a second script goes on counting where the first stopped", async () => {
  const here = "dash with curl, as in RAM";
  await run(
    here,
    "bastion_start pre\nbastion_stage hardware\nbastion_log one\nbastion_flush 20\nbastion_stop",
  );
  rmSync(join(folder, "state/stop"));
  await run(here, "bastion_start post\nbastion_stage configure\nbastion_log two\nbastion_flush 20");
  expect(heard.stages.map(({ seq, stage, state }) => `${seq} ${stage} ${state}`)).toEqual([
    "1 hardware running",
    "2 hardware done",
    "3 configure running",
  ]);
  expect(heard.text("bastion")).toEqual(["stage hardware", "one", "stage configure", "two"]);
});

test("a chroot writes on into the same files, without any tool of its own", async () => {
  const root = join(folder, "root");
  mkdirSync(join(root, "var/tmp"), { recursive: true });
  const { code } = await run(
    "dash with curl, as in RAM",
    `bastion_start pre
bastion_stage partition
bastion_carry '${root}'
( BASTION_DIR='${root}/var/tmp/labctl-report'; bastion_stage configure; bastion_log inside )
bastion_installed`,
  );
  expect(code).toBe(0);
  expect(states()).toEqual([
    "partition running",
    "partition done",
    "configure running",
    "configure done",
    "installed done",
  ]);
  expect(heard.text("bastion")).toContain("inside");
});
