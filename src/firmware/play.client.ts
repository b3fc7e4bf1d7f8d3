import type { Clock } from "../platform/clock.ts";
import type { Mac } from "../platform/mac.ts";
import type { DhcpPacket } from "../protocols/dhcp4/packet.ts";
import { formatIpv4, type Ipv4 } from "../protocols/inet/ipv4.ts";
import {
  beginDhcp,
  type DhcpEvent,
  type DhcpPlan,
  decideDhcp,
  releaseOf,
  type Sending,
} from "./dhcp-client.ts";
import { type FirmwareName, firmwareProfile, type Profile, profiles } from "./profile.ts";
import { requestFile } from "./requests.client.ts";
import { beginWalk, type Done, decideWalk, type Task, type WalkEnd } from "./walk.ts";
import type { Wire } from "./wire.client.ts";

export interface Player {
  wire: Wire;
  clock: Clock;
  firmware: FirmwareName;
  mac: Mac;
  /** Another number for each exchange. */
  xid(): number;
  /** The address of this host that speaks for the machine, once it was leased `address`. */
  speakFrom(address: Ipv4): string;
  /** A line of the story, when it happens. */
  say(line: string): void;
  /** Milliseconds from a question to its answer. */
  timed?(step: "offer" | "ack" | "tftp" | "http", ms: number): void;
}

export interface Played {
  end: WalkEnd;
  /** What it was leased last, and how that is given back. */
  lease: { address: Ipv4; release: Sending } | undefined;
}

/** One machine from power-on to where its boot ends. */
export async function playBoot(player: Player): Promise<Played> {
  const { firmware, mac, say } = player;
  let lease: Played["lease"];
  const machine = firmware === "ipxe" ? profiles.bios : firmwareProfile(firmware);
  let step = beginWalk(machine, mac, firmware === "ipxe");
  for (;;) {
    for (const line of step.lines) say(line);
    const { next } = step;
    if (next.kind === "boots" || next.kind === "stopped") return { end: next, lease };
    const done = await perform(player, next, lease?.address, (address, release) => {
      lease = { address, release };
    });
    step = decideWalk(step.walk, done);
  }
}

async function perform(
  player: Player,
  task: Task,
  address: Ipv4 | undefined,
  leased: (address: Ipv4, release: Sending) => void,
): Promise<Done> {
  if (task.kind === "dhcp") return await getAddress(player, task.profile, leased);
  const { clock } = player;
  const began = clock.monotonic();
  const done = await requestFile(task, address === undefined ? "0.0.0.0" : player.speakFrom(address), clock);
  player.timed?.(task.kind, clock.monotonic() - began);
  return done;
}

function getAddress(
  { wire, clock, mac, xid, say, speakFrom, timed }: Player,
  profile: Profile,
  leased: (address: Ipv4, release: Sending) => void,
): Promise<Done> {
  const plan: DhcpPlan = { profile, mac, xid: xid() };
  const { promise, resolve } = Promise.withResolvers<Done>();
  let sentAt = clock.monotonic();
  let cancel = () => {};
  const transmit = (sending: Sending) => {
    sentAt = clock.monotonic();
    say(describe(sending.packet, `to ${formatIpv4(sending.to)}:${sending.port}`));
    if (sending.port === 67) wire.send(sending);
    else {
      const local = speakFrom(sending.packet.ciaddr);
      // The answer has to come to an address that is ours.
      wire.ask(sending, local, profile.binlPort).catch((error) => say(`not sent: ${String(error)}`));
    }
  };
  let step = beginDhcp(plan, clock.monotonic());
  const advance = (event?: DhcpEvent) => {
    if (event) step = decideDhcp(plan, step.state, event);
    const { state, send } = step;
    step = { state };
    cancel();
    if (send) transmit(send);
    const stopped = state.phase === "stopped" ? state.lease : undefined;
    const bound = state.phase === "bound" ? state.bound : stopped;
    if (bound) leased(bound.address, releaseOf(plan, bound.address, bound.server));
    if (state.phase === "bound") finish({ kind: "bound", bound: state.bound });
    else if (state.phase === "stopped") finish({ kind: "stopped", stop: state.stop });
    else
      cancel = clock.after(Math.max(0, state.dueAt - clock.monotonic()), () =>
        advance({ kind: "timeout", at: clock.monotonic() }),
      );
  };
  const finish = (done: Done) => {
    for (const end of unlisten) end();
    resolve(done);
  };
  const heard = ({ packet, from }: { packet: DhcpPacket; from: Ipv4 }) => {
    if (packet.op !== "reply") return;
    const at = clock.monotonic();
    timed?.(packet.options.messageType === "DHCPOFFER" ? "offer" : "ack", at - sentAt);
    say(describe(packet, `from ${formatIpv4(packet.options.serverIdentifier ?? from)}`));
    advance({ kind: "reply", packet, from, at });
  };
  const unlisten = [wire.listen(plan.xid, heard), wire.listen((plan.xid ^ 0x4011) >>> 0, heard)];
  advance();
  return promise;
}

function describe({ yiaddr, file, options }: DhcpPacket, where: string): string {
  const { messageType = "BOOTP", bootFileName, vendorClass, requestedAddress, leaseTime, message } = options;
  const name = bootFileName || file;
  return [
    messageType,
    where,
    ...(yiaddr === 0 ? [] : [formatIpv4(yiaddr)]),
    ...(requestedAddress === undefined ? [] : [formatIpv4(requestedAddress)]),
    ...(leaseTime === undefined ? [] : [`for ${leaseTime} s`]),
    ...(vendorClass === undefined ? [] : [`class ${vendorClass}`]),
    ...(name === "" ? [] : [`boot file ${name}`]),
    ...(message === undefined ? [] : [message]),
  ].join(" ");
}
