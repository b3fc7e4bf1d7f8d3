import type { z } from "zod";
import { auditRecord } from "../access/api.ts";
import { pageOf } from "../http/page.ts";
import { type Client, read } from "./client.ts";
import { formatData, formatTime, type OutputFormat, print, visible } from "./output.ts";
import { followStream } from "./provision-events.ts";
import { untilInterrupted } from "./provision-logs.ts";

/** The last records of the audit, oldest first, and, when it is followed, those that come. */
export async function showAuditLog(
  client: Client,
  { follow, count, since, format }: { follow: boolean; count: number; since: number; format: OutputFormat },
): Promise<void> {
  const query = { limit: String(Math.min(count, 1000)), since: String(since) };
  const { items } = await read(client.v1.audit.$get({ query }), pageOf(auditRecord));
  const records = items.reverse();
  if (!follow && format !== "table") print(formatData(records, format));
  else for (const record of records) show(record, format);
  if (!follow) return;
  const after = String(records.at(-1)?.seq ?? 0);
  const events = followStream(
    (options) => client.v1.audit.follow.$get({ query: { after } }, options),
    untilInterrupted(),
    true,
  );
  for await (const { data } of events) show(auditRecord.parse(data), format);
}

function show(record: z.output<typeof auditRecord>, format: OutputFormat): void {
  if (format !== "table") {
    print(JSON.stringify(record));
    return;
  }
  const { at, actor, from, action, resource, result, detail, duration } = record;
  const where = from === "" ? "" : ` from ${from}`;
  const why = detail === undefined ? "" : ` (${detail})`;
  print(visible(`${formatTime(at)} ${actor}${where} ${action} ${resource}: ${result}, ${duration} ms${why}`));
}
