import type { Mac } from "../platform/mac.ts";
import { macToBytes } from "../platform/mac.ts";
import type { DhcpOptions } from "../protocols/dhcp4/options.ts";
import type { DhcpPacket } from "../protocols/dhcp4/packet.ts";
import { everyone, formatIpv4, type Ipv4, unspecified } from "../protocols/inet/ipv4.ts";
import type { Profile } from "./profile.ts";
import type { Stop } from "./stop.ts";

/** One start of a network card: from the first DISCOVER to an address and a boot file. Milliseconds throughout. */
export interface DhcpPlan {
  profile: Profile;
  mac: Mac;
  xid: number;
}

export interface Bound {
  address: Ipv4;
  /** Who leased it. */
  server: Ipv4;
  /** Seconds. */
  leaseTime: number | undefined;
  /** Where the boot file is, when it is no URL. */
  bootServer: Ipv4;
  bootFile: string;
}

export interface Sending {
  packet: DhcpPacket;
  to: Ipv4;
  port: 67 | 4011;
}

export type DhcpEvent =
  | { kind: "reply"; packet: DhcpPacket; from: Ipv4; at: number }
  | { kind: "timeout"; at: number };

interface Waiting {
  phase: "discovering" | "requesting" | "asking";
  startedAt: number;
  sentAt: number;
  /** DISCOVERs, REQUESTs or questions sent so far. */
  tries: number;
  dueAt: number;
  offers: readonly Offer[];
  /** Times an offer was taken back. */
  naks: number;
  chosen?: { offer: Offer; proxy?: Offer };
  lease?: { address: Ipv4; server: Ipv4; leaseTime: number | undefined; ack: DhcpPacket };
}
export type DhcpState =
  | Waiting
  | { phase: "bound"; bound: Bound }
  | { phase: "stopped"; stop: Stop; lease: Waiting["lease"] };

export interface DhcpStep {
  state: DhcpState;
  send?: Sending;
}

interface Offer {
  packet: DhcpPacket;
  server: Ipv4;
  address: Ipv4;
  file: string;
  vendorClass: string;
}

export function beginDhcp(plan: DhcpPlan, at: number): DhcpStep {
  return discover(plan, { startedAt: at, tries: 0, offers: [], naks: 0 }, at);
}

export function decideDhcp(plan: DhcpPlan, state: DhcpState, event: DhcpEvent): DhcpStep {
  if (state.phase === "bound" || state.phase === "stopped") return { state };
  if (event.kind === "timeout") return event.at < state.dueAt ? { state } : onTimeout(plan, state, event.at);
  const { packet, from, at } = event;
  if (packet.op !== "reply" || packet.xid !== xidOf(plan, state.phase)) return { state };
  const type = packet.options.messageType;
  if (state.phase === "discovering") {
    if (type !== "DHCPOFFER") return { state };
    return onOffer(plan, { ...state, offers: [...state.offers, readOffer(packet, from)] }, at);
  }
  if (state.phase === "requesting") return onLeaseAnswer(plan, state, packet, from, at);
  return type === "DHCPACK" ? onBootAnswer(state, readOffer(packet, from)) : { state };
}

const maxNaks = 3;

/** A question to 4011 is another exchange. */
const xidOf = ({ xid }: DhcpPlan, phase: Waiting["phase"]) =>
  phase === "asking" ? (xid ^ 0x4011) >>> 0 : xid;

function discover(
  plan: DhcpPlan,
  { startedAt, tries, offers, naks }: Pick<Waiting, "startedAt" | "tries" | "offers" | "naks">,
  at: number,
): DhcpStep {
  const wait = plan.profile.discoverWaits[tries] ?? 0;
  const state: Waiting = {
    phase: "discovering",
    ...{ startedAt, tries: tries + 1, offers, naks, sentAt: at, dueAt: at + wait },
  };
  return { state, send: broadcast(plan, at - startedAt, { messageType: "DHCPDISCOVER" }) };
}

