import { z } from "zod";
import { inventorySchema } from "./inventory.ts";
import { describeChanges as describeInventoryChanges } from "./inventory-diff.ts";

/** A host that runs has no interface it booted from; what changed is told without it. */
const ofHost = z
  .record(z.string(), z.unknown())
  .transform((value) => ({ ...value, mac: "00:00:00:00:00:00" }))
  .pipe(inventorySchema);

/** What changed between two inventories as a host reported them, as sentences for people. */
export function describeChanges(before: unknown, after: unknown): string[] {
  const [old, now] = [ofHost.safeParse(before), ofHost.safeParse(after)];
  return old.success && now.success ? describeInventoryChanges(old.data, now.data) : [];
}
