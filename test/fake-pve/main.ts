// A fake Proxmox VE as a process of its own, for clients that are not ours:
//
//   npx bun test/fake-pve/main.ts [--port 8006] [--version 7.4|8.4|9.2] [--nodes pve1,pve2] [--pace 0.01]
//
// Prints one line of JSON once it listens: the nodes with their fingerprints, the CA file, the tokens.
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createFakePve } from "./fake.ts";
import { tokens } from "./lab.ts";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "0" },
    version: { type: "string", default: "9.2" },
    nodes: { type: "string", default: "pve1" },
    pace: { type: "string", default: "0.01" },
    "task-ms": { type: "string", default: "20" },
  },
});
const version = values.version === "7.4" || values.version === "8.4" ? values.version : "9.2";
const fake = await createFakePve({
  version,
  port: Number(values.port),
  nodes: values.nodes.split(","),
  pace: Number(values.pace),
  taskMs: Number(values["task-ms"]),
  names: ["localhost"],
});
const caFile = join(mkdtempSync(join(tmpdir(), "fake-pve-")), "ca.pem");
writeFileSync(caFile, fake.ca);
const nodes = fake.nodes.map(({ name, address, fingerprint }) => ({ name, address, fingerprint }));
console.log(JSON.stringify({ version, nodes, ca: caFile, tokens }));
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => void fake.close().then(() => process.exit(0)));
}
