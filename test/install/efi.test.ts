import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { embeddedTemplates } from "../../src/machines/templates.client.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "labctl-efi-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Puts the network first on a machine whose firmware has these entries, as the strictest of the installers would. */
function order(entries: string[], bootOrder: string) {
  const tool = `#!/bin/sh
[ "$2" != -o ] || { printf %s "$3" >'${folder}/order'; exit; }
cat <<'END'
BootCurrent: 0001
BootOrder: ${bootOrder}
${entries.join("\n")}
END
`;
  writeFileSync(join(folder, "efibootmgr"), tool, { mode: 0o755 });
  const script = `set -e -o pipefail
bastion_log() { printf '%s\\n' "$*"; }
${embeddedTemplates["lib/efi.sh"]}
efi_network_first labctl
cat '${folder}/order'
`;
  const env = { ...process.env, PATH: `${folder}:${process.env.PATH ?? ""}` };
  const ran = Bun.spawnSync(["bash", "-c", script], { env });
  return { code: ran.exitCode, said: ran.stdout.toString().split("\n") };
}

const disk = "Boot0002* labctl\tHD(2,GPT,0)/File(\\EFI\\debian\\shimx64.efi)";

test("the network goes to the front, the installed system right behind it", () => {
  const { code, said } = order(
    [
      "Boot0001* UEFI PXEv4\tPciRoot(0x0)/Pci(0x2,0x0)/MAC(525400123456,1)",
      disk,
      "Boot0003* UEFI Shell\tFvFile(0)",
    ],
    "0003,0002,0001",
  );
  expect({ code, order: said.at(-1) }).toEqual({ code: 0, order: "0001,0002,0003" });
});

test("a firmware without a network entry ends no install that came from a CD: it is said", () => {
  const { code, said } = order([disk, "Boot0001* UEFI DVD-ROM\tPciRoot(0x0)/Sata(2,65535,0)"], "0001,0002");
  expect({ code, order: said.at(-1) }).toEqual({ code: 0, order: "0002,0001" });
  expect(said.join("\n")).toContain("the firmware shows no network entry");
});
