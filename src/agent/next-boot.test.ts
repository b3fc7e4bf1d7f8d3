import { expect, test } from "bun:test";
import { chooseNetworkEntry, parseBootEntries } from "./next-boot.ts";

const ovmf = `BootCurrent: 0006
Timeout: 3 seconds
BootOrder: 0006,0000,0001
Boot0000* UiApp\tFvVol(7cb8bdc9)/FvFile(462caa21)
Boot0001* UEFI PXEv6 (MAC:525400123456)\tPciRoot(0x0)/Pci(0x2,0x0)
Boot0002* UEFI HTTPv4 (MAC:525400123456)\tPciRoot(0x0)/Pci(0x2,0x0)
Boot0003* UEFI PXEv4 (MAC:525400123456)\tPciRoot(0x0)/Pci(0x2,0x0)
Boot0006* labctl\tHD(2,GPT,…)/File(\\EFI\\debian\\shimx64.efi)
`;

test("efibootmgr's lines are read, whatever stands around them", () => {
  expect(parseBootEntries(ovmf)).toHaveLength(5);
  expect(parseBootEntries(ovmf)[3]).toEqual({
    number: "0003",
    active: true,
    name: "UEFI PXEv4 (MAC:525400123456)",
  });
});

test("PXE over IPv4 is chosen before HTTP, and that before IPv6", () => {
  const entries = parseBootEntries(ovmf);
  expect(chooseNetworkEntry(entries)?.number).toBe("0003");
  expect(chooseNetworkEntry(entries.filter((entry) => entry.number !== "0003"))?.number).toBe("0002");
  expect(chooseNetworkEntry(parseBootEntries("Boot0004* Onboard NIC (IPV4)\nBoot0005* debian"))?.number).toBe(
    "0004",
  );
});

test("a host without a network entry has none", () => {
  expect(chooseNetworkEntry(parseBootEntries("Boot0006* debian\tHD(1)"))).toBeUndefined();
});
