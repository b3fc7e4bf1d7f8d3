import { clientNames } from "./boot-fact.ts";
import { bare } from "./boot-seen.ts";
import { after, patience, type Step, stopped, type Verdict } from "./verdict-step.ts";

/** Rule 10: DISCOVERs at 0, 4, 12 and 28 s and no REQUEST. */
const hopelessDiscovers = 4;

/** The loader was asked for, or offered and accepted. */
export function loader(step: Step): Verdict | undefined {
  const { seen, timeOf } = step;
  const { ipxe, offered, handed, transfers } = seen;
  const ownScript = handed.find(({ path }) => path === "boot.ipxe" || path.endsWith("autoexec.ipxe"));
  const grubConfig = handed.find(({ path }) => path.endsWith("grub/grub.cfg"));
  const entered = ownScript ?? grubConfig;
  if (entered) {
    return after(
      step,
      patience.script,
      `${entered.path} was fetched at ${timeOf(entered.at)}; /dispatch is next`,
      stopped(
        `${entered.path} was fetched at ${timeOf(entered.at)}; the machine never asked what to boot`,
        entered.over === "TFTP"
          ? "our HTTP port does not answer it: look for a firewall between this network and us"
          : "look at its screen: the loader says there what failed",
      ),
    );
  }
  if (ipxe) {
    if (ipxe.answer === undefined) {
      return stopped(
        `iPXE asked for an address at ${timeOf(ipxe.at)} and was not answered: ${ipxe.ignored ?? ""}`,
        dhcpAdvice,
      );
    }
    return after(
      step,
      patience.script,
      `iPXE asked for an address at ${timeOf(ipxe.at)}; its script is next`,
      stopped(
        `iPXE was told at ${timeOf(ipxe.at)} to load ${ipxe.bootFile ?? "its script"}; it never asked for it`,
        "our HTTP port does not answer it (a firewall?), or iPXE has no working driver for this network card: try uefi: snponly for this machine",
      ),
    );
  }
  const program = offered && bare(offered.file).replace(/^boot\//, "");
  if (offered === undefined || program === undefined) return undefined;
  const isProgram = (path: string) => bare(path).replace(/^boot\//, "") === program;
  const got = handed.find(({ path }) => isProgram(path));
  if (got) {
    const shim = /^shim/.test(program);
    return after(
      step,
      patience.loader,
      `${program} was loaded over ${got.over} at ${timeOf(got.at)}; it starts now`,
      stopped(
        `${program} was loaded over ${got.over} at ${timeOf(got.at)}; nothing was heard from it since`,
        shim
          ? "shim found no grubx64.efi it trusts, or GRUB no configuration; its screen says which"
          : "the firmware did not start it. With Secure Boot on it refuses iPXE ('Access Denied' on the screen): set uefi: grub for this machine, or turn Secure Boot off. Otherwise try uefi: snponly",
      ),
    );
  }
  const refused = seen.refused.find(({ path }) => isProgram(path));
  if (refused) {
    return stopped(
      `${program} was asked for over TFTP at ${timeOf(refused.at)} and refused: ${refused.reason}`,
      "the boot file of another DHCP server may name a file we do not have; labctl bastion dhcp-snippet prints the right ones",
    );
  }
  const notThere = seen.fetches.find(({ path, status }) => isProgram(path) && status >= 400);
  if (notThere) {
    return stopped(
      `${program} was asked for over HTTP at ${timeOf(notThere.at)} and is not there (${notThere.status})`,
      "labctl bastion dhcp-snippet prints the names there are",
    );
  }
  const transfer = transfers.findLast(({ path }) => isProgram(path));
  if (transfer && hasBroken(transfer.outcome)) {
    return stopped(
      `${program} over TFTP ${transfer.outcome} after ${transfer.bytes ?? 0} of ${transfer.size} bytes and ${transfer.retries ?? 0} retries`,
      transfer.outcome === "aborted"
        ? `the machine broke it off${transfer.detail ? `: ${transfer.detail}` : ""}. Some firmware cannot load files of this size or with these options`
        : "the first packets pass and the rest do not: a firewall that blocks the transfer's own ports (set tftp.singlePort), or an MTU smaller than its blocks",
    );
  }
  if (transfer) {
    const waiting = `${program} is being loaded over TFTP since ${timeOf(transfer.at)}`;
    const probed = transfer.outcome === "probed";
    return after(
      step,
      patience.loader,
      waiting,
      stopped(
        probed
          ? `${program}: the machine asked for its size at ${timeOf(transfer.at)} and never for its content`
          : `${waiting} and has not ended`,
        "look at its screen; a firewall that blocks the transfer's own ports looks like this (set tftp.singlePort)",
      ),
    );
  }
  const head = seen.fetches.find(({ path, method }) => isProgram(path) && method === "HEAD");
  if (head) {
    return after(
      step,
      patience.loader,
      `${program}: the firmware asked for its size at ${timeOf(head.at)}; it loads it next`,
      stopped(
        `${program}: the firmware asked for its size at ${timeOf(head.at)} and never for its content`,
        "its memory may be too small for the file, or it takes https alone: see the firmware's HTTP Boot settings",
      ),
    );
  }
  return undefined;
}

export const hasBroken = (outcome: string) =>
  ["aborted", "timed-out", "unreachable", "failed", "stopped"].includes(outcome);
const dhcpAdvice =
  "labctl bastion's log has a line for each packet that was left alone; check dhcp: and range: of the interface";

export function dhcp(step: Step): Verdict {
  const { seen, timeOf } = step;
  const { acked, binl, discovers, discoverCount, offered, troubles } = seen;
  const trouble = troubles.findLast(({ trouble }) => trouble !== "offers-not-merged");
  if (offered === undefined) {
    const last = seen.entries.findLast(({ fact }) => fact.kind === "dhcp")?.fact;
    const why = last?.kind === "dhcp" ? last.ignored : undefined;
    if (trouble) return stopped(`asked since ${timeOf(seen.firstAt)} and got no boot file`, trouble.message);
    if (why !== undefined) {
      return stopped(
        `asked ${discoverCount} times since ${timeOf(seen.firstAt)} and was not answered: ${why}`,
        dhcpAdvice,
      );
    }
    return after(
      step,
      patience.dhcp,
      `asked for an address at ${timeOf(seen.firstAt)}`,
      stopped(`asked for an address at ${timeOf(seen.firstAt)} and was offered no boot file`, dhcpAdvice),
    );
  }
  const { file, fact } = offered;
  const on = fact.port === 4011 ? " on 4011" : "";
  const name = clientNames[fact.client];
  const waiting = `${name} was offered ${file} at ${timeOf(fact.at)}${on}`;
  const asks = binl.reduce((sum, { times }) => sum + times, 0);
  const verdict = (): Verdict => {
    const unanswered = binl.find(({ fact }) => fact.kind === "dhcp" && fact.answer === undefined)?.fact;
    if (unanswered?.kind === "dhcp") {
      return stopped(
        `asked on port 4011 at ${timeOf(unanswered.at)} and was not answered: ${unanswered.ignored ?? "no reason given"}`,
        "the firmware says PXE-E55 then: check that the interface's dhcp: is proxy or full and nothing else holds port 4011 on this host",
      );
    }
    if (asks >= 3) {
      return stopped(
        `asked ${asks} times on port 4011 and was answered each time, the last at ${timeOf(binl.at(-1)?.lastAt ?? fact.at)}: the answers do not reach it (PXE-E55 on its screen)`,
        "look for a firewall between it and us that drops UDP 4011, or a main DHCP server that sends option 60 'PXEClient' without option 43",
      );
    }
    if (trouble) return stopped(`${waiting}; the machine went no further`, trouble.message);
    if (!acked && binl.length === 0 && discoverCount >= hopelessDiscovers) {
      const seconds = Math.round(((discovers.at(-1)?.lastAt ?? 0) - seen.firstAt) / 1000);
      return stopped(
        `asked ${discoverCount} times in ${seconds} s, was offered ${file} and requested nothing: this firmware does not merge the offers of two servers, or ours do not reach it`,
        "beside another DHCP server only full DHCP boots such a machine (dhcp: full), or that server's own boot file option (labctl bastion dhcp-snippet). Where we are the only server, look for what drops our answers: spanning tree without portfast, a VLAN, a relay",
      );
    }
    if (!acked && binl.length === 0) {
      return stopped(
        `${waiting}; the machine did not take the offer`,
        "it took another server's, or was switched off; a second DHCP server would be in the log",
      );
    }
    if (fact.client === "http") {
      return stopped(
        `${waiting}; the firmware never asked for it over HTTP`,
        "firmware may refuse plain http, or cannot reach our HTTP port: see its HTTP Boot settings, or boot it by PXE",
      );
    }
    return stopped(
      `offered a boot file at ${timeOf(fact.at)}${on} (${file}); the client never asked for it over TFTP`,
      "a firewall blocks UDP 69 between it and us, or it took another server's boot file (next-server, option 66 or 67 of the main DHCP server)",
    );
  };
  return after(step, patience.dhcp, `${waiting}; it asks for it next`, verdict());
}
