import { inventorySchema } from "./inventory.ts";
import { describeChanges as describeInventoryChanges } from "./inventory-diff.ts";

/** What changed between two inventories as they were reported, as sentences for people. */
export function describeChanges(before: unknown, after: unknown): string[] {
  const [old, now] = [inventorySchema.safeParse(before), inventorySchema.safeParse(after)];
  return old.success && now.success ? describeInventoryChanges(old.data, now.data) : [];
}
