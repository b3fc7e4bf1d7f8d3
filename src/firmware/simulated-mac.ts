import { type Mac, parseMac } from "../platform/mac.ts";
import { type FirmwareName, firmwareNames } from "./profile.ts";

/**
 * Locally administered (bit 1 of the first byte), and spelling `lab`: no card is made with it, and whoever meets it
 * in a lease or a record knows that a simulation left it there.
 */
const prefix = "02:6c:61:62";

/** The MAC a simulation of this firmware has: the same each time, so that it never fills a range or a record. */
export const simulatedMac = (firmware: FirmwareName): Mac =>
  parseMac(`${prefix}:00:${String(1 + firmwareNames.indexOf(firmware)).padStart(2, "0")}`);

export const isSimulated = (mac: Mac) => mac.startsWith(prefix);
