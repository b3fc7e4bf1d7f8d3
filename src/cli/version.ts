import { build, versionLine } from "../platform/build.ts";
import { defineCommand, outputFlag } from "./define.ts";
import { formatData, print } from "./output.ts";

export const version = defineCommand({
  summary: "version, commit and build date",
  example: "labctl version -o json",
  args: outputFlag,
  run: ({ output }) => {
    print(output === undefined || output === "table" ? versionLine : formatData(build, output));
  },
});
