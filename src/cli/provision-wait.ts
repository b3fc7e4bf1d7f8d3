import {
  type MachineDetail,
  machineDetailSchema,
  stageEventSchema,
  stateEventSchema,
} from "../machines/api.ts";
import { describeExpectation } from "../machines/expectation.ts";
import { formatDuration, readDuration } from "../platform/duration.ts";
import { AppError } from "../platform/errors.ts";
import { at, type Client, read } from "./client.ts";
import { note, print, visible } from "./output.ts";
import { followEvents } from "./provision-events.ts";
import { machineArgument } from "./provision-list.ts";
import { defineRemoteCommand } from "./remote.ts";

export const wait = defineRemoteCommand({
  summary: "wait for an install to end, showing how it goes; not 0 when it failed or stalled",
  example: "labctl provision wait node1 --timeout 1h",
  args: {
    machine: machineArgument,
    for: {
      type: "enum",
      options: ["installed", "discovered"],
      description: "what to wait for: the end of an install (default), or that the machine shows up",
    },
    timeout: { type: "string", description: "give up after this long, such as 90m", valueHint: "DURATION" },
  },
  run: async ({ machine, for: goal, timeout }, { client }) => {
    const ms = timeout === undefined ? undefined : readDuration(timeout);
    if (timeout !== undefined && ms === undefined) {
      throw new AppError("usage", `--timeout '${timeout}' is not a duration`, {
        hint: "such as 30s, 90m or 2h",
      });
    }
    if (goal === "discovered") await waitForDiscovery(client, machine, ms);
    else await waitForInstall(client, machine, ms);
  },
});

const detailOf = (client: Client, machine: string) =>
  read(client.v1.machines[":machine"].$get(at({ machine })), machineDetailSchema);

const tookTooLong = (machine: string) =>
  new AppError("timeout", `${machine}: still not there when time was up`);

async function waitForDiscovery(
  client: Client,
  machine: string,
  timeoutMs: number | undefined,
): Promise<void> {
  const end = timeoutMs === undefined ? Number.POSITIVE_INFINITY : Date.now() + timeoutMs;
  for (;;) {
    try {
      const { mac, summary } = await detailOf(client, machine);
      // A machine may be queued before anybody has seen it.
      if (summary !== undefined) {
        print(`${mac} is discovered: ${visible(summary.product ?? "an unnamed product")}`);
        return;
      }
    } catch (error) {
      if (!(error instanceof AppError && error.code === "not-found")) throw error;
    }
    if (Date.now() > end) throw tookTooLong(machine);
    await Bun.sleep(1000);
  }
}

/** @throws `failed` when the install failed or stalled, `timeout`, `conflict` when there is none. */
export async function waitForInstall(
  client: Client,
  machine: string,
  timeoutMs: number | undefined,
): Promise<void> {
  const before = await detailOf(client, machine);
  if (before.state === "discovered") {
    throw new AppError("conflict", `${machine}: nothing is queued, so nothing will be installed`, {
      hint: `labctl provision install ${before.mac} NAME --os …`,
    });
  }
  let current = before.installId;
  const abort = new AbortController();
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => abort.abort(), timeoutMs);
  const progress = createProgress(before, process.stderr.isTTY);
  try {
    const wanted = { machine: before.mac, lines: "false" } as const;
    for await (const { event, data } of followEvents(client, wanted, abort.signal)) {
      if (event === "stage") progress.stage(stageEventSchema.parse(data));
      if (event !== "state") continue;
      const { state, stage, reason, installId } = stateEventSchema.parse(data);
      if (state === "queued" || state === "installing") current = installId;
      // It is what an earlier install left it as.
      else if (state !== "forgotten" && installId !== current) {
        throw new AppError("failed", `${machine}: the install was cancelled`, {
          hint: `labctl provision show ${before.mac} tells what it is now`,
        });
      }
      if (state === "queued") progress.say("queued: waiting for its next network boot");
      if (state === "installed") {
        print(`${before.name ?? before.mac} is installed`);
        return;
      }
      if (state === "failed" || state === "stalled" || state === "forgotten") {
        const where = stage === undefined ? "" : ` in stage '${stage}'`;
        throw new AppError(
          "failed",
          `${machine}: the install ${verdict[state]}${where}${reason === undefined ? "" : `: ${reason}`}`,
          {
            hint: `labctl provision logs ${before.mac} shows its log`,
          },
        );
      }
    }
    throw tookTooLong(machine);
  } finally {
    clearTimeout(timer);
    progress.end();
    abort.abort();
  }
}

const verdict = {
  failed: "failed",
  stalled: "stopped reporting",
  forgotten: "was given up with its machine",
};

/** Shows stages as they come; on a terminal the running one with its time, else a line for each that ended. */
function createProgress(machine: MachineDetail, terminal: boolean) {
  let running: { name: string; since: number; note: string | undefined } | undefined;
  let width = 0;

  const clear = () => {
    if (width > 0) process.stderr.write(`\r${" ".repeat(width)}\r`);
    width = 0;
  };
  function draw(): void {
    if (!terminal || running === undefined) return;
    const usual = machine.expectations[running.name];
    const position = machine.knownStages.indexOf(running.name) + 1;
    const text = visible(
      [
        position > 0 ? `[${position}/${machine.knownStages.length}]` : "",
        `${running.name}, ${formatDuration(Date.now() - running.since)}${usual === undefined ? "" : `, ${describeExpectation(usual)}`}`,
        running.note ?? "",
      ]
        .filter((part) => part !== "")
        .join(" "),
    ).slice(0, (process.stderr.columns ?? 80) - 1);
    clear();
    process.stderr.write(text);
    width = text.length;
  }
  function finish(state: string, at: number): void {
    if (running === undefined) return;
    clear();
    note(`${running.name.padEnd(26)} ${state.padEnd(7)} ${formatDuration(Math.max(0, at - running.since))}`);
    running = undefined;
  }
  const timer = terminal ? setInterval(draw, 1000) : undefined;

  return {
    stage({
      stage,
      state,
      at,
      message,
    }: {
      stage: string;
      state: string;
      at: number;
      message?: string | undefined;
    }) {
      const first = message?.split("\n", 1)[0];
      if (running?.name !== stage) {
        finish("done", at);
        running = { name: visible(stage), since: at, note: first };
      }
      running.note = first ?? running.note;
      if (state !== "running") finish(state, at);
      draw();
    },
    say(text: string) {
      clear();
      note(text);
    },
    end() {
      clear();
      clearInterval(timer);
    },
  };
}
