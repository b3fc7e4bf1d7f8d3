import { z } from "@hono/zod-openapi";
import { type Actor, decideAccess, parseSelector, selects } from "../access/service.ts";
import { etagOf, preconditionOf } from "../http/conditional.ts";
import { createApi, type Gate, guardedRoute } from "../http/gate.ts";
import { pageFrom, pageQuery } from "../http/page.ts";
import { body, created, json, nothing, raw } from "../http/route-parts.ts";
import { readMac } from "../platform/mac.ts";
import {
  bootOptionsSchema,
  installRequestSchema,
  type MachineDetail,
  type MachineView,
  machineDetailSchema,
  machineListSchema,
  machineLogsSchema,
  machineSchema,
  machineState,
} from "./api.ts";
import { createDesk, keyOf, type MachineDesk } from "./desk.ts";
import { labelsOf } from "./machine.ts";
import type { RemoteMachines } from "./remote-service.ts";
import type { Machine, Machines } from "./service.ts";

/** A machine is named by any of its MACs or by its name. */
const one = { params: z.object({ machine: z.string().max(253) }) };

/** Bare metal: what there is, what is installed on it, how that goes. */
export function createMachineRoutes(gate: Gate, own: Machines | undefined, remote?: RemoteMachines) {
  const machines = createDesk(own, remote);
  const resource = (context: { req: { param(name: string): string | undefined } }) =>
    machines.resource(context.req.param("machine") ?? "");
  const read = { resource };
  const audited = { resource, audited: true };

  const detail = (machine: Machine): MachineDetail => ({ ...toView(machine), ...machines.detail(machine) });

  return createApi()
    .openapi(
      guardedRoute(
        gate,
        "machines:read",
        {
          method: "get",
          path: "/api/v1/machines",
          summary: "Machines of this bastion and of those elsewhere, in the order of their MACs",
          request: {
            query: pageQuery.extend({
              selector: z.string().max(1000).default(""),
              state: machineState.optional(),
            }),
          },
          responses: json(machineListSchema, "Machines you may see"),
        },
        { list: true },
      ),
      (context) => {
        const { selector: text, state, ...wanted } = context.req.valid("query");
        const selector = parseSelector(text);
        const { roles } = context.var.actor.principal;
        const visible = machines.list().filter((machine) => {
          const labels = labelsOf(machine);
          return (
            (state === undefined || machine.state.kind === state) &&
            selects(selector, labels) &&
            decideAccess(roles, "machines:read", labels).allowed
          );
        });
        const { items, next } = pageFrom(visible, keyOf, wanted);
        return context.json({ items: items.map(toView), next }, 200);
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "machines:read",
        {
          method: "get",
          path: "/api/v1/machines/{machine}",
          summary: "One machine with its installs, inventory and history",
          request: one,
          responses: json(machineDetailSchema, "The machine"),
        },
        read,
      ),
      (context) => context.json(detail(machines.find(context.req.valid("param").machine)), 200),
    )
    .openapi(
      guardedRoute(
        gate,
        "machines:install",
        {
          method: "post",
          path: "/api/v1/machines/{machine}/install",
          summary: "Queues an install; the machine's next network boot starts it",
          request: { ...one, ...body(installRequestSchema) },
          responses: created(machineSchema, "The machine, queued"),
        },
        // The handler asks for the roles it has and is to get.
        { ...audited, list: true, once: true },
      ),
      async (context) => {
        const { machine } = context.req.valid("param");
        const wanted = context.req.valid("json");
        return context.json(
          toView(await queueInstall(gate, machines, context.var.actor, machine, wanted)),
          201,
        );
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "machines:install",
        {
          method: "post",
          path: "/api/v1/machines/{machine}/cancel",
          summary: "Takes a queued install back: the machine is what it was before",
          request: one,
          responses: json(machineSchema, "The machine"),
        },
        audited,
      ),
      async (context) => {
        const machine = machines.find(context.req.valid("param").machine);
        const { installs } = machines.own(machine);
        return context.json(toView(await installs.cancel(context.var.actor, machine.mac)), 200);
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "machines:read",
        {
          method: "get",
          path: "/api/v1/machines/{machine}/boot-options",
          summary: "How this machine is booted, with the ETag that a change of it is held against",
          request: one,
          responses: json(bootOptionsSchema, "The options that are set"),
        },
        read,
      ),
      (context) => {
        const options = machines.find(context.req.valid("param").machine).bootOptions ?? {};
        return context.json(options, 200, { etag: etagOf(options) });
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "machines:update",
        {
          method: "post",
          path: "/api/v1/machines/{machine}/boot-options",
          summary: "How this machine is booted; options that are not given stay",
          request: { ...one, ...body(bootOptionsSchema) },
          responses: json(machineSchema, "The machine"),
        },
        audited,
      ),
      async (context) => {
        const machine = machines.find(context.req.valid("param").machine);
        const changed = await machines
          .own(machine)
          .setBootOptions(context.var.actor, machine.mac, context.req.valid("json"), preconditionOf(context));
        return context.json(toView(changed), 200);
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "machines:forget",
        {
          method: "delete",
          path: "/api/v1/machines/{machine}",
          summary: "Removes its record, its queued install and its logs",
          request: { ...one, query: z.object({ force: z.enum(["true", "false"]).default("false") }) },
          responses: nothing,
        },
        audited,
      ),
      async (context) => {
        const machine = machines.find(context.req.valid("param").machine);
        const force = context.req.valid("query").force === "true";
        await machines.own(machine).installs.forget(context.var.actor, machine.mac, { force });
        return context.body(null, 204);
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "machines:read",
        {
          method: "get",
          path: "/api/logs/{machine}",
          summary: "Stages and last log lines of its current install",
          request: one,
          responses: json(machineLogsSchema, "The log"),
        },
        read,
      ),
      (context) => {
        const machine = machines.find(context.req.valid("param").machine);
        const { installId, stages, lines, total: count, gaps, lost } = machines.logsOf(machine).view(machine);
        return context.json({ installId, stages, log_lines: lines, log_total: count, gaps, lost }, 200);
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "machines:read",
        {
          method: "get",
          path: "/api/logs/{machine}/follow",
          summary: "Stages, states and log lines as they come; Last-Event-ID goes on where it was",
          request: {
            ...one,
            query: z.object({
              after: z.string().optional(),
              lines: z.enum(["true", "false"]).default("true"),
            }),
          },
          responses: raw("text/event-stream", "Server-sent events: `log`, `stage`, `state`"),
        },
        read,
      ),
      (context) => {
        const machine = machines.find(context.req.valid("param").machine);
        const { after, lines } = context.req.valid("query");
        const last = context.req.header("last-event-id") ?? after ?? "0";
        context.env.untimed();
        const stream = machines
          .logsOf(machine)
          .follow(machine, /^\d{1,15}$/.test(last) ? Number(last) : 0, lines === "true");
        const headers = { "content-type": "text/event-stream", "cache-control": "no-store" };
        // checked: a stream is a body like any other; the schema can only say that it is text
        return context.body(stream, 200, headers) as never;
      },
    );
}

export type MachineRoutes = ReturnType<typeof createMachineRoutes>;

/** Queues what `actor` may, of the role the machine has and of the one it is to get. */
export async function queueInstall(
  gate: Gate,
  machines: MachineDesk,
  actor: Actor,
  word: string,
  { spec, replace }: z.output<typeof installRequestSchema>,
): Promise<Machine> {
  const { name } = machines.resource(word);
  const current = machines.known(word);
  if (current?.role !== undefined)
    await gate.require(actor, "machines:install", { name, labels: labelsOf(current) });
  await gate.require(actor, "machines:install", { name, labels: { role: spec.role } });
  // A MAC nobody has seen yet may be queued before its machine is there.
  const mac = readMac(word) ?? machines.find(word).mac;
  return machines.own(current).installs.queue(actor, mac, spec, { replace });
}

/** A machine as it is shown, wherever that is. */
export function toView({ state, ...machine }: Machine): MachineView {
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
