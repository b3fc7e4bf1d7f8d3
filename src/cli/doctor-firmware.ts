import { type FirmwareName, isSimulated, openWire, playBoot, simulatedMac } from "../firmware/service.ts";
import { systemClock as clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import { parseMac } from "../platform/mac.ts";
import { openInterfaceReader } from "../protocols/inet/interfaces.client.ts";
import { formatData, note, type OutputFormat, print, visible } from "./output.ts";

export interface PlayOptions {
  /** The network card to play on; `undefined`: the first of the configuration. */
  interface: string | undefined;
  firmware: FirmwareName;
  mac: string | undefined;
}

/** Plays one machine's network boot, a line a step, and says where and why it stops. */
export async function playFirmware(options: PlayOptions, format: OutputFormat): Promise<void> {
  const device = options.interface;
  if (device === undefined) {
    throw new AppError("usage", "no interface is configured: say which one to play on", {
      hint: "labctl doctor --play-firmware --interface eth1",
    });
  }
  const mac = options.mac === undefined ? simulatedMac(options.firmware) : parseMac(options.mac);
  const own = openInterfaceReader()().get(device)?.addresses[0]?.address;
  const wire = await openWire(device, clock);
  const began = clock.monotonic();
  const story: { ms: number; text: string }[] = [];
  const say = (text: string) => {
    const ms = Math.round(clock.monotonic() - began);
    story.push({ ms, text });
    if (format === "table") print(`${(ms / 1000).toFixed(2).padStart(7)} s  ${visible(text)}`);
  };
  if (format === "table") print(`${options.firmware} firmware with MAC ${mac} on ${device}`);
  try {
    const { end, lease } = await playBoot({
      wire,
      clock,
      firmware: options.firmware,
      mac,
      xid: () => crypto.getRandomValues(new Uint32Array(1))[0] ?? 1,
      speakFrom() {
        if (own !== undefined) return own;
        throw new AppError(
          "unavailable",
          `${device} has no IPv4 address: DHCP was played, the rest cannot be`,
          {
            hint: `ip address add ADDRESS/PREFIX dev ${device}, in the lab's network`,
          },
        );
      },
      say,
    });
    if (lease !== undefined && isSimulated(mac)) wire.send(lease.release);
    if (format !== "table")
      print(formatData({ firmware: options.firmware, mac, device, story, end }, format));
    else if (end.kind === "boots") print(`ok: it boots ${visible(end.what)}`);
    else {
      print(`stops: ${visible(end.stop.detail)} (${end.stop.reason})`);
      note(`  next: ${visible(end.stop.next)}`);
    }
    if (end.kind === "stopped") process.exitCode = 7;
  } finally {
    await wire.close();
  }
}
