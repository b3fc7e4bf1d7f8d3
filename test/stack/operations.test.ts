import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { healthDetail } from "../../src/http/health.ts";
import { buildExecutable } from "../lab/artifacts.ts";
import { createStack, type Stack, until } from "./stack.ts";

let stack: Stack;
const local = (path: string) => fetch(`http://labctl${path}`, { unix: stack.socket });
const remote = (path: string, headers: Record<string, string> = {}) =>
  fetch(`https://127.0.0.1:${stack.port}${path}`, { headers, tls: { rejectUnauthorized: false } });

beforeAll(async () => {
  await buildExecutable();
  stack = createStack(2);
  await stack.startLabd();
}, 60_000);
afterAll(() => stack.stop());

const parse = `
import json, sys
from prometheus_client.parser import text_string_to_metric_families as families
print(json.dumps({f.name: [[s.name, s.labels, s.value] for s in f.samples] for f in families(sys.stdin.read())}))
`;
type Sample = [name: string, labels: Record<string, string>, value: number];

/** As Prometheus' own Python client reads it. */
async function readMetrics(text: string): Promise<Record<string, Sample[]>> {
  const python = Bun.spawn(["/usr/bin/python3", "-c", parse], {
    stdin: new Blob([text]),
    stdout: "pipe",
    stderr: "inherit",
  });
  expect(await python.exited).toBe(0);
  return JSON.parse(await new Response(python.stdout).text());
}

test("what /metrics says is read by a Prometheus parser, and counts what was done", async () => {
  await stack.join("m1");
  stack.startAgent("m1");
  await until("the agent is connected", async () =>
    (await stack.labctl("get", "servers")).stdout.includes(" connected"),
  );
  expect((await stack.labctl("exec", "server/m1", "--", "true")).code).toBe(0);
  const answer = await local("/metrics");
  expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const metrics = await readMetrics(await answer.text());
  expect(metrics.labctl_agents_connected).toEqual([["labctl_agents_connected", {}, 1]]);
  expect(metrics.labctl_commands).toContainEqual(["labctl_commands_total", { kind: "run" }, 1]);
  const routes = (metrics.labctl_http_requests ?? []).map(([, labels]) => labels.route);
  expect(routes).toContain("/api/v1/enrol");
  const [rss] = metrics.process_resident_memory_bytes ?? [];
  expect(rss?.[2]).toBeGreaterThan(10e6);
});

test("over the network, metrics and detailed health are for those who may", async () => {
  expect((await remote("/metrics")).status).toBe(401);
  expect((await remote("/health/detailed")).status).toBe(401);
  const token = (await stack.labctl("token", "create", "--kind", "api", "--role", "viewer")).stdout.trim();
  const bearer = { authorization: `Bearer ${token}` };
  expect((await remote("/health/detailed", bearer)).status).toBe(200);
  expect((await remote("/metrics", bearer)).status).toBe(200);
  expect((await remote("/metrics", { authorization: "Bearer labctl_api_x" })).status).toBe(400);
});

test("health is open, and says no more than whether it works", async () => {
  expect(await (await remote("/healthz")).text()).toBe("ok\n");
  expect(await (await remote("/health/live")).json()).toEqual({ status: "ok" });
  expect((await remote("/health/ready")).status).toBe(200);
  expect(await (await remote("/health")).json()).toEqual({
    // A busy host is slow to write, and says so.
    status: expect.stringMatching(/^(ok|degraded)$/),
    at: expect.any(Number),
  });
  const { findings } = healthDetail.parse(await (await local("/health/detailed")).json());
  expect(findings.map(({ check, result }) => [check, result])).toEqual(
    expect.arrayContaining([
      ["database", expect.stringMatching(/^(ok|warn)$/)],
      ["certificates", "ok"],
      ["listeners", "ok"],
    ]),
  );
});

test("a daemon whose port is taken ends, and says how to find who has it", async () => {
  for (const role of ["labd", "standalone"]) {
    const second = await stack.labctl(role, "run", "--config", join(stack.directory, "config.yaml"));
    expect(second).toMatchObject({ code: 8, stderr: expect.stringContaining("ss -lntup | grep") });
  }
}, 30_000);
