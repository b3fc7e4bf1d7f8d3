import { type Context, Hono } from "hono";
import type { z } from "zod";
import type { AppEnv, Routes } from "../http/app.ts";
import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import { readMac } from "../platform/mac.ts";
import { createTurns } from "../platform/turns.ts";
import { logQuerySchema, logReportSchema, progressSchema } from "./api.ts";
import type { Claim } from "./claims.ts";
import { inventoryMaxBytes, inventorySchema } from "./inventory.ts";
import { type LogLine, splitLines } from "./log-line.ts";
import { createRateLimit } from "./rate-limit.ts";
import type { Machines } from "./service.ts";

type Ask = Context<AppEnv>;

const maxLogBytes = 1024 * 1024;
const maxProgressBytes = 64 * 1024;
/** Requests of one address that name no valid token. */
const strangerRate = { burst: 30, perSecond: 0.5 };
/** Requests of one install, lines and stages together. */
const requestRate = { burst: 2000, perSecond: 500 };

/** Reports that are taken apart and wait for the disk at once; as many share a commit. The others wait as they came. */
const reportsAtOnce = 512;

/** What machines on the lab network ask and tell. Nobody there is trusted: see the bounds above. */
export function createMachineLabRoutes(machines: Machines, clock: Clock): Routes {
  const strangers = createRateLimit(strangerRate);
  const installs = createRateLimit(requestRate);
  const turns = createTurns(reportsAtOnce);

  function authenticate(context: Ask): Claim {
    const header = context.req.header("authorization");
    const token = header?.startsWith("Bearer ") ? header.slice(7) : (context.req.query("token") ?? "");
    let claim: Claim;
    try {
      claim = machines.reports.claimOf(token);
    } catch (error) {
      throw stranger(context, error);
    }
    if (installs.take(claim.installId, 1, clock.now())) return claim;
    throw new AppError("too-many", "this install sends too many requests; send more lines in each");
  }

  /** `error` itself, or, for an address that tries too often, that it does. */
  function stranger(context: Ask, error: unknown): unknown {
    return strangers.take(context.env.clientIp, 1, clock.now())
      ? error
      : new AppError("too-many", "too many requests without a valid token");
  }

  async function serveInstallData(context: Ask): Promise<Response> {
    const { token = "", file = "" } = context.req.param();
    const { clientIp } = context.env;
    const { reports } = machines;
    try {
      if (context.req.method === "HEAD") {
        const length = await reports.length(token, file, clientIp);
        return new Response(null, { headers: { "content-length": String(length), ...plain } });
      }
      return new Response(await reports.serve(token, file, clientIp), { headers: plain });
    } catch (error) {
      throw stranger(context, error);
    }
  }

  return new Hono<AppEnv>()
    .post("/api/discover", async (context) => {
      const inventory = check(inventorySchema, parseJson(await readText(context, inventoryMaxBytes)));
      const { machine, first, changes } = await machines.discovery.report(inventory);
      return context.json({ mac: machine.mac, first, changes: changes.length });
    })
    .get("/dispatch/orders", async (context) => {
      const mac = readMac((context.req.query("mac") ?? "").slice(0, 20));
      if (mac === undefined) throw new AppError("invalid", "the query names no MAC address: ?mac=…");
      return context.json(await machines.orders.waitingOrder(mac, context.env));
    })
    .get("/discover.ks", () => new Response(machines.discoverKickstart(), { headers: plain }))
    .get("/install/:token/:file", serveInstallData)
    .post("/api/progress", async (context) => {
      const claim = authenticate(context);
      const body = await readText(context, maxProgressBytes);
      return turns.take(async () => {
        const { state, ...report } = check(progressSchema, parseJson(body));
        const accepted = await machines.reports.progress(claim, { ...report, outcome: state });
        return context.json({ accepted: accepted ? 1 : 0 });
      });
    })
    .post("/api/log", async (context) => {
      const claim = authenticate(context);
      const body = await readText(context, maxLogBytes);
      return turns.take(async () =>
        context.json(await machines.logs.append(claim, parseLines(context, body))),
      );
    });
}

const plain = { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" };

function parseLines(context: Ask, body: string): readonly LogLine[] {
  if (context.req.header("content-type")?.startsWith("text/plain")) {
    const query = check(logQuerySchema, context.req.query());
    return splitLines(body, query.seq, query.source);
  }
  const report = check(logReportSchema, parseJson(body));
  return "lines" in report ? report.lines : [report];
}

async function readText(context: Ask, limit: number): Promise<string> {
  const tooLarge = () => new AppError("too-large", `the body is larger than ${limit} bytes`);
  if (Number(context.req.header("content-length") ?? 0) > limit) throw tooLarge();
  const body = await context.req.text();
  if (body.length > limit) throw tooLarge();
  return body;
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new AppError("invalid", "the body is not JSON");
  }
}

function check<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const at = issue?.path.join(".") ?? "";
  throw new AppError("invalid", `${at === "" ? "the request" : `'${at}'`}: ${issue?.message ?? "not valid"}`);
}
