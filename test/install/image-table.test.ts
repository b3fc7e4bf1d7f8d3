import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RoleName } from "../../src/machines/roles.ts";
import { renderCase, sshKey } from "./cases.ts";

// The parts of the disk image's install that choose the disk and make its partition table, run as they are rendered.

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "labctl-image-table-"));
  mkdirSync(join(folder, "work"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const mib = 2048;
const gib = 1024 * mib;

/** Runs what stands between two places of the script, `set` before it. */
function run(role: RoleName, set: string, from: string, to: string) {
  const { files } = renderCase({
    spec: { name: "n1", role, os: "image:web", sshKeys: [sshKey] },
    firmware: "bios",
  });
  const script = (files["install.sh"] ?? "")
    .replace("work=/run/labctl-install", `work='${folder}/work'`)
    .replaceAll("/sys/", `${folder}/sys/`);
  const functions = script.slice(0, script.indexOf("bastion_start install\n"));
  const stage = script.slice(script.indexOf(from), script.indexOf(to));
  const text = `${functions}
bastion_stage() { :; }
bastion_log() { :; }
bastion_fail() { echo "$1"; exit 1; }
set -e -o pipefail
${set}
${stage}`;
  const ran = Bun.spawnSync(["bash", "-c", text]);
  return { code: ran.exitCode, said: ran.stdout.toString() };
}

/** The partitions of a disk of so many GiB that got an image whose root takes `root` GiB; sizes in sectors. */
function partition(role: RoleName, diskGib: number, root: number) {
  const image = join(folder, "image");
  const disk = join(folder, "disk");
  writeFileSync(image, "");
  truncateSync(image, Math.ceil((102 * mib + root * gib + 33) / mib) * mib * 512);
  writeFileSync(disk, "");
  truncateSync(disk, diskGib * gib * 512);
  const table = `label: gpt
start=1MiB, size=1MiB, type=21686148-6449-6E6F-744E-656564454649
start=2MiB, size=100MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
start=102MiB, size=${root * gib}, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4
`;
  Bun.spawnSync(["sfdisk", "-q", image], { stdin: Buffer.from(table) });
  Bun.spawnSync(["dd", `if=${image}`, `of=${folder}/work/head`, "bs=1M", "count=1"]);
  const set = `disk='${disk}' disk_bytes_total=${diskGib * gib * 512} front=0 kept=`;
  const ran = run(role, set, "bastion_stage partition\n", 'disk_settle "$disk"\nfor part in');
  const made = Bun.spawnSync(["sfdisk", "-d", disk]).stdout.toString();
  const sizes = [...made.matchAll(/size= *(\d+),/g)].map((found) => Number(found[1]));
  return { code: ran.code, root: sizes[2] ?? 0, data: sizes[3] };
}

test("the root grows to its share of the disk, the data volume has the rest", () => {
  const { code, root, data } = partition("worker", 40, 2);
  expect({ code, root: Math.round(root / gib), data: Math.round((data ?? 0) / gib) }).toEqual({
    code: 0,
    root: 12,
    data: 28,
  });
});

test("the root is never made smaller than it is in the image", () => {
  expect(partition("worker", 20, 8)).toMatchObject({ code: 0, root: 8 * gib });
  expect(partition("worker", 300, 60)).toMatchObject({ code: 0, root: 60 * gib });
  // On a disk just as large as the image, whose root ends before the backup table.
  expect(partition("plain", 8 + 102 / 1024, 8 - 33 / gib)).toMatchObject({ code: 0, root: 8 * gib - 33 });
});

test("without a data volume the root takes the whole disk", () => {
  const { code, root, data } = partition("plain", 20, 8);
  expect({ code, root: Math.round(root / gib), data }).toEqual({ code: 0, root: 20, data: undefined });
});

test("a disk whose sectors are not those of the image is refused while nothing is touched", () => {
  const choose = (sector: number) => {
    mkdirSync(join(folder, "sys/class/block/sdx/queue"), { recursive: true });
    writeFileSync(join(folder, "sys/class/block/sdx/size"), `${40 * gib}\n`);
    writeFileSync(join(folder, "sys/class/block/sdx/queue/logical_block_size"), `${sector}\n`);
    const chosen = "disk_select() { disk=/dev/sdx; }";
    return run("plain", chosen, "bastion_stage disk-select\n", "bastion_stage disk-wipe\n");
  };
  expect(choose(512)).toEqual({ code: 0, said: "" });
  expect(choose(4096)).toMatchObject({ code: 1 });
  expect(choose(4096).said).toContain("/dev/sdx has sectors of 4096 bytes");
});
