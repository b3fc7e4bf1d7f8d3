import { z } from "@hono/zod-openapi";
import type { Fleet, Server } from "../fleet/service.ts";
import { createApi, type Gate, guardedRoute } from "../http/gate.ts";
import { inventorySchema } from "../machines/inventory.ts";
import type { Clock } from "../platform/clock.ts";
import { formatDuration } from "../platform/duration.ts";
import { formatDisk, formatMemory } from "../platform/size.ts";
import type { Show } from "./frame.ts";
import { Hardware } from "./hardware.tsx";
import { mayOn, pageRoute } from "./page.tsx";
import { Ago, Facts, State, Table, Time } from "./parts.tsx";

export const serversPath = "/ui/servers";
const pathOf = (name: string) => `${serversPath}/${encodeURIComponent(name)}`;

const Labels = ({ labels }: Pick<Server, "labels">) => (
  <>
    {Object.entries(labels).map(([key, value]) => (
      <>
        <code>{`${key}=${value}`}</code>{" "}
      </>
    ))}
  </>
);
const Connection = ({ state }: Pick<Server, "state">) => (
  <State tone={state === "connected" ? "done" : "none"}>{state}</State>
);

/** Enrolled hosts. */
export function createServerPages({
  gate,
  show,
  fleet,
  clock,
}: {
  gate: Gate;
  show: Show;
  fleet: Fleet;
  clock: Clock;
}) {
  const resource = (context: { req: { param(name: string): string | undefined } }) => {
    const name = context.req.param("name") ?? "";
    const labels = fleet.list().find((server) => server.name === name)?.labels;
    return { name: `server/${name}`, ...(labels && { labels }) };
  };
  return createApi()
    .openapi(
      guardedRoute(gate, "servers:read", pageRoute("get", serversPath, "Hosts"), { list: true }),
      (context) => {
        const { actor } = context.var;
        const now = clock.now();
        const servers = fleet.list().filter(({ labels }) => mayOn(actor, "servers:read", labels));
        const connected = servers.filter(({ state }) => state === "connected").length;
        return show(context, {
          title: "Hosts",
          here: serversPath,
          refresh: 20,
          children: (
            <>
              <div class="head" id="count" data-live>
                <div>
                  <h1>Hosts</h1>
                  <p class="sub">{`${servers.length} enrolled, ${connected} connected`}</p>
                </div>
              </div>
              <section class="panel flush">
                <Table
                  id="servers"
                  label="Hosts"
                  rows={servers}
                  empty="No host has enrolled yet: labctl token create makes the token it needs."
                  columns={[
                    { title: "Name", value: ({ name }) => <a href={pathOf(name)}>{name}</a> },
                    { title: "Connection", value: Connection },
                    { title: "Heard", value: ({ seenAt }) => seenAt && <Ago at={seenAt} now={now} /> },
                    { title: "Address", value: ({ address }) => <span class="mono">{address}</span> },
                    { title: "Load", number: true, value: ({ vitals }) => vitals?.load[0].toFixed(2) },
                    {
                      title: "Memory free",
                      number: true,
                      value: ({ vitals }) => formatMemory(vitals?.memory.available),
                    },
                    { title: "Labels", value: Labels },
                    { title: "Agent", value: ({ agentVersion }) => agentVersion },
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
        "servers:read",
        {
          ...pageRoute("get", "/ui/servers/{name}", "One host"),
          request: { params: z.object({ name: z.string().max(64) }) },
        },
        { resource },
      ),
      (context) => {
        const server = fleet.find(context.req.valid("param").name);
        const { vitals, factsAt } = server;
        // Who it is, it has proved otherwise: of its cards it names none as the one it booted from.
        const inventory = inventorySchema.safeParse({ ...server.facts, mac: server.macs[0] });
        const now = clock.now();
        return show(context, {
          title: server.name,
          here: serversPath,
          refresh: 20,
          children: (
            <>
              <div class="head">
                <div>
                  <h1>{server.name}</h1>
                  <p class="sub" id="connection" data-live>
                    <Connection state={server.state} />
                    {server.seenAt === undefined ? null : (
                      <>
                        {" "}
                        · heard <Ago at={server.seenAt} now={now} />
                      </>
                    )}
                  </p>
                </div>
              </div>
              <div class="columns">
                <div>
                  <section class="panel" aria-labelledby="now-title" id="now" data-live>
                    <h2 id="now-title">Now</h2>
                    {vitals === undefined ? (
                      <p class="quiet">Nothing is known while it is not connected.</p>
                    ) : (
                      <Facts
                        items={[
                          ["Up for", formatDuration(vitals.uptime * 1000)],
                          ["Load", vitals.load.map((each) => each.toFixed(2)).join(" ")],
                          [
                            "Memory",
                            `${formatMemory(vitals.memory.available)} of ${formatMemory(vitals.memory.total)} free`,
                          ],
                          ...vitals.disks.map(
                            ({ mount, used, size }) =>
                              [mount, `${formatDisk(used)} of ${formatDisk(size)} used`] as const,
                          ),
                        ]}
                      />
                    )}
                  </section>
                  <section class="panel" aria-labelledby="agent-title">
                    <h2 id="agent-title">Agent</h2>
                    <Facts
                      items={[
                        ["Address", server.address],
                        ["Version", server.agentVersion],
                        ["Enrolled", <Time at={server.enrolledAt} />],
                        ["MAC", server.macs.join(" ")],
                        ["Labels", <Labels labels={server.labels} />],
                      ]}
                    />
                  </section>
                </div>
                <section class="panel" aria-labelledby="hardware-title">
                  <h2 id="hardware-title">Hardware</h2>
                  {factsAt === undefined ? null : (
                    <p class="quiet">
                      Told <Ago at={factsAt} now={now} />
                    </p>
                  )}
                  {inventory.success ? (
                    <Hardware inventory={inventory.data} />
                  ) : (
                    <p class="quiet">It has not told yet what it is made of.</p>
                  )}
                </section>
              </div>
            </>
          ),
        });
      },
    );
}
