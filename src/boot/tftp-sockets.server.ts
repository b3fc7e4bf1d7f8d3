import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { AppError } from "../platform/errors.ts";
import { encode, errorCode } from "../protocols/tftp/packet.ts";
import { createDatagrams, createPeer, type Datagrams, type Segmenter } from "./tftp-datagrams.server.ts";
import type { TftpClient } from "./tftp-source.ts";

export interface TftpListen {
  /** One address of ours: replies leave from it. */
  address: string;
  /** 69 unless said otherwise; 0 picks a free one. */
  port?: number;
  /** Of the path to the clients, in bytes; unless said otherwise the link's, and 1500 at most. */
  mtu?: number;
}

export interface Listener {
  address: string;
  port: number;
  mtu: number;
  datagrams: Datagrams;
  close(): void;
}

/** The port requests come to. Throws `conflict` where it cannot be had. */
export async function openListener(
  listen: TftpListen,
  segmenter: Segmenter | undefined,
  onDatagram: (listener: Listener, datagram: Uint8Array, port: number, address: string) => void,
): Promise<Listener> {
  const { address, port = 69, mtu = linkMtu(address) } = listen;
  let listener: Listener | undefined;
  try {
    const socket = await Bun.udpSocket({
      hostname: address,
      port,
      binaryType: "uint8array",
      socket: {
        data: (_socket, datagram, fromPort, from) =>
          listener && onDatagram(listener, datagram, fromPort, from),
        drain: () => listener?.datagrams.drain(),
        error: () => {}, // an ICMP error for some answer: its transfer's timeout deals with it
      },
    });
    const datagrams = createDatagrams(socket, segmenter);
    listener = { address, port: socket.port, mtu, datagrams, close: () => socket.close() };
    return listener;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AppError("conflict", `TFTP cannot listen on ${address} port ${port}: ${reason}`, {
      hint: `see who has the port (ss -ulpn 'sport = :${port}') and whether the address is this host's (ip address)`,
      cause,
    });
  }
}

/** A jumbo frame that some switch on the way drops is a boot that hangs: never more than Ethernet's own. */
const ethernetMtu = 1500;

function linkMtu(address: string): number {
  const links = Object.entries(networkInterfaces());
  const name = links.find(([, addresses]) => addresses?.some((each) => each.address === address))?.[0];
  if (name === undefined) return ethernetMtu;
  try {
    const mtu = Number(readFileSync(`/sys/class/net/${name}/mtu`, "latin1"));
    return mtu > 0 ? Math.min(mtu, ethernetMtu) : ethernetMtu;
  } catch {
    return ethernetMtu; // another namespace's /sys
  }
}

/** Where a transfer's packets come and go. */
export interface Channel {
  datagrams: Datagrams;
  close(): void;
}

/** Strangers on a transfer's port get this many answers, then silence. */
const maxStrangers = 8;
const wrongPort = encode({
  kind: "ERROR",
  code: errorCode.unknownTransferId,
  message: "unknown transfer ID",
});

/** A port of this transfer's own: the server's transfer identifier (RFC 1350 §4). */
export async function openTransferPort(
  client: TftpClient,
  segmenter: Segmenter | undefined,
  on: { datagram(datagram: Uint8Array): void; unreachable(): void },
): Promise<Channel> {
  const { address, port, local } = client;
  let strangers = 0;
  let datagrams: Datagrams | undefined;
  const socket = await Bun.udpSocket({
    hostname: local,
    port: 0,
    binaryType: "uint8array",
    socket: {
      data(_socket, datagram, fromPort, from) {
        if (fromPort === port && from === address) on.datagram(datagram);
        else if (strangers++ < maxStrangers) datagrams?.send(wrongPort, createPeer(from, fromPort));
      },
      drain: () => datagrams?.drain(),
      error() {
        // the error does not say whose port is closed: after a stranger it proves nothing
        if (strangers === 0) on.unreachable();
      },
    },
  });
  datagrams = createDatagrams(socket, segmenter);
  return { datagrams, close: () => socket.close() };
}
