import { z } from "@hono/zod-openapi";
import { createApi, type Gate, guardedRoute } from "../http/gate.ts";
import { body, json } from "../http/route-parts.ts";
import { bootStepsSchema, reprovisionedSchema, reprovisionRequestSchema } from "./api.ts";
import { labelsOf } from "./machine.ts";
import type { Reprovision } from "./reprovision-service.ts";
import { toView } from "./routes.ts";
import type { Machines } from "./service.ts";

const one = { params: z.object({ machine: z.string().max(253) }) };

/** Machines that are brought to their network boot from here. */
export function createReprovisionRoutes(gate: Gate, machines: Machines, reprovision: Reprovision) {
  const resource = (context: { req: { param(name: string): string | undefined } }) =>
    machines.resource(context.req.param("machine") ?? "");
  const audited = { resource, audited: true };
  return createApi()
    .openapi(
      guardedRoute(
        gate,
        "machines:reprovision",
        {
          method: "post",
          path: "/api/v1/machines/{machine}/reprovision",
          summary: "Queues an install and lets the machine start it: by its agent, or by wake-on-LAN",
          request: { ...one, ...body(reprovisionRequestSchema) },
          responses: json(reprovisionedSchema, "The machine, and what was done to start it"),
        },
        { ...audited, once: true },
      ),
      async (context) => {
        context.env.untimed();
        const { actor } = context.var;
        const { spec } = context.req.valid("json");
        const machine = machines.find(context.req.valid("param").machine);
        const name = `machine/${machine.mac}`;
        await gate.require(actor, "machines:install", { name, labels: labelsOf(machine) });
        if (spec.role !== undefined)
          await gate.require(actor, "machines:install", { name, labels: { role: spec.role } });
        const done = await reprovision.reprovision(actor, machine, spec);
        return context.json({ machine: toView(done.machine), steps: done.steps }, 200);
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "machines:wake",
        {
          method: "post",
          path: "/api/v1/machines/{machine}/wake",
          summary: "Sends magic packets to its network cards",
          request: one,
          responses: json(bootStepsSchema, "What was sent"),
        },
        audited,
      ),
      async (context) => {
        const machine = machines.find(context.req.valid("param").machine);
        return context.json({ steps: await reprovision.wake(context.var.actor, machine) }, 200);
      },
    );
}

export type ReprovisionRoutes = ReturnType<typeof createReprovisionRoutes>;
