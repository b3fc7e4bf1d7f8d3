import { type Context, Hono } from "hono";
import type { AppEnv, Routes } from "../http/app.ts";
import { AppError } from "../platform/errors.ts";
import type { Dispatch } from "./dispatch.ts";
import { fileResponse } from "./files.client.ts";
import type { BootFiles } from "./files.ts";
import type { WholeFiles } from "./whole-files.client.ts";

/** A file was asked for over HTTP. */
export interface FileFetched {
  clientIp: string;
  method: string;
  path: string;
  status: number;
  /** Bytes of the answer's body; 0 for HEAD. */
  size: number;
  range?: string;
}

export interface BootRoutesDeps {
  files: BootFiles;
  dispatch: Pick<Dispatch, "script">;
  wholeFiles: Pick<WholeFiles, "read">;
  observe(fetched: FileFetched): void;
}

const folders = ["boot", "grub", "ram", "installer", "image", "agent"];
const filePath = new RegExp(`^/(boot\\.ipxe|autoexec\\.ipxe|(${folders.join("|")})/.*)$`);
/** What GRUB verifies and boots. Whoever calls himself GRUB has nothing else held in memory: not every disk image. */
const booted = /^\/+(ram|installer)\//;
/** Larger files may take a slow machine longer than the listener waits for a byte to move. */
const large = 1 << 20;

/** What machines fetch while they boot: programs, scripts, kernels, images. Mount it before the others. */
export function createBootRoutes({ files, dispatch, wholeFiles, observe }: BootRoutesDeps): Routes {
  const serveFile = async (context: Context<AppEnv>) => {
    const { env, req } = context;
    const file = await files.open(req.path, env);
    const method = req.method;
    const range = req.header("range");
    const fetched = { clientIp: env.clientIp, method, path: req.path, ...(range !== undefined && { range }) };
    if (file === undefined) {
      observe({ ...fetched, status: 404, size: 0 });
      throw new AppError("not-found", `there is no boot file ${req.path.slice(0, 200)}`);
    }
    const grub =
      req.header("user-agent")?.startsWith("GRUB ") === true && file.kind === "disk" && booted.test(req.path);
    const conditions = {
      range,
      ifRange: req.header("if-range"),
      ifNoneMatch: req.header("if-none-match"),
      ifModifiedSince: req.header("if-modified-since"),
    };
    const response = fileResponse(file, method, conditions, grub ? await wholeFiles.read(file) : undefined);
    const size = method === "HEAD" ? 0 : Number(response.headers.get("content-length") ?? 0);
    if (size > large) env.untimed();
    observe({ ...fetched, status: response.status, size });
    return response;
  };

  const serveScript = async (context: Context<AppEnv>) => {
    const text = await dispatch.script(context.req.query(), context.env);
    return context.body(text, 200, {
      "content-type": "text/plain; charset=utf-8",
      "content-length": String(text.length),
      "cache-control": "no-store",
    });
  };

  const routes: Routes = new Hono<AppEnv>();
  // Firmware joins URLs with a slash too many and follows no redirect (rule 15).
  routes.on(["GET", "HEAD"], "*", (context, next) => {
    const { path } = context.req;
    if (!path.includes("//")) return next();
    const meant = path.replace(/\/{2,}/g, "/");
    if (meant === "/dispatch") return serveScript(context);
    return filePath.test(meant) ? serveFile(context) : next();
  });
  routes.get("/dispatch", serveScript);
  for (const path of ["/boot.ipxe", "/autoexec.ipxe", ...folders.map((folder) => `/${folder}/*`)])
    routes.get(path, serveFile);
  return routes;
}
