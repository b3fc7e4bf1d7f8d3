import { AppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";
import type { Routes } from "./app.ts";

export interface Listener {
  /** The port that was bound. */
  readonly port: number;
  stop(): Promise<void>;
}

/** Larger bodies are answered with 413 before a handler sees them. */
const maxBody = 4 * 1024 * 1024;
/** Seconds after which a connection is cut that sends nothing, or so slowly that it amounts to it; streams lift it. */
const idleTimeout = 30;

/** Serves `app` on one address of the lab network. */
export function listenTcp(
  app: Routes,
  hostname: string,
  port: number,
  logger: Logger,
  idle = idleTimeout,
): Listener {
  const server = guard(`${hostname}:${port}`, () =>
    Bun.serve({
      hostname,
      port,
      idleTimeout: idle,
      maxRequestBodySize: maxBody,
      fetch(request, self) {
        return app.fetch(request, {
          clientIp: self.requestIP(request)?.address.replace(/^::ffff:/, "") ?? "",
          baseUrl: `http://${hostname}:${self.port}`,
          untimed: () => self.timeout(request, 0),
        });
      },
      error: (error) => failed(error, logger),
    }),
  );
  return { port: server.port ?? 0, stop: () => server.stop(true) };
}

function failed(error: unknown, logger: Logger): Response {
  logger.error("a request failed outside its handler", { error: String(error) });
  return new Response("labctl failed to handle this; its log says why\n", { status: 500 });
}

function guard<T>(where: string, listen: () => T): T {
  try {
    return listen();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AppError("unavailable", `cannot listen on ${where}: ${reason}`, {
      hint: `another program may hold it: ss -lntup | grep '${where.split(":").at(-1)}'`,
      cause,
    });
  }
}
