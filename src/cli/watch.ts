import { AppError } from "../platform/errors.ts";
import type { Client, SinceRead } from "./client.ts";
import type { Kind } from "./kinds.ts";
import { formatData, formatTable, note, print } from "./output.ts";

/** Milliseconds between two looks; where nothing changed, an answer is empty. */
const pace = 2000;

export type WatchFormat = "table" | "wide" | "name" | "json" | "yaml";

/** Prints the list, then each row that came, changed or went; goes on when the daemon went away and is back. */
export async function watchList(
  client: Client,
  kind: Kind,
  selector: string,
  format: WatchFormat,
): Promise<void> {
  const columns = kind.columns.filter(({ wide }) => format === "wide" || wide !== true);
  const lasting = columns.filter(({ passing }) => passing !== true);
  const since: SinceRead = new Map();
  let known: Map<string, { row: unknown; shown: string }> | undefined;
  let lost = false;
  const abort = new AbortController();
  process.once("SIGINT", () => abort.abort());
  // `labctl get … --watch | head` closes our stdout.
  process.stdout.once("error", () => abort.abort());
  while (!abort.signal.aborted) {
    const rows = await kind.list(client, selector, since).catch((error: unknown) => {
      const passing =
        error instanceof AppError && ["unavailable", "timeout", "too-many"].includes(error.code);
      if (known === undefined || !passing) throw error;
      if (!lost) note("the connection was lost; trying again");
      lost = true;
      return undefined;
    });
    if (rows !== undefined) {
      if (lost) note("connected again");
      lost = false;
      const now = new Map(
        rows.map((row) => [
          kind.nameOf(row),
          { row, shown: JSON.stringify(lasting.map(({ value }) => value(row) ?? null)) },
        ]),
      );
      if (known === undefined && (format === "table" || format === "wide")) print(formatTable(rows, columns));
      else {
        for (const [name, { row, shown }] of now) {
          const before = known?.get(name)?.shown;
          if (before !== shown) tell(before === undefined ? "added" : "changed", row);
        }
      }
      for (const [name, { row }] of known ?? []) if (!now.has(name)) tell("removed", row);
      known = now;
    }
    await Promise.race([Bun.sleep(pace), aborted(abort.signal)]);
  }

  function tell(change: "added" | "changed" | "removed", row: unknown): void {
    const name = `${kind.one}/${kind.nameOf(row)}`;
    // One document for each change, so that what follows can read it as it comes.
    if (format === "json") print(JSON.stringify({ change, [kind.one]: row }));
    else if (format === "yaml") print(`---\n${formatData({ change, [kind.one]: row }, "yaml")}`);
    else if (format === "name") print(change === "removed" ? `${name} removed` : name);
    else if (change === "removed") print(`${name} is gone`);
    else print(formatTable([row], columns).split("\n")[1] ?? "");
  }
}

const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
