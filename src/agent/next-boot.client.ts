import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { AppError } from "../platform/errors.ts";
import { type BootEntry, chooseNetworkEntry, parseBootEntries } from "./next-boot.ts";

const run = promisify(execFile);
const options = { timeout: 20_000, env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" } };

/** Lets the next start alone be from the network (EFI BootNext). @throws `missing` where there is no EFI or no such entry. */
export async function bootFromNetworkNext(): Promise<BootEntry> {
  const listed = await run("efibootmgr", [], options).catch((cause: Error) => {
    throw new AppError(
      "missing",
      `the firmware's boot entries cannot be read: ${cause.message.split("\n")[0]}`,
      {
        hint: "this needs UEFI and efibootmgr; a BIOS machine has to have the network first in its boot order",
        cause,
      },
    );
  });
  const entry = chooseNetworkEntry(parseBootEntries(listed.stdout));
  if (entry === undefined) {
    throw new AppError("missing", "the firmware has no boot entry for the network", {
      hint: "enable network boot in its setup",
    });
  }
  await run("efibootmgr", ["--bootnext", entry.number], options);
  return entry;
}
