import machines from "../../migrations/0001_machines.sql" with { type: "text" };
import boot from "../../migrations/0002_boot.sql" with { type: "text" };
import bootRecord from "../../migrations/0003_boot_record.sql" with { type: "text" };
import access from "../../migrations/0004_access.sql" with { type: "text" };
import fleet from "../../migrations/0005_fleet.sql" with { type: "text" };
import images from "../../migrations/0009_images.sql" with { type: "text" };
import idempotency from "../../migrations/0010_idempotency.sql" with { type: "text" };
import sessions from "../../migrations/0011_sessions.sql" with { type: "text" };
import rotation from "../../migrations/0012_rotation.sql" with { type: "text" };
import uplink from "../../migrations/0013_uplink.sql" with { type: "text" };
import cancel from "../../migrations/0015_cancel.sql" with { type: "text" };
import type { Migration } from "./migrator.ts";

/** Every file of `migrations/`, in order, embedded in the executable; a test holds it against the folder. */
export const migrations: readonly Migration[] = [
  { name: "0001_machines", sql: machines },
  { name: "0002_boot", sql: boot },
  { name: "0003_boot_record", sql: bootRecord },
  { name: "0004_access", sql: access },
  { name: "0005_fleet", sql: fleet },
  { name: "0009_images", sql: images },
  { name: "0010_idempotency", sql: idempotency },
  { name: "0011_sessions", sql: sessions },
  { name: "0012_rotation", sql: rotation },
  { name: "0013_uplink", sql: uplink },
  { name: "0015_cancel", sql: cancel },
];
