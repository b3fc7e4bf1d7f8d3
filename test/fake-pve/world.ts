import { createHash } from "node:crypto";
import { refuse } from "./failure.ts";
import type { Major } from "./params.ts";
import { type Caller, Rights } from "./rights.ts";
import { Tasks, type Worker } from "./tasks.ts";

export type Kind = "qemu" | "lxc";
export type Config = Record<string, string | number>;

export interface SnapshotState {
  name: string;
  description: string;
  snaptime: number;
  parent: string | undefined;
  vmstate: boolean;
  config: Config;
}

export interface Guest {
  vmid: number;
  kind: Kind;
  node: string;
  config: Config;
  running: boolean;
  paused: boolean;
  startedAt: number;
  pid: number;
  snapshots: SnapshotState[];
  /** The guest agent answers, and with these addresses. */
  agent: { up: boolean; addresses: string[] };
  /** Reacts to a shutdown request. */
  acpi: boolean;
}

export interface VolumeState {
  volid: string;
  content: string;
  format: string;
  size: number;
  used: number;
  vmid: number | undefined;
  parent: string | null;
  ctime: number;
  /** Of a backup: what it restores. */
  backupOf?: { kind: Kind; config: Config };
}

export interface StorageState {
  name: string;
  type: string;
  content: string[];
  shared: boolean;
  volumes: Map<string, VolumeState>;
}

export interface NodeState {
  name: string;
  online: boolean;
  /** Just booted: its guests are `unknown` and nameless in the resource list. */
  settling: boolean;
  fingerprint: string;
}

export interface WorldOptions {
  version: "7.4" | "8.4" | "9.2";
  nodes: readonly string[];
  /** Every duration is multiplied by it: 1 is the real thing's patience. */
  pace: number;
  /** Milliseconds a task takes at least, unscaled. */
  taskMs: number;
  /** Milliseconds by which the nodes' clock is ahead of the real one. */
  clockSkewMs: number;
}

const gib = 1024 ** 3;

/** A cluster's state: what handlers read and change. */
export class World {
  readonly options: WorldOptions;
  readonly major: Major;
  readonly rights: Rights;
  readonly tasks: Tasks;
  readonly nodes = new Map<string, NodeState>();
  readonly guests = new Map<number, Guest>();
  readonly storages = new Map<string, StorageState>();
  readonly bridges = new Set(["vmbr0"]);
  /** How long a stop's clean-up holds the lock file, in (scaled) milliseconds. */
  stopCleanupMs = 0;
  readonly #flocks = new Map<number, Promise<void>>();
  #nextPid = 600;
  #nextMac = 0x1000;

  constructor(options: WorldOptions) {
    this.options = options;
    this.major = options.version === "9.2" ? 9 : options.version === "8.4" ? 8 : 7;
    this.rights = new Rights(this.major);
    this.tasks = new Tasks(
      () => this.nowMs(),
      (ms) => this.sleep(ms),
      options.taskMs / Math.max(options.pace, 1e-6),
    );
    for (const name of options.nodes)
      this.nodes.set(name, { name, online: true, settling: false, fingerprint: "" });
  }

  nowMs(): number {
    return Date.now() + this.options.clockSkewMs;
  }

  now(): number {
    return Math.floor(this.nowMs() / 1000);
  }

  sleep(ms: number): Promise<void> {
    return Bun.sleep(ms * this.options.pace);
  }

  guest(node: string, kind: Kind, vmid: number): Guest {
    const found = this.guests.get(vmid);
    if (found && found.kind === kind && found.node === node) return found;
    throw refuse(
      `Configuration file 'nodes/${node}/${kind === "qemu" ? "qemu-server" : "lxc"}/${vmid}.conf' does not exist`,
    );
  }

  addGuest(guest: Partial<Guest> & { vmid: number }): Guest {
    const added: Guest = {
      kind: "qemu",
      node: [...this.nodes.keys()][0] ?? "pve1",
      config: {},
      running: false,
      paused: false,
      startedAt: 0,
      pid: 0,
      snapshots: [],
      agent: { up: false, addresses: [] },
      acpi: true,
      ...guest,
    };
    this.guests.set(added.vmid, added);
    return added;
  }

  setRunning(guest: Guest, running: boolean): void {
    guest.running = running;
    guest.paused = false;
    guest.startedAt = this.now();
    guest.pid = running ? this.#nextPid++ : 0;
  }

