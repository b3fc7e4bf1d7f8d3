/**
 * Writes docs/performance.md and its plots from the results of the benches. What stands between the markers of the
 * hand-written part is kept.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Measurement } from "./definition.ts";
import { renderPlot, type Series } from "./plot.ts";
import { cells, reached } from "./report.ts";
import { median, short } from "./statistics.ts";

const measurementSchema = z.object({
  case: z.string(),
  subject: z.string(),
  values: z.array(
    z
      .number()
      .nullable()
      .transform((value) => value ?? Number.NaN),
  ),
  cpuSeconds: z.array(z.number()),
  peakBytes: z.number(),
  failures: z.number(),
  note: z.string().optional(),
  unit: z.string().optional(),
  better: z.enum(["lower", "higher"]).optional(),
});
const resultSchema = z.object({
  bench: z.string(),
  summary: z.string(),
  unit: z.string(),
  better: z.enum(["lower", "higher"]),
  size: z.number(),
  quick: z.boolean(),
  measuredAt: z.string(),
  load: z.number(),
  missing: z.array(z.string()),
  targets: z.array(
    z.object({
      cases: z.string(),
      of: z.enum(["ratio", "value", "peak"]),
      beside: z.array(z.string()).optional(),
      must: z.number().optional(),
      aim: z.number().optional(),
    }),
  ),
  machine: z.object({
    cpu: z.string(),
    cores: z.number(),
    memoryBytes: z.number(),
    kernel: z.string(),
    arch: z.string(),
    bun: z.string(),
    labctl: z.string(),
  }),
  rows: z.array(measurementSchema),
});
type Result = z.infer<typeof resultSchema>;

const [open, close] = ["<!-- by hand: begin -->", "<!-- by hand: end -->"];

/** Reads every result in `results`, in the order of `names`, and writes the page into `docs`. */
export async function writeDocument(results: string, docs: string, names: readonly string[]): Promise<void> {
  const found: Result[] = [];
  for (const name of names) {
    const file = Bun.file(join(results, `${name}.json`));
    if (await file.exists()) found.push(resultSchema.parse(await file.json()));
  }
  const page = join(docs, "performance.md");
  const before = (await Bun.file(page).exists()) ? await Bun.file(page).text() : "";
  const kept = before.includes(open)
    ? before.slice(before.indexOf(open), before.indexOf(close) + close.length)
    : `${open}\n${close}`;
  await mkdir(join(docs, "plots"), { recursive: true });
  const plots = plotsOf(found);
  for (const { file, svg } of plots) await Bun.write(join(docs, "plots", file), svg);
  await Bun.write(page, renderPage(found, plots, kept, names));
}

export function renderPage(
  results: readonly Result[],
  plots: readonly { file: string; title: string }[],
  kept: string,
  names: readonly string[],
): string {
  const [first] = results;
  const absent = names.filter((name) => !results.some(({ bench }) => bench === name));
  return [
    "# Performance",
    "",
    "Written by `npm run bench` from its results, but for the part by hand. Every bench starts the built executable and the",
    "peer in the same run on the same work, one after the other, round by round after a warm-up; ratios are medians over",
    "the best peer's, above 1 is better than it. The network is two namespaces with a cable between them; its delay and loss",
    "are played by the client, so that a kernel without `netem` measures the same.",
    "",
    "```",
    "npm run bench                         # everything, an hour or two; then this page is written anew",
    "npm run bench -- tftp-one dispatch    # some of it",
    "npm run bench -- --quick              # a look at all of it in some minutes; this page stays",
    "```",
    "",
    ...(first ? machineLines(first) : ["Nothing was measured yet.", ""]),
    ...(absent.length > 0 ? [`Not in this run: ${absent.join(", ")}.`, ""] : []),
    "## Targets",
    "",
    ...targetLines(results),
    "",
    kept,
    "",
    ...plots.flatMap(({ file, title }) => [`![${title}](plots/${file})`, ""]),
    ...results.flatMap(resultLines),
  ].join("\n");
}

function machineLines({ machine, quick }: Result): string[] {
  const { cpu, cores, memoryBytes, kernel, arch, bun } = machine;
  const look = [
    "**These figures are a quick look on a busy machine** (`--quick`: small sizes, two rounds): no target is judged by",
    "them, and ratios swing by a factor of two. `npm run bench` on a quiet machine replaces them.",
    "",
  ];
  return [
    ...(quick ? look : []),
    `${cores} × ${cpu} (${arch}), ${Math.round(memoryBytes / 2 ** 30)} GiB, Linux ${kernel}, Bun ${bun}.`,
    `Server and client share these cores.`,
    "",
  ];
}

