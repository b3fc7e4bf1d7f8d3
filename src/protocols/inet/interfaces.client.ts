import { dlopen, read } from "bun:ffi";
import { type Mac, macFromBytes } from "../../platform/mac.ts";
import { formatIpv4, ipv4At } from "./ipv4.ts";

export interface HostInterface {
  mac?: Mac;
  /** A cable is in, and somebody at its other end. */
  carrier: boolean;
  /** IPv4, in the kernel's order; `prefix` in bits. */
  addresses: { address: string; prefix: number }[];
}

/** The interfaces that are up, by name. */
export type InterfaceReader = () => ReadonlyMap<string, HostInterface>;

const up = 0x1; // IFF_UP
const running = 0x40; // IFF_RUNNING
const families = { inet: 2, packet: 17 };

/**
 * Reads them by getifaddrs(3). `os.networkInterfaces()` leaves out an interface without a carrier, and a cable that is
 * out or a switch that restarts takes no address away.
 */
export function openInterfaceReader(): InterfaceReader {
  const { symbols } = dlopen("libc.so.6", {
    getifaddrs: { args: ["ptr"], returns: "i32" },
    freeifaddrs: { args: ["ptr"], returns: "void" },
  });
  return () => {
    const head = new BigUint64Array(1);
    if (symbols.getifaddrs(head) !== 0) return new Map();
    const [first = 0n] = head;
    try {
      return readList(Number(first));
    } finally {
      symbols.freeifaddrs(first);
    }
  };
}

/** struct ifaddrs, 64 bits: next 0, name 8, flags 16, address 24, netmask 32. */
function readList(first: number): Map<string, HostInterface> {
  const found = new Map<string, HostInterface>();
  for (let at = first; at !== 0; at = read.ptr(at, 0)) {
    const address = read.ptr(at, 24);
    const flags = read.u32(at, 16);
    if ((flags & up) === 0 || address === 0) continue;
    const name = readText(read.ptr(at, 8));
    const each = found.get(name) ?? { carrier: (flags & running) !== 0, addresses: [] };
    found.set(name, each);
    const family = read.u16(address, 0);
    if (family === families.inet) {
      const netmask = read.ptr(at, 32);
      const ones = netmask === 0 ? [] : [...readBytes(netmask + 4, 4)].map((byte) => byte.toString(2));
      each.addresses.push({
        address: formatIpv4(ipv4At(readBytes(address + 4, 4), 0)),
        prefix: ones.join("").replaceAll("0", "").length,
      });
    } else if (family === families.packet && read.u8(address, 11) === 6) {
      const mac = macFromBytes(readBytes(address + 12, 6));
      if (mac !== undefined) each.mac = mac;
    }
  }
  return found;
}

const readBytes = (at: number, length: number) =>
  Uint8Array.from({ length }, (_, index) => read.u8(at, index));

/** The kernel's own names of interfaces: 15 bytes at most. */
function readText(at: number): string {
  let text = "";
  for (let index = 0; read.u8(at, index) !== 0; index++) text += String.fromCharCode(read.u8(at, index));
  return text;
}
