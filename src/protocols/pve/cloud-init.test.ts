import { expect, test } from "bun:test";
import { cloudInitSettings, nocloudSmbios } from "./cloud-init.ts";

test("SSH keys are URL-encoded within the form, spaces as %20", () => {
  const key = `ssh-ed25519 ${"A".repeat(68)} me@host`;
  const settings = cloudInitSettings({
    user: "lab",
    sshKeys: [key],
    network: ["dhcp", { address: "10.0.0.5/24", gateway: "10.0.0.1" }],
  });
  expect(settings).toMatchObject({
    ciuser: "lab",
    sshkeys: encodeURIComponent(key),
    ipconfig0: "ip=dhcp",
    ipconfig1: "ip=10.0.0.5/24,gw=10.0.0.1",
  });
  expect(() => cloudInitSettings({ sshKeys: ["not a key"] })).toThrow("is not a public SSH key");
  expect(() => cloudInitSettings({ network: [{ address: "10.0.0.5" }] })).toThrow("lacks its prefix length");
});

test("the serial number that names a NoCloud server is base64", () => {
  expect(nocloudSmbios("http://10.77.0.1:8080/seed/abc/")).toBe(
    "serial=ZHM9bm9jbG91ZDtzPWh0dHA6Ly8xMC43Ny4wLjE6ODA4MC9zZWVkL2FiYy8=,base64=1",
  );
  expect(() => nocloudSmbios("http://x/no-slash")).toThrow("is not an http URL that ends in '/'");
});
