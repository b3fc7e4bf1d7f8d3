import { serverDetail } from "../fleet/api.ts";
import { AppError } from "../platform/errors.ts";
import { at, read } from "./client.ts";
import { outputFlag } from "./define.ts";
import { kindCalled, kinds } from "./kinds.ts";
import { printRecord } from "./output.ts";
import { defineRemoteCommand } from "./remote.ts";
import { outputFormat } from "./settings.ts";

const types = Object.values(kinds)
  .map(({ one }) => one)
  .join(", ");

export const describe = defineRemoteCommand({
  summary: "everything known of one thing",
  example: "labctl describe server/node1",
  args: {
    target: { type: "positional", required: true, description: `TYPE/NAME; types are ${types}` },
    ...outputFlag,
  },
  run: async ({ target, output }, { client }) => {
    const slash = target.indexOf("/");
    if (slash < 1)
      throw new AppError("usage", `'${target}' is not TYPE/NAME`, { hint: "for example server/node1" });
    const kind = kindCalled(target.slice(0, slash));
    const name = target.slice(slash + 1);
    const format = outputFormat(output);
    if (kind.one === "machine") {
      const { showMachine } = await import("./provision-show.ts");
      await showMachine(client, name, format);
      return;
    }
    if (kind.one === "server") {
      const { showServer } = await import("./describe-server.ts");
      showServer(await read(client.v1.servers[":name"].$get(at({ name })), serverDetail), format);
      return;
    }
    printRecord(await kind.find(client, name), kind.columns, format);
  },
});
