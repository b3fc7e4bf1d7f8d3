import { expect, test } from "bun:test";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { daemonConfigSchema } from "../platform/config.ts";
import { parseConfig } from "../platform/config-reading.ts";
import { silentLogger } from "../platform/logger.ts";
import { loadClusters, pickCluster } from "./proxmox.ts";

const load = (clusters: Record<string, unknown>, extra: Record<string, unknown> = {}) =>
  loadClusters({
    config: parseConfig(daemonConfigSchema, { proxmox: { clusters, ...extra } }, "the test"),
    environment: {},
    logger: silentLogger,
  });

test("with one cluster none has to be named, with several one has", () => {
  const one = load({ lab: { nodes: ["pve1"] } });
  expect(pickCluster(one, undefined).name).toBe("lab");
  const two = load({ lab: { nodes: ["pve1"] }, farm: { nodes: ["pve7", "pve8:443"] } });
  expect(() => pickCluster(two, undefined)).toThrow("there are 2 clusters");
  expect(pickCluster(two, "farm").endpoints.map(({ port }) => port)).toEqual([8006, 443]);
  expect(() => pickCluster(two, "nope")).toThrow("there is no cluster 'nope'");
  expect(() => pickCluster(load({}), undefined)).toThrow("no Proxmox cluster is configured");
});

test("each node has the pin that was confirmed for it, and no other", () => {
  const trustFile = join(mkdtempSync(join(tmpdir(), "trust-")), "pins.json");
  const pin = `${"AB:".repeat(31)}AB`;
  writeFileSync(trustFile, JSON.stringify({ "pve1:8006": pin, "pve2:443": pin }));
  const [lab] = load({ lab: { nodes: ["pve1", "pve2"] } }, { trustFile });
  expect(
    lab?.endpoints.map(({ fingerprint }) => (fingerprint === undefined ? undefined : String(fingerprint))),
  ).toEqual([pin, undefined]);
});

test("a cluster without a token says where one may come from", () => {
  const [lab] = load({ lab: { nodes: ["pve1"] } });
  expect(() => lab?.connect()).toThrow("there is no token for the Proxmox cluster 'lab'");
});
