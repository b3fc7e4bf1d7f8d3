import { createSocket } from "node:dgram";
import { networkInterfaces } from "node:os";
import type { Mac } from "../platform/mac.ts";
import { encodeMagicPacket, wakePort } from "../protocols/wol/magic-packet.ts";

/** Sends magic packets (wake-on-LAN); resolves with the interfaces they left by. */
export type Wake = (nics: readonly Mac[]) => Promise<string[]>;

/** Sent so often: nothing acknowledges one. */
const repeats = 3;
const pause = 100;

/** Over each of these interfaces that has an address now, to its network's broadcast address. */
export function createWake(interfaces: readonly { name: string }[]): Wake {
  return async (nics) => {
    const packets = nics.map(encodeMagicPacket);
    const present = networkInterfaces();
    const networks = interfaces.flatMap(({ name }) =>
      (present[name] ?? [])
        .filter((each) => each.family === "IPv4")
        .map(({ address, netmask }) => ({ name, address, broadcast: broadcastOf(address, netmask) })),
    );
    for (const { address, broadcast } of networks) {
      const socket = createSocket("udp4");
      try {
        await new Promise<void>((resolve, reject) => {
          socket.once("error", reject);
          socket.bind(0, address, resolve);
        });
        socket.setBroadcast(true);
        for (let round = 0; round < repeats; round++) {
          if (round > 0) await Bun.sleep(pause);
          for (const packet of packets) {
            await new Promise<void>((resolve, reject) => {
              socket.send(packet, wakePort, broadcast, (error) => (error ? reject(error) : resolve()));
            });
          }
        }
      } finally {
        socket.close();
      }
    }
    return [...new Set(networks.map(({ name }) => name))];
  };
}

function broadcastOf(address: string, netmask: string): string {
  const mask = netmask.split(".").map(Number);
  return address
    .split(".")
    .map((part, index) => Number(part) | (255 - (mask[index] ?? 255)))
    .join(".");
}
