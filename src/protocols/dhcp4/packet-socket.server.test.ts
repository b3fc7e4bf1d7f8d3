import { expect, test } from "bun:test";
import { createManualClock } from "../../platform/clock.ts";
import { parseMac } from "../../platform/mac.ts";
import { unspecified } from "../inet/ipv4.ts";
import { openLibc } from "../inet/libc.server.ts";
import { openPacketSocket } from "./packet-socket.server.ts";

const mac = parseMac("52:54:00:00:00:01");
const ports = { sourcePort: 67, destinationPort: 68 };
const datagram = { source: unspecified, destination: unspecified, ...ports, payload: new Uint8Array(1) };

test.skipIf(process.getuid?.() !== 0)(
  "once closed nothing is sent: the descriptor's number may be another connection's by then",
  async () => {
    const sent: number[] = [];
    const libc = { ...openLibc(), sendTo: (fd: number) => void sent.push(fd) };
    const nic = { index: libc.interfaceIndex("lo"), mac };
    const socket = await openPacketSocket(libc, nic, createManualClock(), { overheard() {}, lost() {} });
    socket.sendTo(mac, datagram);
    expect(sent).toHaveLength(1);
    socket.close();
    expect(() => socket.sendTo(mac, datagram)).toThrow("ENETDOWN");
    expect(sent).toHaveLength(1);
  },
);
