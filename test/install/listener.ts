/** What a bastion hears from an installer, kept for a test to look at. */
export interface Heard {
  url: string;
  stages: { seq: number; stage: string; state: string; message?: string }[];
  /** By sequence number; a batch sent twice is kept once, as the bastion does. */
  lines: Map<number, { text: string; source: string }>;
  batches: number;
  /** Answers the next `count` requests with `status`, or hangs up for status 0. */
  failNext(count: number, status: number): void;
  text(source?: string): string[];
  stop(): void;
}

/** A small real listener with the bastion's report routes. `files` are served by path. */
export function listen(
  token: string,
  files: Record<string, string | Blob> = {},
  hostname = "127.0.0.1",
): Heard {
  const stages: Heard["stages"] = [];
  const lines: Heard["lines"] = new Map();
  let failing = { count: 0, status: 0 };
  let batches = 0;
  const server = Bun.serve({
    hostname,
    port: 0,
    async fetch(request) {
      const { pathname, searchParams } = new URL(request.url);
      if (failing.count > 0) {
        failing.count--;
        // The body is read all the same: the report arrived, its answer did not.
        await request.text();
        return new Response("", { status: failing.status });
      }
      const file = files[pathname];
      if (file !== undefined) return new Response(file);
      if (request.headers.get("authorization") !== `Bearer ${token}`)
        return new Response("", { status: 401 });
      if (pathname === "/api/progress") {
        const report = JSON.parse(await request.text());
        if (!stages.some(({ seq }) => seq === report.seq)) stages.push(report);
        return Response.json({});
      }
      if (pathname === "/api/log") {
        batches++;
        const first = Number(searchParams.get("seq"));
        const source = searchParams.get("source") ?? "";
        const texts = (await request.text()).split("\n").slice(0, -1);
        for (const [index, text] of texts.entries()) lines.set(first + index, { text, source });
        return Response.json({});
      }
      return new Response("", { status: 404 });
    },
  });
  return {
    url: `http://${hostname}:${server.port}`,
    stages,
    lines,
    get batches() {
      return batches;
    },
    failNext(count, status) {
      failing = { count, status };
    },
    text: (source) =>
      [...lines.entries()]
        .sort(([a], [b]) => a - b)
        .filter(([, line]) => source === undefined || line.source === source)
        .map(([, line]) => line.text),
    stop: () => void server.stop(true),
  };
}
