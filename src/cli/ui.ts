import { sessionLink } from "../access/api.ts";
import { read } from "./client.ts";
import { note, print } from "./output.ts";
import { defineRemoteCommand } from "./remote.ts";

export const ui = defineRemoteCommand({
  summary: "open the web pages by a one-time link",
  example: "labctl ui",
  args: {
    print: { type: "boolean", description: "only print the link, for a browser elsewhere" },
  },
  run: async (args, { client, target }) => {
    const { address, path } = await read(client.v1.sessions.$post(), sessionLink);
    // The address that works from here is the one this very request took.
    const link = `${typeof target === "string" ? address : target.server}${path}`;
    const screen = process.env.DISPLAY !== undefined || process.env.WAYLAND_DISPLAY !== undefined;
    const opener = args.print === true || !screen ? null : Bun.which("xdg-open");
    if (opener !== null) {
      Bun.spawn([opener, link], { stdin: "ignore", stdout: "ignore", stderr: "ignore" }).unref();
      note("opening it in your browser; if it does not come up, use this link:");
    }
    print(link);
    note("it works once, for two minutes");
  },
});
