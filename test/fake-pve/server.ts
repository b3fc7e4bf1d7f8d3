import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { z } from "zod";
import type { Issued } from "./certificate.ts";
import { badParams, Refused } from "./failure.ts";
import type { Faults } from "./faults.ts";
import { Call, type Operation } from "./operation.ts";
import { operations } from "./operations.ts";
import { findFaults, type Major, requestSchema } from "./params.ts";
import { Bare, readBody, readForm } from "./request.ts";
import type { Caller } from "./rights.ts";
import type { World } from "./world.ts";

/** A request as it was seen, for tests to count. */
export interface Seen {
  method: string;
  path: string;
  /** Whether it brought an Authorization header. */
  authorized: boolean;
  status: number;
  data: unknown;
}

interface Route {
  operation: Operation;
  pattern: RegExp;
  names: string[];
  request: z.ZodType;
  answer: z.ZodType;
}

/** The operations one major version has, ready to be matched and checked. */
export function createRoutes(major: Major): Route[] {
  return operations
    .filter(({ since }) => (since ?? 7) <= major)
    .map((operation) => {
      const names = [...operation.path.matchAll(/\{(\w+)\}/g)].map((found) => found[1] ?? "");
      return {
        operation,
        names,
        pattern: new RegExp(`^${operation.path.replace(/\{\w+\}/g, "([^/]+)")}$`),
        request: requestSchema(operation.params, major),
        answer: typeof operation.returns === "function" ? operation.returns(major) : operation.returns,
      };
    });
}

export interface NodeServer {
  port: number;
  stop(): Promise<void>;
}

export interface NodeServerOptions {
  world: World;
  routes: readonly Route[];
  node: string;
  port: number;
  host: string;
  tls: Issued;
  faults: Faults;
  seen: Seen[];
  checkAnswers: boolean;
}

