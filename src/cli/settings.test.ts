import { expect, test } from "bun:test";
import { join } from "node:path";
import { loadDaemonConfig } from "./settings.ts";

test("a configuration that was named has to be there: defaults in its place would be another appliance", () => {
  const missing = join(import.meta.dir, "testdata", "nothing.yaml");
  expect(() => loadDaemonConfig(missing)).toThrow(`there is no ${missing}`);
});
