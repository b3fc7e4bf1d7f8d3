import type { Child } from "hono/jsx";
import { gpusOf, type Inventory } from "../machines/inventory.ts";
import { formatDisk, formatMemory } from "../platform/size.ts";
import { Facts, Table } from "./parts.tsx";

const words = (...parts: (string | number | undefined)[]) =>
  parts.filter((part) => part !== undefined && part !== "").join(" ") || undefined;

/** What a host is made of, as it told itself. */
export function Hardware({ inventory }: { inventory: Inventory }) {
  const { system, firmware, cpu, memory, disks, nics, tpm, bmc, notes } = inventory;
  const items: [string, Child | undefined][] = [
    ["Product", words(system.vendor, system.product, system.version)],
    ["Serial number", system.serial],
    ["UUID", system.uuid],
    ["Firmware", words(firmware.mode?.toUpperCase(), firmware.vendor, firmware.version, firmware.date)],
    ["Secure Boot", firmware.secureBoot],
    ["Processor", words(cpu.model)],
    ["Cores", words(cpu.cores, cpu.threads === undefined ? undefined : `(${cpu.threads} threads)`)],
    ["Memory", formatMemory(memory.totalBytes)],
    [
      "Accelerators",
      gpusOf(inventory)
        .map(({ vendor, device, slot }) => words(vendor, device) ?? slot)
        .join(", "),
    ],
    ["Virtualization", inventory.virtualization],
    ["TPM", tpm.present ? words(tpm.version, tpm.vendor) : undefined],
    ["BMC", words(bmc.address, bmc.source)],
    ["Kernel", words(inventory.kernel, inventory.architecture)],
  ];
  return (
    <>
      <Facts items={items} />
      <h3>Disks</h3>
      <Table
        label="Disks"
        rows={disks}
        empty="It reported no disk."
        columns={[
          { title: "Disk", value: ({ name }) => <span class="mono">{name}</span> },
          { title: "Size", number: true, value: ({ sizeBytes }) => formatDisk(sizeBytes) },
          { title: "Model", value: ({ vendor, model }) => words(vendor, model) },
          { title: "Serial number", value: ({ serial }) => serial },
          {
            title: "Bus",
            value: ({ transport, rotational }) => words(transport, rotational ? "rotating" : undefined),
          },
          { title: "Health", value: ({ smart }) => smart?.health },
        ]}
      />
      <h3>Network cards</h3>
      <Table
        label="Network cards"
        rows={nics}
        empty="It reported no network card."
        columns={[
          { title: "Card", value: ({ name }) => <span class="mono">{name}</span> },
          { title: "MAC", value: ({ mac }) => <span class="mono">{mac}</span> },
          {
            title: "Link",
            value: ({ link, speedMbps }) =>
              link ? (words(speedMbps, speedMbps && "Mbit/s") ?? "up") : "down",
          },
          {
            title: "Model",
            value: ({ vendor, model, driver }) => words(vendor, model, driver && `(${driver})`),
          },
          {
            title: "Connected to",
            value: ({ lldp }) =>
              words(lldp?.systemName ?? lldp?.chassisId, lldp?.portDescription ?? lldp?.portId),
          },
        ]}
      />
      {notes.length === 0 ? null : (
        <>
          <h3>What could not be read</h3>
          <ul>
            {notes.map((note) => (
              <li>{note}</li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}
