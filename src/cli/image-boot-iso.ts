import { resolve } from "node:path";
import { AppError } from "../platform/errors.ts";
import { defineCommand } from "./define.ts";
import { megabytes } from "./image-work.ts";
import { note, print } from "./output.ts";

export const bootIso = defineCommand({
  summary: "write a small ISO for machines that cannot boot from the network",
  example: "labctl image boot-iso boot.iso --url http://10.0.0.1:8080",
  args: {
    file: { type: "positional", description: "where to write it", required: true },
    url: { type: "string", description: "how machines reach the bastion", required: true, valueHint: "URL" },
    address: { type: "string", description: "fixed IPv4 address of the machine, where there is no DHCP" },
    netmask: { type: "string", description: "the netmask of that address", default: "255.255.255.0" },
    gateway: { type: "string", description: "the gateway, if the bastion is on another network" },
  },
  async run({ file, url, address, netmask, gateway }) {
    const { buildBootIso } = await import("../images/boot-iso.client.ts");
    const { createBootPrograms } = await import("../boot/boot-programs.client.ts");
    if (address === undefined && gateway !== undefined) {
      throw new AppError("usage", "--gateway goes with --address", {
        hint: "give both, or leave it to DHCP",
      });
    }
    const programs = createBootPrograms();
    const read = async (name: string) => {
      const bytes = await programs.read(name);
      if (bytes === undefined)
        throw new AppError("internal", `the boot program '${name}' is not in this executable`);
      return bytes;
    };
    const output = resolve(file);
    const { bytes } = await buildBootIso({
      bastionUrl: url,
      output,
      programs: {
        "ipxe.lkrn": await read("ipxe.lkrn"),
        "ipxe.efi": await read("ipxe.efi"),
        "ipxe-arm64.efi": await read("ipxe-arm64.efi"),
      },
      ...(address !== undefined && {
        network: { address, netmask, ...(gateway !== undefined && { gateway }) },
      }),
    });
    print(output);
    note(`${megabytes(bytes)}: put it into a virtual CD drive, or copy it to a whole USB stick (cp, dd)`);
  },
});
