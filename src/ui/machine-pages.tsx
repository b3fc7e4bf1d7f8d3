import { z } from "@hono/zod-openapi";
import type { BootHistory } from "../boot/history-service.ts";
import { createApi, type Gate, guardedRoute } from "../http/gate.ts";
import type { MachineDetail } from "../machines/api.ts";
import { keyOf, type MachineDesk } from "../machines/desk.ts";
import { toView } from "../machines/routes.ts";
import { labelsOf, type Machine } from "../machines/service.ts";
import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import { formatDisk, formatMemory } from "../platform/size.ts";
import { formatAge } from "../platform/time.ts";
import type { ChangeStream } from "./change-stream.ts";
import { readForm } from "./form.ts";
import type { Show } from "./frame.ts";
import { MachinePage } from "./machine-page.tsx";
import { BriefProgress, MachineState, machinePath, machinesPath, stateDetail } from "./machine-parts.tsx";
import { mayOn, pageRoute, seeOther } from "./page.tsx";
import { Table } from "./parts.tsx";

export interface MachinePagesDeps {
  gate: Gate;
  show: Show;
  desk: MachineDesk;
  /** Of the bastion in this process. */
  lab?: { history: BootHistory; changes: ChangeStream };
  clock: Clock;
}

export const oneMachine = { params: z.object({ machine: z.string().max(253) }) };
/** Lines of the log that come with the page; the whole of it comes with the script's stream. */
const shownLines = 300;

/** Bare metal: the list, and one machine with its install as it goes. */
export function createMachinePages({ gate, show, desk, lab, clock }: MachinePagesDeps) {
  const resource = (context: { req: { param(name: string): string | undefined } }) =>
    desk.resource(context.req.param("machine") ?? "");
  const detailOf = (machine: Machine): MachineDetail => ({ ...toView(machine), ...desk.detail(machine) });
  return createApi()
    .openapi(
      guardedRoute(gate, "machines:read", pageRoute("get", machinesPath, "Machines"), { list: true }),
      (context) => {
        const { actor } = context.var;
        const now = clock.now();
        const rows = desk.list().filter((machine) => mayOn(actor, "machines:read", labelsOf(machine)));
        const installing = rows.filter(({ state }) => state.kind === "installing").length;
        return show(context, {
          title: "Machines",
          here: machinesPath,
          // Bastions elsewhere tell of their machines, but nobody of that.
          ...(rows.some(({ bastion }) => bastion !== undefined) && { refresh: 20 }),
          ...(lab && { changes: `${machinesPath}/changes` }),
          children: (
            <>
              <div class="head" id="count" data-live>
                <div>
                  <h1>Machines</h1>
                  <p class="sub">{`${rows.length} known, ${installing} installing`}</p>
                </div>
              </div>
              <section class="panel flush">
                <Table
                  id="machines"
                  label="Machines"
                  rows={rows}
                  empty="No machine yet: switch one on with network boot first in its firmware."
                  columns={[
                    {
                      title: "Machine",
                      value: (machine) => (
                        <a href={machinePath(keyOf(machine))}>
                          {machine.name ?? <span class="mono">{machine.mac}</span>}
                        </a>
                      ),
                    },
                    { title: "MAC", value: ({ mac }) => <span class="mono">{mac}</span> },
                    { title: "State", value: ({ state }) => <MachineState state={state.kind} /> },
                    { title: "For", value: ({ state }) => formatAge(now - state.since) },
                    {
                      title: "Stage",
                      value: (machine) =>
                        machine.state.kind === "installing" ? (
                          <BriefProgress machine={detailOf(machine)} now={now} />
                        ) : (
                          stateDetail(toView(machine))
                        ),
                    },
                    { title: "Product", value: ({ summary }) => summary?.product },
                    { title: "CPUs", number: true, value: ({ summary }) => summary?.threads },
                    {
                      title: "Memory",
                      number: true,
                      value: ({ summary }) => formatMemory(summary?.memoryBytes),
                    },
                    {
                      title: "Disks",
                      value: ({ summary }) =>
                        summary?.disks.map(({ sizeBytes }) => formatDisk(sizeBytes) ?? "?").join(", "),
                    },
                  ]}
                />
              </section>
            </>
          ),
        });
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "machines:read",
        {
          ...pageRoute("get", "/ui/machines/changes", "When the list of machines is to be looked at again"),
          responses: {
            200: {
              description: "Server-sent events: `changed`",
              content: { "text/event-stream": { schema: z.string() } },
            },
          },
        },
        { list: true },
      ),
      (context) => {
        if (lab === undefined)
          throw new AppError("not-found", "this control plane has no bastion of its own");
        context.env.untimed();
        const headers = { "content-type": "text/event-stream", "cache-control": "no-store" };
        return new Response(lab.changes.follow(), { headers });
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "machines:read",
        { ...pageRoute("get", "/ui/machines/{machine}", "One machine"), request: oneMachine },
        { resource },
      ),
      async (context) => {
        const machine = desk.find(context.req.valid("param").machine);
        const { actor } = context.var;
        const boots =
          machine.bastion === undefined && lab ? (await lab.history.of(machine.mac)).boots : undefined;
        const { lines, total } = desk.logsOf(machine).view(machine);
        const detail = detailOf(machine);
        return show(context, {
          title: machine.name ?? machine.mac,
          here: machinesPath,
          follow: `/api/logs/${encodeURIComponent(keyOf(machine))}/follow`,
          children: (
            <MachinePage
              machine={detail}
              labels={labelsOf(machine)}
              actor={actor}
              boots={boots}
              log={{ lines: lines.slice(-shownLines), total }}
              now={clock.now()}
            />
          ),
        });
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "machines:install",
        {
          ...pageRoute("post", "/ui/machines/{machine}/cancel", "Takes a queued install back"),
          request: oneMachine,
        },
        { resource, audited: true },
      ),
      async (context) => {
        const machine = desk.find(context.req.valid("param").machine);
        await desk.own(machine).installs.cancel(context.var.actor, machine.mac);
        return seeOther(context, machinePath(machine.mac));
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "machines:forget",
        { ...pageRoute("post", "/ui/machines/{machine}/forget", "Forgets a machine"), request: oneMachine },
        { resource, audited: true },
      ),
      async (context) => {
        const machine = desk.find(context.req.valid("param").machine);
        const { force } = await readForm(context);
        await desk.own(machine).installs.forget(context.var.actor, machine.mac, { force: force === "true" });
        return seeOther(context, machinesPath);
      },
    );
}
