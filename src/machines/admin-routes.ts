import { type Context, Hono } from "hono";
import { z } from "zod";
import type { AppEnv, Routes } from "../http/app.ts";
import { AppError } from "../platform/errors.ts";
import { readMac } from "../platform/mac.ts";
import {
  bootOptionsSchema,
  installRequestSchema,
  type MachineDetail,
  type MachineView,
  type machineListSchema,
  type machineLogsSchema,
} from "./api.ts";
import { findOperatingSystem } from "./operating-systems.ts";
import type { Machine, Machines } from "./service.ts";
import { stagesOf } from "./stage.ts";

/** What administrators ask and order, on the admin listener. A machine is named by any of its MACs or its name. */
export function createMachineAdminRoutes(machines: Machines): Routes {
  const named = (context: Context<AppEnv>) => machines.find(context.req.param("machine") ?? "");

  function detail(machine: Machine): MachineDetail {
    const installs = machines.installsOf(machine.mac);
    const view = toView(machine);
    const current = installs.find(({ id }) => id === view.installId);
    const system = current && findOperatingSystem(current.os);
    return {
      ...view,
      stages: machines.logs.stagesOf(machine),
      expectations: current === undefined ? {} : Object.fromEntries(machines.expectationsFor(current.os)),
      knownStages: system === undefined ? [] : [...stagesOf[system.family]],
      installs: installs.map(({ mac: _, spec, ...install }) => ({
        ...install,
        name: spec.name,
        role: spec.role,
      })),
      history: machines.historyOf(machine.mac),
      inventory: machines.discovery.inventoryOf(machine.mac),
    };
  }

  return new Hono<AppEnv>()
    .get("/api/v1/machines", (context) =>
      context.json({ machines: machines.list().map(toView) } satisfies z.input<typeof machineListSchema>),
    )
    .get("/api/v1/machines/:machine", (context) => context.json(detail(named(context))))
    .post("/api/v1/machines/:machine/install", async (context) => {
      const { spec, replace } = await readBody(context, installRequestSchema);
      const word = context.req.param("machine");
      // A MAC nobody has seen yet may be queued before its machine is there.
      const mac = readMac(word) ?? machines.find(word).mac;
      return context.json(toView(await machines.installs.queue(mac, spec, { replace })), 201);
    })
    .post("/api/v1/machines/:machine/cancel", async (context) =>
      context.json(toView(await machines.installs.cancel(named(context).mac))),
    )
    .post("/api/v1/machines/:machine/boot-options", async (context) => {
      const options = await readBody(context, bootOptionsSchema);
      return context.json(toView(await machines.setBootOptions(named(context).mac, options)));
    })
    .delete("/api/v1/machines/:machine", async (context) => {
      const force = context.req.query("force") === "true";
      await machines.installs.forget(named(context).mac, { force });
      return context.body(null, 204);
    })
    .get("/api/logs/:machine", (context) => {
      const machine = named(context);
      const { installId, stages, lines, total: count, gaps, lost } = machines.logs.view(machine);
      const answer: z.input<typeof machineLogsSchema> = {
        installId,
        stages,
        log_lines: lines,
        log_total: count,
        gaps,
        lost,
      };
      return context.json(answer);
    })
    .get("/api/logs/:machine/follow", (context) => {
      const machine = named(context);
      const last = context.req.header("last-event-id") ?? context.req.query("after") ?? "0";
      const after = /^\d{1,15}$/.test(last) ? Number(last) : 0;
      context.env.untimed();
      const stream = machines.logs.follow(machine, after, context.req.query("lines") !== "false");
      return new Response(stream, {
        headers: { "content-type": "text/event-stream", "cache-control": "no-store" },
      });
    });
}

function toView({ state, ...machine }: Machine): MachineView {
  return {
    ...machine,
    nics: [...machine.nics],
    state: state.kind,
    since: state.since,
    installId: "installId" in state ? state.installId : undefined,
    stage: "stage" in state ? state.stage : undefined,
    reason: state.kind === "failed" ? state.reason : undefined,
  };
}

async function readBody<Schema extends z.ZodType>(
  context: Context<AppEnv>,
  schema: Schema,
): Promise<z.output<Schema>> {
  const body: unknown = await context.req.json().catch(() => undefined);
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw new AppError("invalid", z.prettifyError(result.error).split("\n").slice(0, 2).join(" "));
}
