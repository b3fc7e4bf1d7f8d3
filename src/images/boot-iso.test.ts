import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildBootIso } from "./boot-iso.client.ts";
import { fatSectors, renderIsoScript } from "./boot-iso.ts";
import { runTool } from "./tool.client.ts";

describe("renderIsoScript", () => {
  test("gets an address, then enters the bastion's dispatch, and tries again for ever", () => {
    expect(renderIsoScript("http://10.0.0.1:8080/").split("\n")).toEqual([
      "#!ipxe",
      "echo labctl: looking for the bastion at http://10.0.0.1:8080",
      ":address",
      "dhcp || goto wait",
      "chain http://10.0.0.1:8080/boot.ipxe || goto wait",
      "exit",
      ":wait",
      "echo labctl: no bastion yet",
      "prompt --key 0x73 --timeout 5000 Press s for a shell, or wait to try again && shell ||",
      "goto address",
      "",
    ]);
  });

  test("a fixed address replaces DHCP", () => {
    const network = { address: "10.0.0.20", netmask: "255.255.255.0", gateway: "10.0.0.254" };
    const script = renderIsoScript("http://10.0.0.1:8080", network);
    expect(script).not.toContain("dhcp");
    expect(script).toContain(
      "set net0/ip 10.0.0.20\nset net0/netmask 255.255.255.0\nset net0/gateway 10.0.0.254\n",
    );
  });

  test("refuses what iPXE could not fetch or would run", () => {
    const urls = [
      "10.0.0.1",
      "https://a",
      "http://a/x",
      "http://a?b",
      "http://a/\nshell",
      "http://$" + "{net0/ip}",
    ];
    for (const url of urls) expect(() => renderIsoScript(url)).toThrow("is not the address of a bastion");
    expect(() => renderIsoScript("http://a", { address: "10.0.0.1 && shell", netmask: "255.0.0.0" })).toThrow(
      "is not an IPv4 address",
    );
  });
});

test("fatSectors: room for the files and the tables, in whole MiB", () => {
  expect(fatSectors(1)).toBe(2048);
  expect(fatSectors(2 * 1024 * 1024)).toBe(3 * 2048);
});

test("buildBootIso: both firmwares find their program and the script, and two builds are the same", async () => {
  const folder = mkdtempSync(join(tmpdir(), "boot-iso-test-"));
  try {
    const top = join(import.meta.dir, "../../ipxe");
    const program = (name: string) => Bun.file(join(top, name)).bytes();
    const programs = {
      "ipxe.lkrn": await program("ipxe.lkrn"),
      "ipxe.efi": await program("ipxe.efi"),
      "ipxe-arm64.efi": await program("ipxe-arm64.efi"),
    };
    const [first, second] = [join(folder, "a.iso"), join(folder, "b.iso")];
    for (const output of [first, second]) {
      await buildBootIso({ bastionUrl: "http://10.0.0.1:8080", output, programs });
    }
    expect(Buffer.from(await Bun.file(first).bytes()).equals(await Bun.file(second).bytes())).toBe(true);

    const xorriso = (...args: string[]) =>
      runTool(["xorriso", "-indev", first, ...args], { package: "xorriso" });
    const report = await xorriso("-report_el_torito", "plain");
    expect(report).toMatch(/El Torito boot img :\s+1\s+BIOS\s+y/);
    expect(report).toMatch(/El Torito boot img :\s+2\s+UEFI\s+y/);

    const image = join(folder, "efi.img");
    await xorriso("-osirrox", "on", "-extract", "/boot/efi.img", image);
    const listing = await runTool(["mdir", "-b", "-i", image, "::EFI/BOOT"], { package: "mtools" });
    expect(listing).toContain("BOOTX64.EFI");
    expect(listing).toContain("BOOTAA64.EFI");
    const script = await runTool(["mtype", "-i", image, "::EFI/BOOT/autoexec.ipxe"], { package: "mtools" });
    expect(script).toBe(renderIsoScript("http://10.0.0.1:8080"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