/** The API as one node serves it; what concerns another node it hands on. */
export async function serveNode(options: NodeServerOptions): Promise<NodeServer> {
  const { tls, host, port, world } = options;
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer({ cert: tls.cert, key: tls.key }, (request, response) => {
    void answer(options, request, response).catch((error) => {
      // A mistake of the fake itself: loud, and never mistaken for Proxmox's own words.
      send(response, new Refused(500, `FAKE: ${error instanceof Error ? error.stack : error}`), world);
    });
  });
  server.keepAliveTimeout = 5_000;
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    stop: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function answer(
  options: NodeServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { world, faults, seen } = options;
  const url = new URL(request.url ?? "/", "https://fake");
  const method = request.method ?? "GET";
  const path = url.pathname.replace(/^\/api2\/json/, "");
  const record: Seen = {
    method,
    path,
    authorized: request.headers.authorization !== undefined,
    status: 0,
    data: undefined,
  };
  seen.push(record);
  if (seen.length > 20_000) seen.splice(0, 10_000);

  const fault = faults.take(`${method} ${path}`);
  if (fault?.kind === "drop") return void request.socket.destroy();
  if (fault?.kind === "foreign") {
    response.writeHead(200, { "content-type": "text/html" });
    return void response.end("<html>not Proxmox</html>");
  }
  let result: Success | Refused | Bare;
  try {
    if (fault?.kind === "status") throw new Refused(fault.status, fault.message);
    result = await carryOut(options, request, url, path);
  } catch (error) {
    if (!(error instanceof Refused || error instanceof Bare)) throw error;
    result = error;
  }
  if (fault?.kind === "drop-answer") return void request.socket.destroy();
  if (fault?.kind === "slow") await Bun.sleep(fault.ms);
  if (fault?.kind === "reshape" && result instanceof Success) {
    result = new Success(fault.shape(result.data), result.total);
  }
  record.status = result instanceof Success ? 200 : result.status;
  record.data = result instanceof Success ? result.data : undefined;
  send(response, result, world);
}

class Success {
  readonly data: unknown;
  readonly total: number | undefined;

  constructor(data: unknown, total: number | undefined) {
    this.data = data;
    this.total = total;
  }
}

async function carryOut(
  options: NodeServerOptions,
  request: IncomingMessage,
  url: URL,
  path: string,
): Promise<Success> {
  const { world, routes } = options;
  const method = request.method ?? "GET";
  if (!["GET", "POST", "PUT", "DELETE"].includes(method))
    throw new Bare(501, `method '${method}' not available`, "");
  const matched = match(routes, method, path);
  const body = await readBody(request, path.endsWith("/upload"));
  const caller = await authenticate(world, request.headers.authorization);
  if (!matched) throw new Refused(501, `Method '${method} ${path}' not implemented`);
  const { route, inPath } = matched;
  if (inPath.node !== undefined) await handOn(options, inPath.node);
  const params = { ...readForm(url.search.slice(1)), ...body.params, ...inPath };
  const call = new Call(world, caller, params, body.upload);
  route.operation.gate?.(call);
  const wrong = findFaults(route.request, params);
  if (Object.keys(wrong).length > 0) throw badParams(wrong);
  const data = await route.operation.run(call);
  if (!options.checkAnswers) return new Success(data, call.total);
  const checked = route.answer.safeParse(data);
  if (!checked.success) {
    throw new Error(
      `${method} ${route.operation.path} answers in a shape it does not describe: ${checked.error.message}`,
    );
  }
  return new Success(data, call.total);
}

function match(routes: readonly Route[], method: string, path: string) {
  for (const route of routes) {
    if (route.operation.method !== method) continue;
    const found = route.pattern.exec(path);
    if (!found) continue;
    const values = route.names.map(
      (name, index) => [name, decodeURIComponent(found[index + 1] ?? "")] as const,
    );
    const inPath: Record<string, string> = Object.fromEntries(values);
    return { route, inPath };
  }
  return undefined;
}

/** Another node's business is passed to it: what does not answer in time is a 595 after up to 30 s. */
async function handOn({ world, node }: NodeServerOptions, target: string): Promise<void> {
  const found = world.nodes.get(target);
  if (!found) {
    throw new Refused(
      500,
      `hostname lookup '${target}' failed - failed to get address info for: ${target}: Name or service not known`,
    );
  }
  if (found.name === node || found.online) return;
  await world.sleep(30_000);
  throw new Refused(595, "No route to host");
}

async function authenticate(world: World, header: string | undefined): Promise<Caller> {
  if (header === undefined) return refuseAuth(world, "No ticket");
  const found = /^PVEAPIToken=([^!]+)!([^=]+)=(.+)$/.exec(header);
  const token = found && world.rights.users.get(found[1] ?? "")?.get(found[2] ?? "");
  if (!found || !token || token.secret !== found[3]) return refuseAuth(world, "Authentication failed!");
  if (token.expire !== 0 && token.expire < world.now()) return refuseAuth(world, "Authentication failed!");
  return { user: found[1] ?? "", tokenid: found[2] ?? "", privsep: token.privsep };
}

/** Three seconds late and with an empty body. */
async function refuseAuth(world: World, reason: string): Promise<never> {
  await world.sleep(3_000);
  throw new Bare(401, reason, "");
}

/** A reason phrase is one line; before 2025's http server there was no other explanation. */
function send(response: ServerResponse, result: Success | Refused | Bare, world: World): void {
  const headers: Record<string, string> = {
    "content-type": result instanceof Bare ? "text/plain" : "application/json;charset=UTF-8",
    date: new Date(world.nowMs()).toUTCString(),
    server: "pve-api-daemon/3.0",
    "cache-control": "max-age=0",
  };
  const status = result instanceof Success ? 200 : result.status;
  const reason = result instanceof Success ? "OK" : reasonOf(result.message);
  end(response, status, reason, headers, bodyOf(result, world));
}

const reasonOf = (message: string) =>
  (message.trimEnd().split("\n")[0] ?? "").replace(/[^\x20-\x7e]/g, "?").slice(0, 500);

function bodyOf(result: Success | Refused | Bare, world: World): string {
  if (result instanceof Bare) return result.body;
  if (result instanceof Success) {
    const { data, total } = result;
    return JSON.stringify(total === undefined ? { data } : { data, total });
  }
  const message = world.major >= 9 ? { message: `${result.message}\n` } : {};
  const errors = result.fields ? { errors: result.fields } : {};
  return JSON.stringify({ data: null, ...message, ...errors });
}

function end(
  response: ServerResponse,
  status: number,
  reason: string,
  headers: Record<string, string>,
  body: string,
): void {
  if (response.destroyed) return;
  response.writeHead(status, reason, { ...headers, "content-length": String(Buffer.byteLength(body)) });
  response.end(body);
}
