export { type Played, type Player, playBoot } from "./play.client.ts";
export { type FirmwareName, firmwareNames } from "./profile.ts";
export { isSimulated, simulatedMac } from "./simulated-mac.ts";
export { openWire, type Wire } from "./wire.client.ts";
