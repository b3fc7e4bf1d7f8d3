/** One boot entry as `efibootmgr` prints it: `Boot0003* UEFI PXEv4 (MAC:525400123456)`. */
export interface BootEntry {
  number: string;
  active: boolean;
  name: string;
}

export function parseBootEntries(text: string): BootEntry[] {
  return text.split("\n").flatMap((line) => {
    const [, number, star, name] = /^Boot([0-9A-F]{4})(\*?) +([^\t]*)/.exec(line) ?? [];
    return number === undefined ? [] : [{ number, active: star === "*", name: (name ?? "").trim() }];
  });
}

/** The entry that starts from the network, IPv4 before IPv6; firmware names it in many ways. */
export function chooseNetworkEntry(entries: readonly BootEntry[]): BootEntry | undefined {
  const network = entries.filter(({ name }) =>
    /\b(pxe|network|ipv?4|ipv?6|http|lan|ethernet|nic)/i.test(name),
  );
  const rank = ({ name }: BootEntry) => (/(ipv?6|pxev6)/i.test(name) ? 2 : /http/i.test(name) ? 1 : 0);
  return [...network].sort((a, b) => rank(a) - rank(b))[0];
}
