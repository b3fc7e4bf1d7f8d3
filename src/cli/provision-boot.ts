import { z } from "zod";
import { at, type Client, read } from "./client.ts";
import { formatData, formatTime, type OutputFormat, print, visible } from "./output.ts";

/** Of `GET /api/v1/machines/:mac/boot`, what is printed for people; the rest goes out as it came. */
const bootRecordSchema = z.looseObject({
  boots: z.array(
    z.looseObject({
      startedAt: z.number(),
      dropped: z.number(),
      verdict: z.looseObject({ text: z.string(), advice: z.string().optional() }),
      events: z.array(z.looseObject({ at: z.number(), times: z.number(), text: z.string() })),
    }),
  ),
});

/** Prints a machine's boot record, the oldest boot first, so that the newest verdict ends the page. */
export async function showBoot(client: Client, mac: string, format: OutputFormat): Promise<void> {
  const record = await read(client.v1.machines[":machine"].boot.$get(at({ machine: mac })), bootRecordSchema);
  if (format !== "table") {
    print(formatData(record, format));
    return;
  }
  for (const { startedAt, verdict, events, dropped } of record.boots.toReversed()) {
    print(`BOOT ${formatTime(startedAt)}`);
    for (const { at, times, text } of events) {
      print(`  ${formatTime(at).slice(11)}  ${visible(text)}${times > 1 ? `  (${times} times)` : ""}`);
    }
    if (dropped > 0) print(`  … and ${dropped} more`);
    print(`  ⇒ ${visible(verdict.text)}`);
    if (verdict.advice !== undefined) print(`    ${visible(verdict.advice)}`);
    print("");
  }
}
