import type { Operation } from "./operation.ts";
import { clusterOperations } from "./ops-cluster.ts";
import { configOperations } from "./ops-config.ts";
import { diskOperations } from "./ops-disks.ts";
import { guestOperations } from "./ops-guests.ts";
import { lifecycleOperations } from "./ops-lifecycle.ts";
import { powerOperations } from "./ops-power.ts";
import { snapshotOperations } from "./ops-snapshots.ts";
import { storageOperations } from "./ops-storage.ts";
import { taskOperations } from "./ops-tasks.ts";

/** The operations of the API that the product uses, and no others. */
export const operations: readonly Operation[] = [
  ...clusterOperations,
  ...taskOperations,
  ...guestOperations,
  ...configOperations,
  ...lifecycleOperations,
  ...powerOperations,
  ...snapshotOperations,
  ...diskOperations,
  ...storageOperations,
];
