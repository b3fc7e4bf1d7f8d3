import { z } from "zod";
import type { DiskHealth } from "../fleet/protocol.ts";

const number = z.number().optional().catch(undefined);
/** The parts of smartctl's document (`--json`, from 7.0 on) that tell a dying disk. */
const smartctl = z.object({
  model_name: z.string().optional().catch(undefined),
  smart_status: z.object({ passed: z.boolean() }).optional().catch(undefined),
  temperature: z.object({ current: number }).optional().catch(undefined),
  power_on_time: z.object({ hours: number }).optional().catch(undefined),
  ata_smart_attributes: z
    .object({ table: z.array(z.object({ id: z.number(), raw: z.object({ value: z.number() }) })) })
    .optional()
    .catch(undefined),
  nvme_smart_health_information_log: z
    .object({ percentage_used: number, media_errors: number })
    .optional()
    .catch(undefined),
  smartctl: z
    .object({
      messages: z
        .array(z.object({ string: z.string() }))
        .optional()
        .catch(undefined),
    })
    .optional()
    .catch(undefined),
});

/** ATA attributes whose raw value counts sectors: 5 reallocated, 197 waiting to be. */
const reallocated = 5;
const pending = 197;

export function parseSmart(text: string): Omit<DiskHealth, "device"> {
  const read = smartctl.safeParse(parseJson(text));
  if (!read.success)
    return { problem: "smartctl did not answer with its document: is this host's agent allowed to ask?" };
  const { data } = read;
  const attribute = (id: number) =>
    data.ata_smart_attributes?.table.find((each) => each.id === id)?.raw.value;
  const nvme = data.nvme_smart_health_information_log;
  const problem = data.smart_status === undefined ? data.smartctl?.messages?.[0]?.string : undefined;
  return defined({
    model: data.model_name?.slice(0, 80),
    passed: data.smart_status?.passed,
    temperature: data.temperature?.current,
    hours: data.power_on_time?.hours,
    reallocated: attribute(reallocated),
    pending: attribute(pending),
    worn: nvme?.percentage_used,
    errors: nvme?.media_errors,
    problem: problem?.slice(0, 200),
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const defined = (value: { [Key in keyof Omit<DiskHealth, "device">]: DiskHealth[Key] | undefined }) =>
  // checked: what is left are the members that have a value
  Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Omit<
    DiskHealth,
    "device"
  >;