function targetLines(results: readonly Result[]): string[] {
  const lines = results.flatMap((result) =>
    result.targets.flatMap((target) => {
      const cases = new RegExp(target.cases);
      const own = result.rows.filter((row) => row.subject === "labctl" && cases.test(row.case));
      const { beside, must, aim, ...rest } = target;
      const meant = {
        ...rest,
        cases,
        ...(beside && { beside }),
        ...(must !== undefined && { must }),
        ...(aim !== undefined && { aim }),
      };
      return own.map((row) => {
        const outcome = reached(result, result.rows, row, meant);
        const of =
          target.of === "peak"
            ? "MB at peak"
            : target.of === "value"
              ? (row.unit ?? result.unit)
              : `× ${beside?.join(", ") ?? "the best"}`;
        // A look on a busy machine proves nothing, and what was not measured is not missed.
        const said =
          row.failures > 0 ? "failed" : Number.isFinite(outcome.value) ? undefined : "not measured";
        const judged = (bound: number | undefined, holds: boolean | undefined) => {
          if (bound === undefined) return "";
          return said !== undefined || result.quick ? String(bound) : `${bound} ${holds ? "✓" : "✗"}`;
        };
        return `| ${result.bench} | ${row.case} | ${said ?? `${short(outcome.value)} ${of}`} | ${judged(must, outcome.must)} | ${judged(aim, outcome.aim)} |`;
      });
    }),
  );
  return ["| bench | case | reached | must | aim |", "|---|---|---|---|---|", ...lines];
}

function resultLines(result: Result): string[] {
  const rounds = Math.max(0, ...result.rows.map(({ values }) => values.length));
  const { head, body } = cells(result, result.rows.map(asMeasurement));
  const row = (texts: readonly string[]) =>
    `| ${texts.map((text) => text.replaceAll("|", "\\|")).join(" | ")} |`;
  return [
    `## ${result.bench}`,
    "",
    `${result.summary} (${result.better} is better), size ${result.size}${result.quick ? ", a quick look" : ""}.`,
    `Measured ${result.measuredAt.slice(0, 16)}Z with ${result.machine.labctl}, ${rounds} ${rounds === 1 ? "round" : "rounds"}, at load ${result.load.toFixed(1)}.`,
    ...result.missing.map((why) => `Could not get ${why}.`),
    "",
    row(head),
    row(head.map(() => "---")),
    ...body.map(row),
    "",
  ];
}

const asMeasurement = ({ note, unit, better, ...row }: Result["rows"][number]): Measurement => ({
  ...row,
  ...(note !== undefined && { note }),
  ...(unit !== undefined && { unit }),
  ...(better !== undefined && { better }),
});

interface Plot {
  file: string;
  title: string;
  svg: string;
}

/** Throughput over the number of clients, and memory over that of machines. */
function plotsOf(results: readonly Result[]): Plot[] {
  const find = (name: string) => results.find(({ bench }) => bench === name);
  const plots: (Plot | undefined)[] = [
    plot(
      find("tftp-many"),
      "tftp-clients.svg",
      "TFTP: MB a second over clients, window 4, no loss",
      "clients",
      "MB/s",
      (row, { size }) => {
        const clients = /^(\d+) clients, window 4, 0 % loss$/.exec(row.case)?.[1];
        return clients && [Number(clients), (Number(clients) * size * 2 ** 20) / 1e6 / median(row.values)];
      },
    ),
    plot(
      find("http-file"),
      "http-connections.svg",
      "HTTP: MB a second over connections",
      "connections",
      "MB/s",
      (row) => {
        const connections = /^(\d+) connections?$/.exec(row.case)?.[1];
        return connections && [Number(connections), median(row.values)];
      },
    ),
    plot(
      find("storm"),
      "storm-memory.svg",
      "Storm: peak memory of the server over machines",
      "machines",
      "MB",
      (row) => {
        const machines = /^(\d+) machines, to the script$/.exec(row.case)?.[1];
        return machines && [Number(machines), row.peakBytes / 1e6];
      },
    ),
    plot(
      find("storm"),
      "storm-cost.svg",
      "Storm: the server's CPU over machines",
      "machines",
      "ms a machine",
      (row) => {
        const machines = /^(\d+) machines, to the script$/.exec(row.case)?.[1];
        return machines && [Number(machines), median(row.values)];
      },
    ),
  ];
  return plots.flatMap((each) => (each ? [each] : []));
}

type Point = (row: Result["rows"][number], result: Result) => [number, number] | "" | undefined;

function plot(
  result: Result | undefined,
  file: string,
  title: string,
  xTitle: string,
  yTitle: string,
  point: Point,
): Plot | undefined {
  if (result === undefined) return undefined;
  const series = new Map<string, Series>();
  for (const row of result.rows) {
    const at = point(row, result);
    if (!at || row.failures > 0 || !Number.isFinite(at[1])) continue;
    const own = series.get(row.subject) ?? { name: row.subject, points: [] };
    own.points.push(at);
    series.set(row.subject, own);
  }
  const drawn = [...series.values()];
  return drawn.length === 0
    ? undefined
    : { file, title, svg: renderPlot({ title, xTitle, yTitle, series: drawn }) };
}
