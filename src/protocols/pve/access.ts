import { z } from "zod";
import { type CallOptions, type PveApi, readAs } from "./api.ts";
import type { PermissionMap } from "./privileges.ts";
import { flag } from "./wire.ts";

/** By path, each privilege with whether it reaches the paths below. An empty object comes as `[]` from some. */
const permissions = z.union([
  z.record(z.string(), z.record(z.string(), flag)),
  z.array(z.unknown()).transform((): PermissionMap => ({})),
]);

export function createAccess(api: PveApi) {
  return {
    /** What this token may do: its own rights and its owner's, whichever is less. */
    permissions: (options?: CallOptions): Promise<PermissionMap> =>
      readAs<PermissionMap>(api, permissions, "/access/permissions", undefined, options),
  };
}

export type PveAccess = ReturnType<typeof createAccess>;
