/**
 * Machines that are switched on within a window and boot as their firmware does, each from the address it is leased;
 * then, in a second part, install: kickstart, stages and log lines. One JSON line after each part.
 * Usage: storm-client.ts JSON (see StormOrder).
 */
import { z } from "zod";
import { openWire, playBoot, type Wire } from "../src/firmware/service.ts";
import { type Clock, systemClock } from "../src/platform/clock.ts";
import { formatIpv4 } from "../src/protocols/inet/ipv4.ts";
import { createPatientClock } from "./patient-clock.ts";
import { macOf } from "./seed.ts";
import { type Caller, encodeGet, encodePost, openCaller } from "./swarm.ts";

export const stormOrder = z.strictObject({
  interface: z.string(),
  hostname: z.ipv4(),
  machines: z.int(),
  windowMs: z.number(),
  /** Whether the second part follows. */
  installs: z.boolean(),
  stages: z.int(),
  lines: z.int(),
  /** Milliseconds within which all installers are up: kernel and initrd were loaded, and nobody is that quick. */
  startMs: z.number(),
  /** Milliseconds between two reports of one machine. */
  paceMs: z.number(),
});
type StormOrder = z.infer<typeof stormOrder>;

export const stormResult = z.object({
  seconds: z.number(),
  failures: z.number(),
  reason: z.string(),
  /** Milliseconds that 99 % of the questions of a kind were answered in. */
  p99Ms: z.record(z.string(), z.number()),
});
type StormResult = z.infer<typeof stormResult>;

interface Booted {
  mac: string;
  address: string;
  /** The install data's path, where the script names it. */
  kickstart: string | undefined;
}

/** Times by the kind of question, and what went wrong. */
function createAccount() {
  const times = new Map<string, number[]>();
  let [failures, reason] = [0, ""];
  const began = performance.now();
  return {
    timed(step: string, ms: number) {
      const known = times.get(step) ?? [];
      known.push(ms);
      times.set(step, known);
    },
    failed(why: string) {
      failures++;
      reason ||= why.slice(0, 200);
    },
    result(): StormResult {
      const p99 = (all: number[]) => all.sort((a, b) => a - b)[Math.floor(all.length * 0.99)] ?? Number.NaN;
      const p99Ms = Object.fromEntries([...times].map(([step, all]) => [step, p99(all)]));
      return { seconds: (performance.now() - began) / 1000, failures, reason, p99Ms };
    },
  };
}

type Account = ReturnType<typeof createAccount>;

async function boot(index: number, wire: Wire, clock: Clock, account: Account): Promise<Booted | undefined> {
  const mac = macOf(index);
  let transactions = 0;
  const { end, lease } = await playBoot({
    wire,
    clock,
    firmware: "bios",
    mac,
    xid: () => index * 256 + ++transactions,
    speakFrom: formatIpv4,
    say() {},
    timed: account.timed,
  });
  if (end.kind === "stopped") account.failed(`${mac}: ${end.stop.reason}: ${end.stop.detail}`);
  if (end.kind === "stopped" || lease === undefined) return undefined;
  const kickstart = /inst\.ks=http:\/\/[^/]+(\/install\/\S+)/.exec(end.what)?.[1];
  return { mac, address: formatIpv4(lease.address), kickstart };
}

const text = "anaconda: INFO: installing kernel-core-6.14.0-63.fc42.x86_64 (412/1187), 00:03:11 elapsed";
const linesAtOnce = 20;

async function install(machine: Booted, order: StormOrder, account: Account): Promise<void> {
  const { hostname, stages, lines, startMs, paceMs } = order;
  const token = machine.kickstart?.split("/")[2];
  if (machine.kickstart === undefined || token === undefined)
    return account.failed("the script names no kickstart");
  let caller: Caller | undefined;
  try {
    await Bun.sleep(Math.random() * startMs);
    caller = await openCaller({ hostname, port: 8080, localAddress: machine.address });
    const tell = async (step: string, request: Uint8Array) => {
      const answer = await caller?.ask(request);
      account.timed(step, answer?.ms ?? 0);
      if (answer?.status !== 200) throw new Error(`${step}: ${answer?.status} ${answer?.body}`);
    };
    await tell("kickstart", encodeGet(machine.kickstart));
    const batches = Math.ceil(lines / linesAtOnce);
    for (let n = 1; n <= Math.max(stages, batches); n++) {
      const next = performance.now() + paceMs;
      if (n <= batches) {
        const from = (n - 1) * linesAtOnce + 1;
        const many = Array.from({ length: Math.min(linesAtOnce, lines - from + 1) }, (_, m) => ({
          seq: from + m,
          text,
        }));
        await tell("log", encodePost("/api/log", token, JSON.stringify({ lines: many })));
      }
      if (n <= stages) {
        const stage = n === stages ? "installed" : `stage-${n}`;
        await tell(
          "stage",
          encodePost("/api/progress", token, JSON.stringify({ seq: n, stage, state: "done" })),
        );
      }
      await Bun.sleep(Math.max(0, next - performance.now()));
    }
  } catch (error) {
    account.failed(`${machine.mac}: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    caller?.close();
  }
}

if (import.meta.main) {
  const order = stormOrder.parse(JSON.parse(process.argv[2] ?? "{}"));
  const orders = Bun.stdin.stream().getReader();
  const clock = createPatientClock(systemClock);
  const wire = await openWire(order.interface, clock);
  const booting = createAccount();
  const booted = await Promise.all(
    Array.from({ length: order.machines }, async (_, index) => {
      await Bun.sleep((order.windowMs * index) / order.machines);
      return boot(index, wire, clock, booting);
    }),
  );
  console.log(JSON.stringify(booting.result()));
  await orders.read();
  if (order.installs) {
    const installing = createAccount();
    await Promise.all(booted.map((machine) => machine && install(machine, order, installing)));
    console.log(JSON.stringify(installing.result()));
  }
  process.exit(0);
}
