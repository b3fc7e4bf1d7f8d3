import { expect, test } from "bun:test";
import { checkInstall, specOf } from "./install-form.ts";

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1l2mRkYjZhZ0mJ1a2b3c4d5e6f7g8h9i0jklmnopqr you@here";

test("what is left empty is left to the defaults of the schema", () => {
  expect(specOf({ name: " node-1 ", os: "debian-12", domain: "", network: "dhcp" })).toEqual({
    name: "node-1",
    os: "debian-12",
    users: [],
    network: { kind: "dhcp" },
    wipe: false,
  });
  expect(checkInstall({ name: "node-1", os: "debian-12" })).toEqual({});
});

test("each refusal is at the field it came from", () => {
  const errors = checkInstall({
    name: "Node 1",
    os: "debain-12",
    role: "king",
    sshKeys: `${key}\nnot a key`,
    network: "static",
    address: "10.0.0.5",
    gateway: "here",
    dns: "1.1.1.1 x",
  });
  expect(Object.keys(errors).sort()).toEqual(["address", "dns", "gateway", "name", "os", "role", "sshKeys"]);
  expect(errors.os).toContain("did you mean 'debian-12'?");
  expect(errors.sshKeys).toStartWith("line ");
});

test("a field that is needed and empty says so", () => {
  expect(checkInstall({})).toEqual({ name: "is needed", os: "is needed" });
});
