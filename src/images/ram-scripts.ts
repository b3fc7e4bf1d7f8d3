import collect from "../../kickstart/ram/collect.sh" with { type: "text" };
import discover from "../../kickstart/ram/discover.sh" with { type: "text" };
import init from "../../kickstart/ram/init.sh" with { type: "text" };
import install from "../../kickstart/ram/install.sh" with { type: "text" };
import library from "../../kickstart/ram/lib.sh" with { type: "text" };
import listenLldp from "../../kickstart/ram/listen-lldp.sh" with { type: "text" };
import network from "../../kickstart/ram/network.sh" with { type: "text" };
import lease from "../../kickstart/ram/udhcpc.sh" with { type: "text" };
import wipe from "../../kickstart/ram/wipe.sh" with { type: "text" };
import type { RamScript } from "./ram-skeleton.ts";

const program = (name: string, text: string): RamScript => ({
  path: `usr/lib/labctl/${name}`,
  mode: 0o755,
  text,
});

/** What runs in the RAM environment; the names are those the scripts call each other by. */
export const ramScripts: readonly RamScript[] = [
  { path: "init", mode: 0o755, text: init },
  { path: "usr/lib/labctl/lib.sh", mode: 0o644, text: library },
  program("collect.sh", collect),
  program("discover.sh", discover),
  program("install.sh", install),
  program("listen-lldp.sh", listenLldp),
  program("network.sh", network),
  program("udhcpc.sh", lease),
  program("wipe.sh", wipe),
];
