import { z } from "zod";
import type { Clock } from "../platform/clock.ts";
import { toAppError } from "../platform/errors.ts";

/** One line of an examination; `next` says what to do where it is not ok. */
export const findingSchema = z.object({
  check: z.string(),
  result: z.enum(["ok", "warn", "fail"]),
  detail: z.string(),
  next: z.string().optional(),
});
export type Finding = z.output<typeof findingSchema>;

export const healthSchema = z.object({
  /** `degraded`: it works, and something wants attention; `failing`: it does not do its work. */
  status: z.enum(["ok", "degraded", "failing"]),
  /** When it was last examined, in milliseconds since the epoch. */
  at: z.number(),
});
export const healthDetail = healthSchema.extend({ findings: z.array(findingSchema) });
export type HealthDetail = z.output<typeof healthDetail>;

export type Examine = () => Omit<Finding, "check"> | Promise<Omit<Finding, "check">>;

/** What a process knows of its own health. */
export interface Health {
  add(check: string, examine: Examine): void;
  /** Every check's finding; however often it is asked for, nothing is examined more than every five seconds. */
  examine(): Promise<HealthDetail>;
}

const interval = 5_000;
/** Milliseconds a check may take. */
const patience = 3_000;

export function createHealth(clock: Clock): Health {
  const checks = new Map<string, Examine>();
  /** Checks that have not answered yet: none is started beside itself. */
  const pending = new Map<string, Promise<Finding>>();
  let last: { at: number; detail: Promise<HealthDetail> } | undefined;

  function run(check: string, examine: Examine): Promise<Finding> {
    const running = pending.get(check);
    if (running !== undefined) return running;
    const begun = (async () => examine())()
      .then((found) => ({ check, ...found }))
      .catch((thrown: unknown): Finding => {
        const { message, hint } = toAppError(thrown);
        return { check, result: "fail", detail: message, ...(hint !== undefined && { next: hint }) };
      })
      .finally(() => pending.delete(check));
    pending.set(check, begun);
    return begun;
  }

  function bounded(check: string, examine: Examine): Promise<Finding> {
    const { promise, resolve } = Promise.withResolvers<Finding>();
    const detail = `no answer within ${patience / 1000} s`;
    const cancel = clock.after(patience, () => resolve({ check, result: "fail", detail }));
    return Promise.race([run(check, examine), promise]).finally(cancel);
  }

  async function examineAll(at: number): Promise<HealthDetail> {
    const findings = await Promise.all([...checks].map(([check, examine]) => bounded(check, examine)));
    const worst = (result: Finding["result"]) => findings.some((finding) => finding.result === result);
    return { status: worst("fail") ? "failing" : worst("warn") ? "degraded" : "ok", at, findings };
  }

  return {
    add: (check, examine) => void checks.set(check, examine),
    examine() {
      const now = clock.now();
      if (last === undefined || now - last.at >= interval || now < last.at) {
        last = { at: now, detail: examineAll(now) };
      }
      return last.detail;
    },
  };
}
