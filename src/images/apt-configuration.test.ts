import { expect, test } from "bun:test";
import { renderAptConfiguration } from "./apt-configuration.ts";

const folders = { state: "/c/state", cache: "/c/cache", preferences: "/c/p", empty: "/c/e", status: "/c/s" };

test("renderAptConfiguration: keeps how to fetch, drops hooks, and puts everything apt writes into its own folder", () => {
  const dump = [
    'APT::Update::Post-Invoke-Success:: "touch /etc/shadow";',
    'DPkg::Post-Invoke:: "x";',
    'Acquire::http::Proxy "http://proxy:3142";',
    'Dir::Etc::sourcelist "other.list";',
    'Dir::State "/var/lib/apt";',
    'Acquire::cdrom "";',
  ].join("\n");
  const lines = renderAptConfiguration(dump, "arm64", folders).split("\n");
  expect(lines).toContain('Acquire::http::Proxy "http://proxy:3142";');
  expect(lines).toContain('Dir::Etc::sourcelist "other.list";');
  expect(lines).toContain('APT::Architecture "arm64";');
  expect(lines.filter((line) => line.includes("Invoke"))).toEqual([]);
  const written = lines.filter((line) => /^Dir::(State|Cache)/.test(line));
  expect(written.length).toBeGreaterThan(2);
  for (const line of written) expect(line).toMatch(/"\/c\//);
});
