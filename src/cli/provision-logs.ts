import type { z } from "zod";
import { logEventSchema, machineLogsSchema, stageEventSchema } from "../machines/api.ts";
import { AppError } from "../platform/errors.ts";
import { at, read } from "./client.ts";
import { outputFlag } from "./define.ts";
import { formatData, note, print, visible } from "./output.ts";
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
  run: async ({ machine, follow, tail, output }, { client }) => {
    const format = outputFormat(output);
    const log = () => read(client.logs[":machine"].$get(at({ machine })), machineLogsSchema);
    const count = readCount(tail);
    if (follow !== true) {
      const answer = await log();
      const lines = count === undefined ? answer.log_lines : answer.log_lines.slice(-count);
      if (format !== "table") print(formatData({ ...answer, log_lines: lines }, format));
      else printLog({ ...answer, log_lines: lines });
      return;
    }
    let skip = 0;
    if (count !== undefined) {
      skip = Math.max(0, (await log()).log_lines.length - count);
    }
    const abort = new AbortController();
    process.once("SIGINT", () => abort.abort());
    // `labctl provision logs -f … | head` closes our stdout.
    process.stdout.once("error", () => abort.abort());
    for await (const { event, data } of followEvents(client, { machine }, abort.signal)) {
      if (event === "log" && skip > 0) {
        skip--;
        continue;
      }
      // One JSON document a line, so that what follows can read it as it comes.
      if (format !== "table") print(JSON.stringify({ event, ...Object(data) }));
      else if (event === "log") print(formatLine(logEventSchema.parse(data)));
      else if (event === "stage") print(formatStage(stageEventSchema.parse(data)));
    }
  },
});

function readCount(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const count = Number(text);
  if (Number.isInteger(count) && count > 0) return count;
  throw new AppError("usage", `--tail '${text}' is not a number of lines`);
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

const clock = (at: number) => new Date(at).toTimeString().slice(0, 8);
const formatLine = ({ at, source, text }: LogLine) =>
  `${clock(at)} ${source === undefined ? "" : `${visible(source)}: `}${visible(text)}`;
const formatStage = ({ at, stage, state, message }: StageEvent) =>
  visible(
    `${clock(at)} ── ${stage} ${state}${message === undefined ? "" : `: ${message.split("\n", 1)[0]}`}`,
  );
