import { z } from "zod";
import { type CallOptions, changeTask, type PveApi, readAs, route } from "./api.ts";
import type { Upid } from "./upid.ts";
import { flag, integer, maybe, number, text, words } from "./wire.ts";

const definition = z.object({
  storage: text,
  type: maybe(text),
  content: maybe(words),
  shared: maybe(flag),
  disable: maybe(flag),
  /** Nodes it is limited to; everywhere when absent. */
  nodes: maybe(words),
});
const state = z.object({
  storage: text,
  type: maybe(text),
  content: maybe(words).transform((content) => content ?? []),
  active: maybe(flag).transform((active) => active ?? false),
  enabled: maybe(flag).transform((enabled) => enabled ?? true),
  shared: maybe(flag),
  total: maybe(integer),
  used: maybe(integer),
  avail: maybe(integer),
  used_fraction: maybe(number),
});
const volume = z.object({
  volid: text,
  content: maybe(text),
  format: maybe(text),
  /** Bytes the guest sees. */
  size: maybe(integer),
  used: maybe(integer),
  vmid: maybe(integer),
  /** Seconds since the epoch. */
  ctime: maybe(integer),
  notes: maybe(text),
  protected: maybe(flag),
});

export type StorageDefinition = z.infer<typeof definition>;
export type StorageState = z.infer<typeof state>;
export type Volume = z.infer<typeof volume>;

export function createStorage(api: PveApi) {
  return {
    /** The cluster's storages, as configured. */
    list: (options?: CallOptions): Promise<StorageDefinition[]> =>
      readAs(api, z.array(definition), "/storage", undefined, options),
    /** What a node sees of them, with their room. */
    onNode: (node: string, options?: CallOptions): Promise<StorageState[]> =>
      readAs(api, z.array(state), route`/nodes/${node}/storage`, undefined, options),
    content: (
      place: { node: string; storage: string },
      filter: { content?: string; vmid?: number } = {},
      options?: CallOptions,
    ): Promise<Volume[]> =>
      readAs(
        api,
        z.array(volume),
        route`/nodes/${place.node}/storage/${place.storage}/content`,
        filter,
        options,
      ),
    /** Deletes a backup, an ISO or (with Datastore.Allocate) a disk; a task, or done when it returns. */
    remove: (node: string, volid: string, options?: CallOptions): Promise<Upid | undefined> => {
      const storage = volid.slice(0, Math.max(0, volid.indexOf(":")));
      const path = route`/nodes/${node}/storage/${storage}/content/${volid}`;
      const needs = [{ path: `/storage/${storage}`, privileges: ["Datastore.Allocate"] }];
      return changeTask(api, { method: "DELETE", path, needs }, options);
    },
  };
}

export type PveStorage = ReturnType<typeof createStorage>;
