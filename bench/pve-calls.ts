/** The work of the Proxmox benches with our client; one line of JSON tells what it cost. See pve-client.ts. */

import { systemClock } from "../src/platform/clock.ts";
import { silentLogger } from "../src/platform/logger.ts";
import { createPveClient } from "../src/protocols/pve/client.ts";
import { parseEndpoint } from "../src/protocols/pve/endpoint.ts";
import { createExchange } from "../src/protocols/pve/exchange.client.ts";
import { PveToken } from "../src/protocols/pve/token.ts";
import { parseVmid } from "../src/protocols/pve/vmid.ts";

const [work = "", place = "", caFile = "", token = "", count = "0"] = process.argv.slice(2);
const total = Number(count);
const pve = createPveClient({
  exchange: createExchange([parseEndpoint(place)], await Bun.file(caFile).text(), systemClock),
  token: PveToken.parse(token, "the bench"),
  clock: systemClock,
  random: Math.random,
  logger: silentLogger,
});
const vm = { kind: "qemu", node: "pve1", vmid: parseVmid(101) } as const;

/** `total` calls by so many that each wait for their answer. */
async function calls(callers: number): Promise<void> {
  const share = Math.floor(total / callers);
  await Promise.all(
    Array.from({ length: callers }, async () => {
      for (let n = 0; n < share; n++) await pve.guests.status(vm);
    }),
  );
}

async function waits(): Promise<void> {
  const upids = await Promise.all(
    Array.from({ length: total }, () => pve.provisioning.vzdump(vm, { storage: "store2" })),
  );
  const ends = await Promise.all(upids.map((upid) => pve.waitTask(upid)));
  if (ends.some(({ exitstatus }) => exitstatus !== "OK")) throw new Error("a task failed");
}

for (let n = 0; n < 200; n++) await pve.guests.status(vm);
const before = process.cpuUsage();
const began = performance.now();
if (work === "waits") await waits();
else await calls(Number(work));
const seconds = (performance.now() - began) / 1000;
const { user, system } = process.cpuUsage(before);
// Not maxRSS, which begins with that of the process that started this one.
const peakKib = Number(/VmHWM:\s+(\d+)/.exec(await Bun.file("/proc/self/status").text())?.[1]);
console.log(
  JSON.stringify({
    seconds,
    cpuSeconds: (user + system) / 1e6,
    peakBytes: peakKib * 1024,
  }),
);
await pve.close();
