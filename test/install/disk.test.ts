import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseTemplates, renderTemplate } from "../../src/machines/template.ts";
import { embeddedTemplates } from "../../src/machines/templates.client.ts";

setDefaultTimeout(30_000);
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "labctl-disk-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const anyDisk = {
  path: "",
  byId: "",
  serial: "",
  model: "",
  transport: "",
  minBytes: 0,
  maxBytes: 0,
  pick: "only",
};

/** Runs the library, which only looks, as an installer would on this host. */
function look(shell: string[], disk: Partial<typeof anyDisk>, body: string, sys = "/sys") {
  const library = renderTemplate(
    parseTemplates((path) => embeddedTemplates[path]),
    "lib/disk.sh",
    {
      disk: { ...anyDisk, ...disk },
    },
  );
  const script = join(folder, "look.sh");
  writeFileSync(script, `set -e\n${library.replaceAll("/sys/", `${sys}/`)}\n${body}\n`);
  const ran = Bun.spawnSync([...shell, script]);
  return { code: ran.exitCode, said: ran.stdout.toString().trim(), wrong: ran.stderr.toString() };
}

const shells = [["dash"], ["bash"], ["busybox", "sh"]];

test("the disk the running system lives on is never offered, in any shell", () => {
  const root = /^\d+ \d+ (\d+:\d+) \S+ \/ /m.exec(readFileSync("/proc/1/mountinfo", "utf8"))?.[1] ?? "";
  const name = Bun.spawnSync(["readlink", "-f", `/sys/dev/block/${root}`])
    .stdout.toString()
    .trim();
  const disk = /\/block\/([^/]+)/.exec(name)?.[1];
  for (const shell of shells) {
    const { said, code, wrong } = look(shell, {}, "disk_list");
    expect({ code, wrong }).toEqual({ code: 0, wrong: "" });
    expect(said.split("\n")).not.toContain(disk);
    if (disk === undefined) continue;
    const named = look(
      shell,
      { path: `/dev/${disk}` },
      'disk_select 1 || echo "$disk_problem"; echo "<$disk>"',
    );
    expect(named.said).toBe("no disk matches the rule\n<>");
  }
});

test("a disk that is named by nothing there is refused with the reason", () => {
  for (const shell of shells) {
    expect(look(shell, { serial: "none-such" }, 'disk_select 1 || echo "$disk_problem"').said).toBe(
      "no disk matches the rule",
    );
  }
});

test("an NVMe disk with several paths is one disk, not one for each path", () => {
  const sys = join(folder, "sys");
  mkdirSync(join(sys, "class"), { recursive: true });
  symlinkSync("../block", join(sys, "class/block"));
  for (const [name, hidden] of [
    ["nvme0c0n1", 1],
    ["nvme0c1n1", 1],
    ["nvme0n1", 0],
  ] as const) {
    mkdirSync(join(sys, "block", name), { recursive: true });
    writeFileSync(join(sys, "block", name, "size"), "1000000\n");
    writeFileSync(join(sys, "block", name, "hidden"), `${hidden}\n`);
  }
  for (const pick of ["only", "largest"]) {
    expect(look(["dash"], { pick }, 'disk_select 1 || :; echo "$disk$disk_problem"', sys).said).toBe(
      "/dev/nvme0n1",
    );
  }
});

test("partitions are named as the kernel names them", () => {
  const body = "disk_partition /dev/sda 2; disk_partition /dev/nvme0n1 3; disk_partition /dev/loop0 1";
  expect(look(["dash"], {}, body).said).toBe("/dev/sda2\n/dev/nvme0n1p3\n/dev/loop0p1");
});
