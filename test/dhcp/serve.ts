/**
 * The DHCP server alone, for tests: `bun serve.ts CONFIG.json DATABASE`. Prints `ready`, then a JSON line for each
 * exchange and trouble. CONFIG.json is what /etc/labctl/config.yaml holds.
 */
import { readFileSync } from "node:fs";
import { createDhcpServer } from "../../src/boot/dhcp.server.ts";
import { createLeasesRepository } from "../../src/boot/leases-repository.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { daemonConfigSchema } from "../../src/platform/config.ts";
import { createJsonSink, createLogger } from "../../src/platform/logger.ts";
import { openInterfaceReader } from "../../src/protocols/inet/interfaces.client.ts";
import { formatIpv4 } from "../../src/protocols/inet/ipv4.ts";
import { openStore } from "../../src/store/database.ts";

const [file = "", database = ""] = process.argv.slice(2);
const config = daemonConfigSchema.parse(JSON.parse(readFileSync(file, "utf8")));
const store = openStore(database);
const server = createDhcpServer({
  interfaces: config.interfaces,
  readInterfaces: openInterfaceReader(),
  boot: {
    httpPort: config.http.port,
    program: config.boot.uefi,
    discoveryControl: config.boot.discoveryControl,
  },
  repository: createLeasesRepository(store),
  bootOptions: () => ({}),
  observe(event) {
    if (event.kind === "trouble")
      console.log(JSON.stringify({ trouble: event.trouble, message: event.message }));
    if (event.kind !== "exchange") return;
    const { outcome, request, mac, port } = event;
    const answer =
      outcome.kind === "answered"
        ? `${outcome.reply.options.messageType} ${formatIpv4(outcome.reply.yiaddr)}`
        : outcome.reason;
    console.log(
      JSON.stringify({
        interface: event.interface,
        port,
        mac,
        asked: request.options.messageType,
        outcome: outcome.kind,
        answer,
      }),
    );
  },
  clock: systemClock,
  log: createLogger(
    createJsonSink((line) => console.error(line), Date.now),
    "warn",
  ),
});
process.on("SIGTERM", async () => {
  await server.stop();
  await store.close();
  console.log("stopped");
});
try {
  await server.start();
  console.log("ready");
} catch (error) {
  console.log(String(error));
  process.exit(1);
}
