import { z } from "zod";
import { denied, refuse } from "./failure.ts";
import type { Major, Param } from "./params.ts";
import type { Caller } from "./rights.ts";
import type { Guest, Kind, World } from "./world.ts";

export interface UploadedFile {
  filename: string;
  size: number;
}

/** A request that was found well-formed, of a caller who is known. */
export class Call {
  readonly world: World;
  readonly caller: Caller;
  readonly params: Readonly<Record<string, unknown>>;
  readonly upload: UploadedFile | undefined;
  /** Set by a list that has a `total` beside its data. */
  total: number | undefined;

  constructor(world: World, caller: Caller, params: Record<string, unknown>, upload?: UploadedFile) {
    this.world = world;
    this.caller = caller;
    this.params = params;
    this.upload = upload;
  }

  has(name: string): boolean {
    return this.params[name] !== undefined;
  }

  text(name: string): string {
    const value = this.params[name];
    return value === undefined ? "" : String(value);
  }

  maybe(name: string): string | undefined {
    return this.has(name) ? this.text(name) : undefined;
  }

  int(name: string, otherwise = 0): number {
    return this.has(name) ? Number(this.text(name)) : otherwise;
  }

  bool(name: string): boolean {
    return /^(1|on|yes|true)$/i.test(this.text(name));
  }

  get node(): string {
    return this.text("node");
  }

  get vmid(): number {
    return this.int("vmid");
  }

  guest(kind: Kind): Guest {
    return this.world.guest(this.node, kind, this.vmid);
  }

  demand(path: string, ...any: string[]): void {
    this.world.rights.demand(this.caller, path, any);
  }

  can(path: string, ...any: string[]): boolean {
    return this.world.rights.can(this.caller, path, any);
  }

  /** A bridge is a path of its own from 8 on. */
  demandBridge(bridge: string): void {
    if (this.world.major >= 8) this.demand(`/sdn/zones/localnetwork/${bridge}`, "SDN.Use");
  }

  /** Create and clone refuse without saying what is missing. */
  demandAllocate(vmid: number): void {
    const pool = this.maybe("pool");
    if (this.can(`/vms/${vmid}`, "VM.Allocate")) return;
    if (pool !== undefined && this.can(`/pool/${pool}`, "VM.Allocate")) return;
    throw denied();
  }

  task(type: string, id: string | number, work: Parameters<World["startTask"]>[4]): string {
    return this.world.startTask(this.node, type, id, this.caller, work);
  }
}

export interface Operation {
  method: "GET" | "POST" | "PUT" | "DELETE";
  path: string;
  params: Readonly<Record<string, Param>>;
  since?: Major;
  /** The rights that are looked at before the parameters are. */
  gate?: (call: Call) => void;
  /** The shape of its data, by version where they differ. */
  returns: z.ZodType | ((major: Major) => z.ZodType);
  run: (call: Call) => unknown;
}

export const upid = z.string().regex(/^UPID:[^:]+:[0-9A-F]{8}:[0-9A-F]{8,9}:[0-9A-F]{8}:[^:]+:[^:]*:[^:]+:$/);
export const nothing = z.null();
export const int = z.int();
/** Booleans go out as 0 and 1. */
export const bit = z.union([z.literal(0), z.literal(1)]);

/** `name=value,…` with one value that has no name. */
export function readProperties(spelled: string): { bare: string; named: Record<string, string> } {
  const named: Record<string, string> = {};
  let bare = "";
  for (const part of spelled.split(",")) {
    const cut = part.indexOf("=");
    if (cut < 0) bare ||= part;
    else named[part.slice(0, cut)] = part.slice(cut + 1);
  }
  return { bare, named };
}

export function writeProperties(bare: string, named: Record<string, string>): string {
  return [bare, ...Object.entries(named).map(([name, value]) => `${name}=${value}`)]
    .filter(Boolean)
    .join(",");
}

export function notOffline(call: Call, target: string): void {
  if (!call.world.nodes.get(target)?.online) throw refuse(`no such cluster node '${target}'`);
}
