import type { Clock } from "../../platform/clock.ts";
import { AppError } from "../../platform/errors.ts";
import type { Logger } from "../../platform/logger.ts";
import { createAccess } from "./access.ts";
import { type CallOptions, route } from "./api.ts";
import { type Caller, createCaller } from "./caller.ts";
import { createCluster } from "./cluster.ts";
import { createDisks } from "./disks.ts";
import type { Exchange } from "./exchange.ts";
import { createGuests } from "./guests.ts";
import { createPower } from "./power.ts";
import { createProvisioning } from "./provisioning.ts";
import { createSettings } from "./settings.ts";
import { createSnapshots } from "./snapshots.ts";
import { createStorage } from "./storage.ts";
import { runTask } from "./task-run.ts";
import { createTaskWaiter, type TaskOutcome, type WaitOptions } from "./task-waiter.ts";
import { createTasks } from "./tasks.ts";
import type { PveToken } from "./token.ts";
import { isUpid, type Upid } from "./upid.ts";
import { encodeMultipart, type UploadRequest } from "./upload.ts";

export interface PveClientOptions {
  exchange: Exchange;
  token: PveToken;
  clock: Clock;
  /** 0 to 1: the jitter of polls, the boundary of uploads. */
  random: () => number;
  logger: Logger;
}

const uploadTimeoutMs = 3_600_000;

/** The API of one cluster, over whichever of its nodes answers. */
export function createPveClient({ exchange, token, clock, random, logger }: PveClientOptions) {
  const api: Caller = createCaller({ exchange, token, clock, logger });
  const tasks = createTasks(api);
  const waiter = createTaskWaiter({ tasks, owner: api.owner, clock, random });

  return {
    /** `lab@pve!appliance` */
    tokenId: token.id,
    /** `host:port` of each node's API this client may use. */
    places: exchange.places,
    clockSkewMs: api.clockSkewMs,
    cluster: createCluster(api),
    access: createAccess(api),
    guests: createGuests(api),
    power: createPower(api),
    snapshots: createSnapshots(api),
    provisioning: createProvisioning(api),
    settings: createSettings(api),
    disks: createDisks(api),
    storage: createStorage(api),
    tasks,
    waitTask: (upid: Upid, options?: WaitOptions): Promise<TaskOutcome> => waiter.wait(upid, options),
    /** Makes a change and waits for its task; one that failed on a lock's time-out is made again, within a bound. */
    run: (change: () => Promise<Upid | undefined>, options?: WaitOptions): Promise<TaskOutcome | undefined> =>
      runTask({ change, wait: (upid, waiting) => waiter.wait(upid, waiting), clock }, options),
    upload: async (request: UploadRequest, options: CallOptions = {}): Promise<Upid> => {
      const boundary = `labctl-${Math.floor(random() * 2 ** 52).toString(36)}-${clock.now().toString(36)}`;
      const { contentType, length, body } = encodeMultipart(request, boundary);
      const path = route`/nodes/${request.node}/storage/${request.storage}/upload`;
      const headers = { "content-type": contentType, "content-length": String(length) };
      const sending = { method: "POST", path: `/api2/json${path}`, headers, body } as const;
      const data = await api.sendOnce(sending, { timeoutMs: uploadTimeoutMs, ...options });
      if (typeof data === "string" && isUpid(data)) return data;
      throw new AppError("unavailable", `POST ${path}: the answer holds no task`);
    },
    close: async (): Promise<void> => {
      waiter.close();
      await exchange.close();
    },
  };
}

export type PveClient = ReturnType<typeof createPveClient>;
