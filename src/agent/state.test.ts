import { afterAll, expect, test } from "bun:test";
import { chownSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAgentStateFile } from "./state.client.ts";

const folder = mkdtempSync(join(tmpdir(), "labctl-state-"));
afterAll(() => rmSync(folder, { recursive: true }));
const state = {
  server: "https://labd.example:8443",
  name: "rack1",
  keyPem: "key",
  certificatePem: "certificate",
  authoritiesPem: "authorities",
};

test("what is written is read again; before that and after it is removed there is none", () => {
  const file = createAgentStateFile(join(folder, "own"));
  expect(file.read()).toBeUndefined();
  file.write(state);
  expect(file.read()).toEqual(state);
  file.remove();
  expect(file.read()).toBeUndefined();
});

test.skipIf(process.getuid?.() !== 0)(
  "what root writes into the folder of a service belongs to that service's user alone",
  () => {
    const data = join(folder, "data");
    createAgentStateFile(data).write(state);
    chownSync(data, 65534, 65534);
    for (const directory of [data, join(data, "uplink")]) {
      const file = createAgentStateFile(directory);
      file.write(state);
      for (const path of [directory, file.path])
        expect({ path, ...owner(path) }).toEqual({ path, uid: 65534, gid: 65534 });
      expect(statSync(file.path).mode & 0o777).toBe(0o600);
    }
  },
);

const owner = (path: string) => {
  const { uid, gid } = statSync(path);
  return { uid, gid };
};
