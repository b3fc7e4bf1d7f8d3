import { expect, test } from "bun:test";
import { readRefusal } from "./refusal.ts";

test.each([
  [
    "Permission check failed (/vms/101, VM.PowerMgmt)",
    { kind: "forbidden", path: "/vms/101", privileges: ["VM.PowerMgmt"] },
  ],
  [
    "403 Permission check failed (/storage/local, Datastore.Audit|Datastore.AllocateSpace)",
    { kind: "forbidden", path: "/storage/local", privileges: ["Datastore.Audit", "Datastore.AllocateSpace"] },
  ],
  ["Permission check failed", { kind: "forbidden", path: undefined, privileges: [] }],
  ["Permission check failed (user != root@pam)", { kind: "forbidden", path: undefined, privileges: [] }],
  ["VM is locked (backup)", { kind: "locked", lock: "backup", vmid: undefined }],
  ["CT is locked (snapshot)", { kind: "locked", lock: "snapshot", vmid: undefined }],
  ["can't lock file '/var/lock/qemu-server/lock-101.conf' - got timeout", { kind: "lock-timeout" }],
  ["unable to create VM 110 - VM 110 already exists on node 'pve1'", { kind: "guest-exists" }],
  ["unable to create VM 102: config file already exists", { kind: "guest-exists" }],
  ["CT 200 already exists on node 'pve1'", { kind: "guest-exists" }],
  ["Configuration file 'nodes/pve1/qemu-server/999.conf' does not exist", { kind: "guest-missing" }],
  ["unable to find configuration file for VM 160 on node 'pve1'", { kind: "guest-missing" }],
  ["checksum mismatch (file change by other user?)", { kind: "digest-mismatch" }],
  ["QEMU guest agent is not running", { kind: "agent-down" }],
  ["VM 101 is running - destroy failed", { kind: "guest-running" }],
  ["VM 102 not running", { kind: "guest-stopped" }],
  ["can't remove VM 101 - protection mode enabled", { kind: "protected" }],
  ["storage 'nosuch' does not exist", { kind: "other" }],
])("readRefusal understands '%s'", (text, refusal) => {
  expect(readRefusal(text)).toMatchObject(refusal);
});
