import { expect, test } from "bun:test";
import { hostOperationSchema } from "../fleet/protocol.ts";
import { hostOperations, operationCommand, renderSudoers } from "./host-operations.ts";

const operate = (value: unknown, privilege: "direct" | "sudo" = "direct") =>
  operationCommand(hostOperationSchema.parse(value), privilege).argv;

test("every operation says why it needs root, and is in the sudoers file with the program it runs", () => {
  const sudoers = renderSudoers();
  for (const [name, { why }] of Object.entries(hostOperations)) {
    expect(why).not.toBe("");
    const line = `/usr/bin/labctl agent host-operation ${name}`;
    expect(sudoers).toContain(`# ${why}\nlabctl-agent ALL=(root) NOPASSWD: ${line}, ${line} *\n`);
  }
});

test("an operation is one program by its whole path, and sudo never asks for a password", () => {
  expect(operate({ name: "read-smart", device: "/dev/sda" })).toEqual([
    "/usr/sbin/smartctl",
    "--json",
    "--all",
    "/dev/sda",
  ]);
  expect(operate({ name: "read-smart", device: "/dev/sda" }, "sudo")).toEqual([
    "/usr/bin/sudo",
    "-n",
    "--",
    "/usr/bin/labctl",
    "agent",
    "host-operation",
    "read-smart",
    "--device=/dev/sda",
  ]);
  expect(operate({ name: "allow-lxc-keyctl", vmid: "105" })[2]).toBe("105");
});

test("what could name another file, program or option is refused before it is one", () => {
  for (const bad of [
    { name: "read-smart", device: "/dev/../etc/shadow" },
    { name: "read-smart", device: "--all" },
    { name: "mount-by-uuid", uuid: "../../../etc" },
    { name: "allow-lxc-keyctl", vmid: "1; reboot" },
    { name: "shell" },
  ]) {
    expect(hostOperationSchema.safeParse(bad).success).toBe(false);
  }
});
