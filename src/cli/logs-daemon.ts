import { spawnSync } from "node:child_process";
import { z } from "zod";
import { logRecord, logRecordList } from "../http/log-record.ts";
import { createTextSink } from "../platform/logger.ts";
import { read } from "./client.ts";
import { formatData, type OutputFormat, print } from "./output.ts";
import { followStream } from "./provision-events.ts";
import { untilInterrupted } from "./provision-logs.ts";
import type { Remote } from "./remote.ts";

type LogRecord = z.output<typeof logRecord>;

/** The log of the daemon that is asked: of what it keeps, and before that, on its own host, of the journal. */
export async function showDaemonLog(
  { client, target }: Pick<Remote, "client" | "target">,
  { follow, count, since, format }: { follow: boolean; count: number; since: number; format: OutputFormat },
): Promise<void> {
  const query = { limit: String(Math.min(count, 10_000)), since: String(since) };
  const { items } = await read(client.v1.log.$get({ query }), logRecordList);
  const missing = count - items.length;
  const earlier =
    typeof target === "string" && missing > 0 ? readJournal(missing, since, items[0]?.at ?? Date.now()) : [];
  const records = [...earlier, ...items];
  if (!follow && format !== "table") print(formatData(records, format));
  else for (const record of records) show(record, format);
  if (!follow) return;
  const after = String(items.at(-1)?.id ?? 0);
  const events = followStream(
    (options) => client.v1.log.follow.$get({ query: { after } }, options),
    untilInterrupted(),
    true,
  );
  for await (const { data } of events) show(logRecord.parse(data), format);
}

function show(record: LogRecord, format: OutputFormat): void {
  if (format !== "table") print(JSON.stringify(record));
  else createTextSink(print, () => record.at).write(record.level, record.message, record.fields);
}

const units = ["labctl-standalone", "labctl-labd", "labctl-bastion"].map((unit) => `--unit=${unit}`);
const journalLine = z.looseObject({
  time: z.iso.datetime(),
  level: logRecord.shape.level,
  message: z.string(),
});

/** What journald has of the daemon from before its present start; nothing where there is no journald. */
function readJournal(lines: number, since: number, until: number): LogRecord[] {
  const seconds = (ms: number) => `@${(ms / 1000).toFixed(6)}`;
  const read = spawnSync(
    "journalctl",
    [
      ...units,
      ...["--output=cat", "--no-pager", "--quiet", `--lines=${lines}`],
      ...[`--since=${seconds(since)}`, `--until=${seconds(until)}`],
    ],
    { encoding: "utf8", timeout: 20_000, maxBuffer: 64 << 20 },
  );
  if (read.error || read.status !== 0) return [];
  return read.stdout.split("\n").flatMap((line) => {
    const parsed = journalLine.safeParse(tryJson(line));
    if (!parsed.success) return [];
    const { time, level, message, ...rest } = parsed.data;
    const at = Date.parse(time);
    const fields = logRecord.shape.fields.safeParse(rest);
    return at < until ? [{ id: 0, at, level, message, fields: fields.success ? fields.data : {} }] : [];
  });
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
