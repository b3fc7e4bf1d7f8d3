import type { z } from "zod";
import { logEventSchema, machineLogsSchema, stageEventSchema } from "../machines/api.ts";
import { AppError } from "../platform/errors.ts";
import { at, type Client, read } from "./client.ts";
import { outputFlag } from "./define.ts";
import { formatData, note, type OutputFormat, print, visible } from "./output.ts";
import { followEvents } from "./provision-events.ts";
import { machineArgument } from "./provision-list.ts";
import { defineRemoteCommand } from "./remote.ts";
import { outputFormat } from "./settings.ts";

type LogLine = z.output<typeof logEventSchema>;
type StageEvent = z.output<typeof stageEventSchema>;

export const logs = defineRemoteCommand({
  summary: "the log of a machine's install, the last 2,000 lines; -f follows it",
  example: "labctl provision logs node1 -f",
  args: {
    machine: machineArgument,
    follow: { type: "boolean", alias: "f", description: "go on with what comes, until interrupted" },
    tail: { type: "string", alias: "n", description: "only the last lines", valueHint: "LINES" },
    ...outputFlag,
  },
  run: ({ machine, follow, tail, output }, { client }) =>
    showMachineLog(client, machine, {
      follow: follow === true,
      count: readCount(tail),
      since: 0,
      format: outputFormat(output),
    }),
});

/** The log of a machine's current install, and, when it is followed, what comes. */
export async function showMachineLog(
  client: Client,
  machine: string,
  {
    follow,
    count,
    since,
    format,
  }: { follow: boolean; count: number | undefined; since: number; format: OutputFormat },
): Promise<void> {
  const log = async () => {
    const answer = await read(client.logs[":machine"].$get(at({ machine })), machineLogsSchema);
    return { ...answer, log_lines: answer.log_lines.filter((line) => line.at >= since) };
  };
  if (!follow) {
    const answer = await log();
    const lines = count === undefined ? answer.log_lines : answer.log_lines.slice(-count);
    if (format !== "table") print(formatData({ ...answer, log_lines: lines }, format));
    else printLog({ ...answer, log_lines: lines });
    return;
  }
  let skip = count === undefined ? 0 : Math.max(0, (await log()).log_lines.length - count);
  for await (const { event, data } of followEvents(client, { machine }, untilInterrupted())) {
    const line = event === "log" ? logEventSchema.parse(data) : undefined;
    if (line && line.at < since) continue;
    if (line && skip > 0) {
      skip--;
      continue;
    }
    // One JSON document a line, so that what follows can read it as it comes.
    if (format !== "table") print(JSON.stringify({ event, ...Object(data) }));
    else if (line) print(formatLine(line));
    else if (event === "stage") print(formatStage(stageEventSchema.parse(data)));
  }
}

/** Ends what is followed at Ctrl-C, and when nobody reads on: `labctl logs … -f | head`. */
export function untilInterrupted(): AbortSignal {
  const abort = new AbortController();
  process.once("SIGINT", () => abort.abort());
  process.stdout.once("error", () => abort.abort());
  return abort.signal;
}

export function readCount(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const count = Number(text);
  if (Number.isInteger(count) && count > 0) return count;
  throw new AppError("usage", `'${text}' is not a number of lines`);
}

function printLog({ log_lines, log_total, gaps, lost }: z.output<typeof machineLogsSchema>): void {
  let before: number | undefined;
  for (const line of log_lines) {
    const gap =
      before === undefined ? undefined : gaps.find(({ from, to }) => from > (before ?? 0) && to < line.seq);
    if (gap) note(`  … ${gap.to - gap.from + 1} not received (${gap.from}–${gap.to}) …`);
    print(formatLine(line));
    before = line.seq;
  }
  if (log_total > log_lines.length) note(`${log_lines.length} of ${log_total} lines`);
  if (lost > 0) note(`${lost} more were never received`);
  if (log_total === 0) note("nothing was logged yet");
}

export const clock = (at: number) => new Date(at).toTimeString().slice(0, 8);
const formatLine = ({ at, source, text }: LogLine) =>
  `${clock(at)} ${source === undefined ? "" : `${visible(source)}: `}${visible(text)}`;
const formatStage = ({ at, stage, state, message }: StageEvent) =>
  visible(
    `${clock(at)} ── ${stage} ${state}${message === undefined ? "" : `: ${message.split("\n", 1)[0]}`}`,
  );
