import { expect, test } from "bun:test";
import { holds, type PermissionMap } from "./privileges.ts";

test("a privilege holds where it was granted and below, where it reaches that far", () => {
  const permissions: PermissionMap = {
    "/": { "Sys.Audit": true },
    "/vms": { "VM.Audit": true },
    "/vms/9000": { "VM.Clone": false },
    "/pool/lab": { "VM.Allocate": false },
  };
  const can = (path: string, ...privileges: string[]) => holds(permissions, { path, privileges });
  expect(can("/vms/101", "VM.Audit")).toBe(true);
  expect(can("/vms/9000", "VM.Clone")).toBe(true);
  expect(can("/vms/9000", "VM.Audit")).toBe(false);
  expect(can("/nodes/pve1", "Sys.Audit")).toBe(true);
  expect(can("/pool/lab/sub", "VM.Allocate")).toBe(false);
  expect(can("/storage/local", "Datastore.Audit")).toBe(false);
});