function onOffer(plan: DhcpPlan, state: Waiting, at: number): DhcpStep {
  const { gatherMs } = plan.profile;
  if (gatherMs === undefined) return { state };
  const noProxy = state.offers.some(({ packet }) => packet.options.ipxe?.noProxyDhcp === true);
  const both = state.offers.some(isProxy) && state.offers.some((offer) => !isProxy(offer));
  const gathered = state.startedAt + gatherMs;
  if (noProxy || both || at >= gathered) return choose(plan, state, at);
  return { state: { ...state, dueAt: Math.min(state.dueAt, gathered) } };
}

const isProxy = (offer: Offer) => offer.address === 0;

function onTimeout(plan: DhcpPlan, state: Waiting, at: number): DhcpStep {
  const { profile } = plan;
  if (state.phase === "discovering") {
    if (isChoice(profile, state.offers)) return choose(plan, state, at);
    if (state.tries < profile.discoverWaits.length) return discover(plan, state, at);
    return { state: { phase: "stopped", stop: nothingToTake(profile, state, at), lease: undefined } };
  }
  if (state.tries < profile.requestWaits.length) {
    return state.phase === "requesting" ? request(plan, state, at) : ask(plan, state, at);
  }
  const server = state.phase === "requesting" ? state.chosen?.offer.server : bootServerOf(state);
  const who = formatIpv4(server ?? unspecified);
  const stop: Stop =
    state.phase === "requesting"
      ? {
          reason: "no-ack",
          detail: `${who} offered an address and did not answer the DHCPREQUEST`,
          next: "look at that server's log: it may be unable to save leases",
        }
      : {
          reason: "boot-server-silent",
          detail: `${who} announced itself as a boot server and does not answer on UDP 4011 (PXE-E55)`,
          next: "let UDP 4011 through the firewall of that host; a server that only meant to hand out addresses must not send option 60 'PXEClient'",
        };
  return { state: { phase: "stopped", stop, lease: state.lease } };
}

/** Something to go on with: an address, and for HTTP Boot a URL; a PXE client takes what it got. */
function isChoice(profile: Profile, offers: readonly Offer[]): boolean {
  const address = offers.some((offer) => !isProxy(offer));
  return address && (profile.http ? offers.some(isHttpOffer) : offers.some(canBoot));
}

/** Rule 14: the vendor class `HTTPClient` and a URL. */
const isHttpOffer = ({ vendorClass, file }: Offer) =>
  vendorClass.startsWith("HTTPClient") && /^https?:\/\//.test(file);
const canBoot = (offer: Offer) => offer.file !== "" || offer.vendorClass.startsWith("PXEClient");

function choose(plan: DhcpPlan, state: Waiting, at: number): DhcpStep {
  const { profile } = plan;
  const usable = profile.http ? state.offers.filter(isHttpOffer) : state.offers.filter(canBoot);
  const proxy = usable.find(isProxy);
  const addresses = state.offers.filter((offer) => !isProxy(offer));
  const offer = addresses.find((each) => usable.includes(each)) ?? addresses[0];
  if (offer === undefined || usable.length === 0) return { state };
  const chosen = usable.includes(offer) && offer.file !== "" ? { offer } : { offer, ...(proxy && { proxy }) };
  return request(plan, { ...state, phase: "requesting", chosen, tries: 0 }, at);
}