  addStorage(name: string, content: string[], shared = false): StorageState {
    const storage = { name, type: "dir", content, shared, volumes: new Map<string, VolumeState>() };
    this.storages.set(name, storage);
    return storage;
  }

  storage(name: string): StorageState {
    const found = this.storages.get(name);
    if (found) return found;
    throw refuse(`storage '${name}' does not exist`);
  }

  volume(volid: string): VolumeState | undefined {
    return this.storages.get(volid.slice(0, volid.indexOf(":")))?.volumes.get(volid);
  }

  addVolume(volid: string, rest: Partial<VolumeState> = {}): VolumeState {
    const storage = this.storage(volid.slice(0, volid.indexOf(":")));
    const owner = /\/(?:vm|base|subvol)-(\d+)-/.exec(volid)?.[1];
    const volume: VolumeState = {
      volid,
      content: "images",
      format: volid.split(".").at(-1) ?? "raw",
      size: gib,
      used: 331_776,
      vmid: owner === undefined ? undefined : Number(owner),
      parent: null,
      ctime: this.now(),
      ...rest,
    };
    storage.volumes.set(volid, volume);
    return volume;
  }

  removeVolume(volid: string): boolean {
    return this.storage(volid.slice(0, volid.indexOf(":"))).volumes.delete(volid);
  }

  /** The first `vm-N-disk-K` no volume has. */
  freeVolid(storage: string, vmid: number, format: string): string {
    for (let n = 0; ; n++) {
      const taken = [...this.storage(storage).volumes.keys()].some((volid) =>
        volid.includes(`/vm-${vmid}-disk-${n}.`),
      );
      if (!taken) return `${storage}:${vmid}/vm-${vmid}-disk-${n}.${format}`;
    }
  }

  newMac(): string {
    const n = this.#nextMac++;
    const byte = (shift: number) => ((n >> shift) & 0xff).toString(16).toUpperCase().padStart(2, "0");
    return `BC:24:11:${byte(16)}:${byte(8)}:${byte(0)}`;
  }

  digest(config: Config): string {
    const text = Object.entries(config)
      .sort()
      .map(([key, value]) => `${key}: ${value}`)
      .join("\n");
    return createHash("sha1").update(text).digest("hex");
  }

  /** Refused when the configuration holds a lock; there is no token that may ignore it. */
  checkLock(guest: Guest): void {
    if (guest.config.lock === undefined) return;
    const what = guest.kind === "qemu" ? "VM is locked" : "CT is locked";
    throw refuse(`${what} (${guest.config.lock})`);
  }

  /** Holds a guest's lock file while `work` runs; gives up after ten (scaled) seconds in the queue. */
  async withLockFile<T>(
    guest: { vmid: number; kind: Kind },
    work: () => Promise<T> | T,
    worker?: Worker,
  ): Promise<T> {
    const until = Date.now() + 10_000 * this.options.pace;
    if (this.#flocks.has(guest.vmid)) worker?.log("trying to acquire lock...");
    for (let held = this.#flocks.get(guest.vmid); held; held = this.#flocks.get(guest.vmid)) {
      const left = until - Date.now();
      const timedOut =
        left <= 0 || (await Promise.race([held.then(() => false), Bun.sleep(left).then(() => true)]));
      if (timedOut) throw refuse(`can't lock file '${lockFile(guest)}' - got timeout`);
      worker?.log(" OK");
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#flocks.set(guest.vmid, promise);
    try {
      return await work();
    } finally {
      this.#flocks.delete(guest.vmid);
      resolve();
    }
  }

  /** Takes the lock file for so long, as the clean-up after a stop does. */
  holdLockFile(guest: { vmid: number; kind: Kind }, ms: number): void {
    void this.withLockFile(guest, () => this.sleep(ms)).catch(() => {});
  }

  startTask(
    node: string,
    type: string,
    id: string | number,
    caller: Caller,
    work: (worker: Worker) => Promise<void> | void,
  ): string {
    return this.tasks.start({ node, type, id: String(id), caller, work });
  }
}

const lockFile = ({ vmid, kind }: { vmid: number; kind: Kind }) =>
  kind === "qemu" ? `/var/lock/qemu-server/lock-${vmid}.conf` : `/run/lock/lxc/pve-config-${vmid}.lock`;
