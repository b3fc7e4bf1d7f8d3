import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { operatingSystems } from "./operating-systems.ts";
import { minimumDiskBytes, roleNames, roleOf } from "./roles.ts";

const page = readFileSync(join(import.meta.dir, "../../docs/installing.md"), "utf8");
const between = (mark: string) =>
  page
    .slice(page.indexOf(`<!-- ${mark} -->`), page.indexOf(`<!-- /${mark} -->`))
    .split("\n")
    .slice(1, -1);

test("the manual's table of roles is that of the program", () => {
  const rows = roleNames.map((name) => {
    const { root, data } = roleOf(name);
    const size =
      root.maxMib === 0
        ? "the whole disk"
        : `${root.sharePercent} %, ${root.minMib / 1024} to ${root.maxMib / 1024} GiB`;
    const volume = data === undefined ? "none" : `\`${data.volume}\` on \`${data.mount}\``;
    const gib = (minimumDiskBytes(roleOf(name)) / 2 ** 30).toFixed(1);
    return `| \`${name}\` | ${size} | ${volume} | ${gib} GiB |`;
  });
  expect(between("roles")).toEqual(rows);
});

test("the manual names every system, and no other", () => {
  const named = between("systems").flatMap((line) =>
    [...(line.split("|")[1]?.matchAll(/`([^`]+)`/g) ?? [])].map((found) => found[1] ?? ""),
  );
  expect(named).toEqual([...operatingSystems.map(({ id }) => id), "image:NAME"]);
});