function nothingToTake(profile: Profile, { offers, startedAt }: Waiting, at: number): Stop {
  const waited = `${Math.round((at - startedAt) / 1000)} s`;
  const servers = [...new Set(offers.map(({ server }) => formatIpv4(server)))].join(", ");
  if (offers.length === 0) {
    return {
      reason: "no-offer",
      detail: `nobody answered ${profile.discoverWaits.length} DHCPDISCOVERs in ${waited}`,
      next: "is the bastion running and serving this network (labctl doctor on its host), is the cable in the right VLAN, does a switch filter DHCP (snooping) or hold the port back (spanning tree)?",
    };
  }
  if (offers.every(isProxy)) {
    return {
      reason: "no-address",
      detail: `${servers} tells what to boot, and no server offers an address (${waited})`,
      next: "start the network's DHCP server, or let the bastion hand out addresses: dhcp: full and a range",
    };
  }
  if (profile.http && offers.some(({ file, vendorClass }) => vendorClass.startsWith("HTTPClient") || file)) {
    return {
      reason: "no-url",
      detail: `${servers} answered HTTP Boot with ${offers.map(({ file }) => `'${file}'`).join(", ")}, not with a URL and class HTTPClient`,
      next: "HTTP Boot takes a URL only; the bastion sends one by itself, another server needs option 60 'HTTPClient' and a URL in 67",
    };
  }
  return {
    reason: "no-boot-file",
    detail: `${servers} offers an address and nothing to boot (${waited})`,
    next: "run the bastion on this network with dhcp: proxy beside that server, or have that server point here: labctl bastion dhcp-snippet",
  };
}

function request(plan: DhcpPlan, state: Waiting, at: number): DhcpStep {
  const offer = state.chosen?.offer;
  if (offer === undefined) return { state };
  const wait = plan.profile.requestWaits[state.tries] ?? 0;
  return {
    state: { ...state, tries: state.tries + 1, sentAt: at, dueAt: at + wait },
    send: broadcast(plan, at - state.startedAt, {
      messageType: "DHCPREQUEST",
      serverIdentifier: offer.server,
      requestedAddress: offer.address,
    }),
  };
}

function onLeaseAnswer(plan: DhcpPlan, state: Waiting, packet: DhcpPacket, from: Ipv4, at: number): DhcpStep {
  const answer = readOffer(packet, from);
  if (packet.options.messageType === "DHCPNAK") {
    // RFC 2131 §4.4.1: back to the beginning; a server that does it again and again is a fault
    const naks = state.naks + 1;
    if (naks < maxNaks) return discover(plan, { startedAt: at, tries: 0, offers: [], naks }, at);
    const detail = `${formatIpv4(answer.server)} refused the address it offered: ${packet.options.message ?? "no reason given"}`;
    const next = "two DHCP servers with overlapping ranges look like this; find the second one";
    return { state: { phase: "stopped", stop: { reason: "nak", detail, next }, lease: undefined } };
  }
  if (packet.options.messageType !== "DHCPACK" || answer.server !== state.chosen?.offer.server)
    return { state };
  const { leaseTime } = packet.options;
  const lease = { address: packet.yiaddr, server: answer.server, leaseTime, ack: packet };
  const next = { ...state, lease };
  const proxy = state.chosen?.proxy;
  if (proxy === undefined) {
    const own = answer.file !== "" ? answer : state.chosen.offer;
    // Rule 3: option 60 without 43.6 = 8 sends EDK2 to the boot server, whatever file name came along.
    const binl = plan.profile.binlPort === 4011 && own.vendorClass.startsWith("PXEClient") && !justBoots(own);
    return binl || own.file === "" ? ask(plan, { ...next, phase: "asking", tries: 0 }, at) : bound(next, own);
  }
  if (proxy.file !== "" && (justBoots(proxy) || plan.profile.http || plan.profile.gatherMs !== undefined)) {
    return bound(next, proxy);
  }
  return ask(plan, { ...next, phase: "asking", tries: 0 }, at);
}

/** PXE 2.1 table 2-1, 43.6 bit 3. */
const justBoots = ({ packet }: Offer) => ((packet.options.pxe?.discoveryControl ?? 0) & 8) !== 0;

