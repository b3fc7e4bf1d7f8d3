import { kindCalled, kinds } from "./kinds.ts";
import { formatData, formatTable, print } from "./output.ts";
import { defineRemoteCommand } from "./remote.ts";
import { loadClientConfig } from "./settings.ts";

export const get = defineRemoteCommand({
  summary: `list ${Object.keys(kinds).join(", ")}`,
  example: "labctl get servers --selector env=dev",
  args: {
    kind: { type: "positional", required: true, description: Object.keys(kinds).join(", ") },
    selector: { type: "string", alias: "l", default: "", description: "labels, for example env=dev,site!=b" },
    watch: { type: "boolean", alias: "w", description: "then what changes, as it does, until interrupted" },
    output: {
      type: "enum",
      alias: "o",
      options: ["table", "wide", "name", "json", "yaml"],
      description: "how to print: table, wide (more columns), name (TYPE/NAME lines), json or yaml",
    },
  },
  run: async ({ kind: word, selector, watch, output }, { client }) => {
    const kind = kindCalled(word);
    const format = output ?? loadClientConfig().output;
    if (watch === true) {
      const { watchList } = await import("./watch.ts");
      await watchList(client, kind, selector, format);
      return;
    }
    const rows = await kind.list(client, selector);
    if (format === "json" || format === "yaml") print(formatData(rows, format));
    else if (format === "name") for (const row of rows) print(`${kind.one}/${kind.nameOf(row)}`);
    else
      print(
        formatTable(
          rows,
          kind.columns.filter(({ wide }) => format === "wide" || wide !== true),
        ),
      );
  },
});
