/** Milliseconds between attempts, and how many there are: a daemon that restarts is back within that. */
const pause = 500;
const attempts = 10;

/**
 * `fetch` for what makes something: it carries an Idempotency-Key of its own, so that a request whose answer was lost
 * is sent again without making it twice. What could not be sent at all is not tried again.
 */
export async function fetchOnce(url: string, init: BunFetchRequestInit): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set("idempotency-key", crypto.randomUUID());
  let lost: unknown;
  for (let attempt = 0; attempt < attempts; attempt++) {
    if (attempt > 0) await Bun.sleep(pause);
    try {
      const response = await fetch(url, { ...init, headers });
      // The one before is being worked on still.
      const busy = lost !== undefined && response.status === 409 && response.headers.has("retry-after");
      if (!busy) return response;
      lost = new Error("the same request is being worked on");
    } catch (error) {
      if (lost === undefined && !answerWasLost(error)) throw error;
      lost ??= error;
    }
  }
  throw lost;
}

/** The connection stood and broke: whether the request was done cannot be known. */
const answerWasLost = (error: unknown) =>
  error instanceof Error &&
  "code" in error &&
  (error.code === "ECONNRESET" || error.code === "ConnectionClosed");
