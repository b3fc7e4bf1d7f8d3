import { readForm } from "../fake-pve/request.ts";
import { createRoutes } from "../fake-pve/server.ts";
import type { Recording } from "./recordings.ts";

export interface Matched {
  recording: Recording;
  route: ReturnType<typeof createRoutes>[number];
  params: Record<string, unknown>;
}

/** The recorded exchanges of operations the fake has, with the parameters they carried. */
export function matchRecordings(recordings: readonly Recording[]): Matched[] {
  const routes = createRoutes(9);
  return recordings.flatMap((recording) => {
    const url = new URL(recording.request.path, "https://pve/api2/json/");
    const path = recording.request.path.split("?")[0] ?? "";
    for (const route of routes) {
      const found = route.operation.method === recording.request.method && route.pattern.exec(path);
      if (!found) continue;
      const inPath = Object.fromEntries(
        route.names.map((name, index) => [name, decodeURIComponent(found[index + 1] ?? "")]),
      );
      const query = readForm(url.search.slice(1));
      const { form, json, body } = recording.request;
      const bodyParams = form ?? json ?? (body && /^\w+=/.test(body) ? readForm(body) : {});
      return [{ recording, route, params: { ...query, ...bodyParams, ...inPath } }];
    }
    return [];
  });
}
