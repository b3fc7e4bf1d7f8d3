import { decodeUdpPacket, type UdpDatagram } from "../frame.ts";

export interface Captured extends UdpDatagram {
  /** Seconds since the capture began. */
  at: number;
}

/** The UDP datagrams of a classic little-endian Ethernet pcap file, which is what tcpdump writes here. */
export function readPcap(file: Uint8Array): Captured[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (view.getUint32(0, true) !== 0xa1b2c3d4 || view.getUint32(20, true) !== 1) throw new Error("not such a pcap");
  const found: Captured[] = [];
  let began: number | undefined;
  for (let at = 24; at + 16 <= file.length; ) {
    const seconds = view.getUint32(at, true) + view.getUint32(at + 4, true) / 1e6;
    const length = view.getUint32(at + 8, true);
    began ??= seconds;
    const frame = file.subarray(at + 16, at + 16 + length);
    const datagram = frame[12] === 8 && frame[13] === 0 ? decodeUdpPacket(frame.subarray(14)) : undefined;
    if (datagram) found.push({ ...datagram, at: seconds - began });
    at += 16 + length;
  }
  return found;
}
