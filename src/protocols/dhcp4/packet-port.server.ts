import type { Libc } from "../inet/libc.server.ts";
import { attachFilter, type Instruction } from "../inet/packet-filter.server.ts";
import { setReceiveBuffer } from "../inet/socket.server.ts";

const AF_PACKET = 17;
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | 0o4000 | 0o2000000;
export const ETH_P_IP = 0x0800;
const ETH_P_ALL = 3;
const SOL_PACKET = 263;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_MR_PROMISC = 1;

/** A packet socket, without its link headers. @throws SystemCallError, as below. */
export const openPackets = (libc: Libc) => libc.socket(AF_PACKET, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0);

/** struct sockaddr_ll. */
export function linkAddress(
  index: number,
  protocol: number,
  mac: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const address = new Uint8Array(20);
  const view = new DataView(address.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, protocol);
  view.setInt32(4, index, true);
  address[11] = mac.length;
  address.set(mac, 12);
  return address;
}

/**
 * Takes in nothing but unfragmented UDP to port 68, judged in the kernel: the wire of an installing lab carries
 * gigabits that are none of our business. `everything`: also what is meant for other MACs, and what this host sends.
 * @throws SystemCallError
 */
export function openClientPort(
  libc: Libc,
  index: number,
  { everything, buffer }: { everything: boolean; buffer: number },
): number {
  const program: Instruction[] = [
    [0x28, 0, 0, 0xfffff000], // A = protocol of the frame (SKF_AD_PROTOCOL)
    [0x15, 0, 8, ETH_P_IP], // IPv4, or drop
    [0x30, 0, 0, 9], // A = protocol
    [0x15, 0, 6, 17], // UDP, or drop
    [0x28, 0, 0, 6], // A = flags and fragment offset
    [0x45, 4, 0, 0x1fff], // a later fragment: drop
    [0xb1, 0, 0, 0], // X = length of the IP header
    [0x48, 0, 0, 2], // A = destination port
    [0x15, 0, 1, 68], // 68, or drop
    [0x06, 0, 0, 0xffff], // take it
    [0x06, 0, 0, 0], // drop it
  ];
  const fd = openPackets(libc);
  try {
    attachFilter(libc, fd, program);
    setReceiveBuffer(libc, fd, buffer);
    if (everything) libc.setOption(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, promiscuous(index));
    libc.bind(fd, linkAddress(index, everything ? ETH_P_ALL : ETH_P_IP));
  } catch (error) {
    libc.close(fd);
    throw error;
  }
  return fd;
}

/** struct packet_mreq; ends with the socket. */
function promiscuous(index: number): Uint8Array {
  const request = new Uint8Array(16);
  const view = new DataView(request.buffer);
  view.setInt32(0, index, true);
  view.setUint16(4, PACKET_MR_PROMISC, true);
  return request;
}
