/** The relay of `cable.ts`, in the lab's namespace: argv[2] is its ports and faults as JSON. */
import { z } from "zod";
import { createRandom } from "./random.ts";

const setup = z
  .object({
    machine: z.number(),
    relayIn: z.number(),
    relayOut: z.number(),
    joint: z.number(),
    loss: z.number().min(0).max(1),
    delayMs: z.number().min(0),
    seed: z.number(),
  })
  .parse(JSON.parse(process.argv[2] ?? "{}"));

const counts = { passed: 0, lost: 0 };
let plugged = true;
process.on("SIGUSR1", () => {
  plugged = false;
});
process.on("SIGUSR2", () => {
  plugged = true;
});

/** Loses a share of the frames, each direction with a sequence of its own, and hands on the rest. */
function lossy(seed: number, send: (frame: Uint8Array) => void) {
  const random = createRandom(seed);
  return (frame: Uint8Array) => {
    if (!plugged || random() < setup.loss) {
      counts.lost++;
      return;
    }
    counts.passed++;
    if (setup.delayMs === 0) return send(frame);
    const copy = frame.slice();
    setTimeout(() => send(copy), setup.delayMs);
  };
}

const host = "127.0.0.1";
/** An end that has not been started yet refuses the frame (ICMP); on a cable it is only lost. */
const nobodyThere = () => {};
const toJoint = lossy(setup.seed, (frame) => outside.send(frame, setup.joint, host));
const toMachine = lossy(setup.seed + 1, (frame) => inside.send(frame, setup.machine, host));
const inside = await Bun.udpSocket({
  hostname: host,
  port: setup.relayIn,
  socket: { data: (_socket, frame) => toJoint(frame), error: nobodyThere },
});
const outside = await Bun.udpSocket({
  hostname: host,
  port: setup.relayOut,
  socket: { data: (_socket, frame) => toMachine(frame), error: nobodyThere },
});
process.on("SIGTERM", () => {
  console.log(`frames: ${counts.passed} passed, ${counts.lost} lost`);
  process.exit(0);
});