/** PXE 2.1 §2.2.3: the boot server is asked on 4011 what to boot. */
function ask(plan: DhcpPlan, state: Waiting, at: number): DhcpStep {
  const server = bootServerOf(state);
  const address = state.lease?.address;
  if (server === undefined || address === undefined) return { state };
  const wait = plan.profile.requestWaits[state.tries] ?? 0;
  const item = bootItemOf(state);
  const options: DhcpOptions = {
    ...plan.profile.options(plan.mac),
    messageType: "DHCPREQUEST",
    ...(item && { pxe: { bootItem: item } }),
  };
  const packet = messageOf(plan, xidOf(plan, "asking"), 0, options);
  return {
    state: { ...state, tries: state.tries + 1, sentAt: at, dueAt: at + wait },
    send: { packet: { ...packet, ciaddr: address, broadcast: false }, to: server, port: 4011 },
  };
}

const announcer = ({ chosen }: Waiting) => chosen?.proxy ?? chosen?.offer;

function bootServerOf(state: Waiting): Ipv4 | undefined {
  const offer = announcer(state);
  return offer?.packet.options.pxe?.bootServers?.[0]?.addresses[0] ?? offer?.server;
}

/** The first entry of the boot menu, which a prompt with a time-out takes by itself. */
function bootItemOf(state: Waiting): { type: number; layer: number } | undefined {
  const type = announcer(state)?.packet.options.pxe?.bootMenu?.[0]?.type;
  return type === undefined ? undefined : { type, layer: 0 };
}

function onBootAnswer(state: Waiting, answer: Offer): DhcpStep {
  if (answer.file !== "") return bound(state, answer);
  const detail = `${formatIpv4(answer.server)} answers on 4011 without a boot file`;
  const next = "that server has no boot program for this kind of machine: look at its configuration";
  return {
    state: { phase: "stopped", stop: { reason: "no-boot-file", detail, next }, lease: state.lease },
  };
}

function bound(state: Waiting, from: Offer): DhcpStep {
  const { lease } = state;
  if (lease === undefined) return { state };
  const { address, server, leaseTime } = lease;
  // Rule 4: EDK2 takes siaddr, then the server identifier.
  const bootServer = from.packet.siaddr === 0 ? from.server : from.packet.siaddr;
  return {
    state: { phase: "bound", bound: { address, server, leaseTime, bootServer, bootFile: from.file } },
  };
}

function readOffer(packet: DhcpPacket, from: Ipv4): Offer {
  const { serverIdentifier, bootFileName, vendorClass } = packet.options;
  return {
    packet,
    server: serverIdentifier ?? from,
    address: packet.yiaddr,
    file: bootFileName || packet.file,
    vendorClass: vendorClass ?? "",
  };
}

function broadcast(plan: DhcpPlan, elapsed: number, options: DhcpOptions): Sending {
  const packet = messageOf(plan, plan.xid, elapsed, { ...plan.profile.options(plan.mac), ...options });
  return { packet, to: everyone, port: 67 };
}

function messageOf(plan: DhcpPlan, xid: number, elapsed: number, options: DhcpOptions): DhcpPacket {
  return {
    op: "request",
    htype: 1,
    hops: 0,
    xid,
    secs: Math.floor(elapsed / 1000),
    broadcast: plan.profile.broadcast,
    ciaddr: unspecified,
    yiaddr: unspecified,
    siaddr: unspecified,
    giaddr: unspecified,
    chaddr: macToBytes(plan.mac),
    sname: "",
    file: "",
    options,
  };
}

/** What gives an address back. Firmware never sends it; a simulation does, to leave nothing behind. */
export function releaseOf(plan: DhcpPlan, address: Ipv4, server: Ipv4): Sending {
  const packet = messageOf(plan, plan.xid, 0, { messageType: "DHCPRELEASE", serverIdentifier: server });
  // By broadcast: a server on this very host hears nothing else on the lab's interface.
  return { packet: { ...packet, ciaddr: address, broadcast: false }, to: everyone, port: 67 };
}
