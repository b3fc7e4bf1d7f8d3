import type { InterfaceConfig } from "../platform/config.ts";
import { AppError } from "../platform/errors.ts";
import type { Mac } from "../platform/mac.ts";
import { broadcastOf, formatIpv4, type Ipv4, networkOf, readIpv4 } from "../protocols/inet/ipv4.ts";
import type { BootProgram } from "./nbp.ts";

/** One network addresses are handed out on: an interface's own, or one behind a relay. */
export interface Subnet {
  network: Ipv4;
  prefix: number;
  /** First and last address handed out to whoever asks; reservations may lie outside. */
  first: Ipv4;
  last: Ipv4;
  gateway: Ipv4 | undefined;
  dns: readonly Ipv4[];
  domain: string | undefined;
  /** Seconds. */
  leaseTime: number;
  reservations: ReadonlyMap<Mac, { address: Ipv4; hostname: string | undefined }>;
}

export interface DhcpInterface {
  name: string;
  mode: "full" | "proxy" | "off";
  /** Our own address there: server identifier, siaddr, host of the URLs. */
  address: Ipv4;
  /** The first is the interface's own network, the rest are behind relays. Empty unless the mode is `full`. */
  subnets: readonly Subnet[];
  /** Ask the wire whether a new address is in use before it is offered. */
  probe: boolean;
}

/** What all boot clients are told, unless their machine has options of its own. */
export interface BootSettings {
  httpPort: number;
  program: BootProgram;
  /** Send 43.6 = 8. */
  discoveryControl: boolean;
}

/** What one machine needs differently. */
export interface MachineBootOptions {
  /** Leave 43.6 out: for ROMs that ignore or mishandle it and ask on 4011. */
  skipPxeDiscoveryControl?: boolean;
  program?: BootProgram;
}

/**
 * The settings of an interface, given our address on it.
 * @throws `config` when range, gateway or a reservation do not fit the network.
 */
export function readDhcpInterface(config: InterfaceConfig, address: Ipv4, prefix: number): DhcpInterface {
  const base = { name: config.name, mode: config.dhcp, address, probe: config.probe };
  if (config.dhcp !== "full") return { ...base, subnets: [] };
  const where = `interface ${config.name}`;
  if (config.range === undefined) {
    throw new AppError("config", `${where}: dhcp is 'full' and there is no range`, {
      hint: `add range: FIRST-LAST within ${formatIpv4(networkOf(address, prefix))}/${prefix}`,
    });
  }
  const shared = {
    dns: config.dns.map((text) => ipv4(text, where)),
    domain: config.domain,
    leaseTime: Math.max(60, Math.round(config.leaseTime / 1000)),
  };
  const reserve = (subnet: { network: Ipv4; prefix: number }) =>
    new Map(
      config.reservations
        .map(({ mac, ip, hostname }) => [mac, { address: ipv4(ip, where), hostname }] as const)
        .filter(([, { address: reserved }]) => contains(subnet, reserved)),
    );
  const own = { network: networkOf(address, prefix), prefix };
  const subnets: Subnet[] = [
    {
      ...own,
      ...readRange(config.range, own, where),
      gateway: config.gateway === undefined ? undefined : ipv4(config.gateway, where),
      ...shared,
      reservations: reserve(own),
    },
    ...config.relayed.map((relayed): Subnet => {
      const [text = "", length = ""] = relayed.subnet.split("/");
      if (Number(length) < 8 || Number(length) > 30) {
        throw new AppError("config", `${where}: the relayed network ${relayed.subnet} is no /8 to /30`);
      }
      const behind = { network: networkOf(ipv4(text, where), Number(length)), prefix: Number(length) };
      return {
        ...behind,
        ...readRange(relayed.range, behind, `${where}, network ${relayed.subnet}`),
        gateway: relayed.gateway === undefined ? undefined : ipv4(relayed.gateway, where),
        ...shared,
        reservations: reserve(behind),
      };
    }),
  ];
  checkSubnets(subnets, where);
  checkReservations(config, subnets, address, where);
  return { ...base, subnets };
}

function checkSubnets(subnets: readonly Subnet[], where: string): void {
  for (const [index, subnet] of subnets.entries()) {
    const { gateway } = subnet;
    if (gateway !== undefined && !contains(subnet, gateway)) {
      throw new AppError(
        "config",
        `${where}: the gateway ${formatIpv4(gateway)} is not in ${describe(subnet)}`,
      );
    }
    const other = subnets.slice(0, index).find((each) => overlap(each, subnet));
    if (other === undefined) continue;
    throw new AppError("config", `${where}: ${describe(subnet)} and ${describe(other)} overlap`, {
      hint: "each network behind a relay has addresses of its own",
    });
  }
}

/** What could never be handed out would leave its machine without an address, and nobody would be told. */
function checkReservations(
  { reservations }: InterfaceConfig,
  subnets: readonly Subnet[],
  server: Ipv4,
  where: string,
): void {
  const holders = new Map<Ipv4, Mac>();
  for (const { mac, ip } of reservations) {
    const address = ipv4(ip, where);
    const wrong = faultOf(address, mac, subnets, server, holders.get(address));
    if (wrong !== undefined)
      throw new AppError("config", `${where}: the reservation ${ip} for ${mac} ${wrong}`, {
        hint: `its networks: ${subnets.map(describe).join(", ")}`,
      });
    holders.set(address, mac);
  }
}

function faultOf(
  address: Ipv4,
  mac: Mac,
  subnets: readonly Subnet[],
  server: Ipv4,
  holder: Mac | undefined,
): string | undefined {
  const subnet = subnets.find((each) => contains(each, address));
  if (subnet === undefined) return "is in none of its networks";
  if (address === server) return "is our own address";
  if (address === subnet.gateway) return "is the gateway's address";
  if (!isHost(subnet, address)) return "is no host's address";
  if (holder !== undefined) return holder === mac ? "is there twice" : `is reserved for ${holder} as well`;
  const last = subnet.reservations.get(mac)?.address ?? address;
  return last === address ? undefined : `is not its only one there: ${formatIpv4(last)} is another`;
}

export const contains = (subnet: { network: Ipv4; prefix: number }, address: Ipv4) =>
  networkOf(address, subnet.prefix) === subnet.network;

/** In the network, and neither its own address nor its broadcast address. */
const isHost = (subnet: { network: Ipv4; prefix: number }, address: Ipv4) =>
  contains(subnet, address) &&
  address !== subnet.network &&
  address !== broadcastOf(subnet.network, subnet.prefix);

const overlap = (a: { network: Ipv4; prefix: number }, b: { network: Ipv4; prefix: number }) =>
  contains(a, b.network) || contains(b, a.network);

const describe = (subnet: { network: Ipv4; prefix: number }) =>
  `${formatIpv4(subnet.network)}/${subnet.prefix}`;

function ipv4(text: string, where: string): Ipv4 {
  const address = readIpv4(text);
  if (address === undefined) throw new AppError("config", `${where}: '${text}' is not an IPv4 address`);
  return address;
}

function readRange(text: string, subnet: { network: Ipv4; prefix: number }, where: string) {
  const [from = "", to = ""] = text.split("-");
  const first = ipv4(from, where);
  const last = ipv4(to, where);
  if (first > last || !isHost(subnet, first) || !isHost(subnet, last)) {
    throw new AppError("config", `${where}: the range ${text} does not lie within ${describe(subnet)}`, {
      hint: "write FIRST-LAST, smaller address first, without the network's own and its broadcast address",
    });
  }
  return { first, last };
}
