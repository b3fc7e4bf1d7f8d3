import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Bench, BenchContext, Measurement } from "./definition.ts";
import { createLab, type Lab } from "./lab.ts";
import { libraries } from "./packages.ts";
import { type ServerProcess, startServer } from "./server-process.ts";
import { median, short } from "./statistics.ts";
import { type Order, type Result, resultSchema } from "./tftp-client.ts";

/** A TFTP server that serves what lies in `files`. */
interface Contender {
  name: string;
  /** The path under which it serves `NAME`. */
  path(name: string): string;
  start(context: BenchContext, lab: Lab, address: string, files: string): Promise<ServerProcess>;
}

const contenders: Contender[] = [
  {
    name: "labctl",
    path: (name) => `installer/bench/${name}`,
    async start({ labctl, scratch }, { server }, address, files) {
      const config = join(scratch, "labctl.yaml");
      await Bun.write(
        config,
        JSON.stringify({
          dataDir: join(scratch, "data"),
          adminSocket: join(scratch, "labctl.sock"),
          logLevel: "warn",
          interfaces: [{ name: server.interface, dhcp: "off", address }],
          tftp: { maxTransfers: 2048, maxPerClient: 1000 },
          imageDir: join(files, ".."),
        }),
      );
      return startServer("labctl", server.namespace, [labctl, "bastion", "run", "--config", config]);
    },
  },
  {
    name: "tftpd-hpa",
    path: (name) => name,
    async start({ unpack }, { server }, address, files) {
      const root = await unpack("tftpd-hpa", "libwrap0");
      return startServer(
        "tftpd-hpa",
        server.namespace,
        [join(root, "usr/sbin/in.tftpd"), "-L", "-s", "-a", `${address}:69`, join(files, "bench")],
        libraries(root),
      );
    },
  },
  {
    name: "dnsmasq",
    path: (name) => name,
    async start({ unpack }, { server }, address, files) {
      const root = await unpack("dnsmasq-base");
      const options = [
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--port=0",
        "--user=root",
        "--pid-file=",
        // Without a syslog it would go on looking for one.
        "--log-facility=/dev/null",
      ];
      const tftp = ["--enable-tftp", `--tftp-root=${join(files, "bench")}`, "--tftp-max=1100"];
      return startServer(
        "dnsmasq",
        server.namespace,
        [
          join(root, "usr/sbin/dnsmasq"),
          ...options,
          ...tftp,
          `--listen-address=${address}`,
          "--bind-interfaces",
        ],
        libraries(root),
      );
    },
  },
  {
    name: "atftpd",
    path: (name) => name,
    async start({ unpack }, { server }, address, files) {
      const root = await unpack("atftpd", "libwrap0", "libpcre3");
      const options = ["--daemon", "--no-fork", "--user", "root.root", "--maxthread", "1100", "--verbose=0"];
      return startServer(
        "atftpd",
        server.namespace,
        [join(root, "usr/sbin/atftpd"), ...options, "--bind-address", address, join(files, "bench")],
        libraries(root),
      );
    },
  },
];

/** A piece of work: the order without what depends on the server. */
interface Work extends Pick<Order, "clients" | "blksize" | "windowsize" | "delayMs" | "loss"> {
  name: string;
  /** The same with window 1. */
  lockStep: string;
}

async function race(context: BenchContext, mebibytes: number, works: Work[]): Promise<Measurement[]> {
  const files = join(context.scratch, "images/installers");
  await mkdir(join(files, "bench"), { recursive: true });
  await Bun.write(join(files, "bench/small"), "ready");
  await Bun.write(join(files, "bench/file"), randomBytes(mebibytes * 1024 * 1024));
  // atftpd and tftpd-hpa serve as another user what all may read
  for (const directory of ["", "images", "images/installers", "images/installers/bench"]) {
    await chmod(join(context.scratch, directory), 0o755);
  }
  const lab = await createLab(contenders.length);
  const servers: Running[] = [];
  const rows: Measurement[] = [];
  try {
    for (const [index, contender] of contenders.entries()) {
      servers.push(await serve(context, lab, contender, lab.server.addresses[index] ?? "", files));
    }
    for (const work of works.filter(({ name }) => context.wanted(name))) {
      const measured = servers.map(({ contender }) => emptyRow(work.name, contender.name));
      for (let round = 0; round <= context.rounds; round++) {
        for (const [index, server] of servers.entries()) {
          const row = measured[index];
          // a round that failed takes its whole time limit, and those after it would too
          if (!row || row.equals !== undefined || row.failures > 0) continue;
          await measure(lab, server, work, round, row, join(files, "bench/file"));
          row.equals = lockStepCase(work, row, rows);
        }
      }
      const complete = measured.map((row) => {
        const same = rows.find((other) => other.case === row.equals && other.subject === row.subject);
        return same ? { ...same, case: row.case, equals: same.case, note: row.note ?? "" } : row;
      });
      rows.push(...complete);
      context.log(
        `${work.name}: ${complete.map((row) => `${row.subject} ${short(median(row.values))}`).join(", ")}`,
      );
    }
    return rows;
  } finally {
    for (const { process } of servers) await process.stop();
    await lab.remove();
  }
}

/** A server that grants no window does the work of window 1 again: the case where that was measured. */
function lockStepCase(work: Work, row: Measurement, earlier: Measurement[]): string | undefined {
  if (work.windowsize === 1 || row.note !== noWindow) return undefined;
  return earlier.find((other) => other.case === work.lockStep && other.subject === row.subject)?.case;
}

const noWindow = "granted window 1";

function emptyRow(name: string, subject: string): Measurement {
  return { case: name, subject, values: [], cpuSeconds: [], peakBytes: 0, failures: 0 };
}

/** One round of one server, added to its row; round 0 proves the content and is not counted. */
async function measure(
  lab: Lab,
  { contender, address, process }: Running,
  work: Work,
  round: number,
  row: Measurement,
  file: string,
): Promise<void> {
  const before = process.cpuSeconds();
  const result = await fetchAll(lab, {
    ...{ address, file: contender.path("file"), seed: 1 + round, limit: 60 },
    ...{ clients: work.clients, blksize: work.blksize, windowsize: work.windowsize },
    ...{ delayMs: work.delayMs, loss: work.loss },
    ...(round === 0 && { prove: file }),
  });
  row.failures += result.failures;
  row.note = noteOf(work, result) || row.note || "";
  row.peakBytes = process.peakBytes();
  if (round === 0 || result.failures > 0) return;
  row.values.push(result.seconds);
  row.cpuSeconds.push(process.cpuSeconds() - before);
}

function noteOf(work: Work, result: Result): string {
  if (result.failures > 0) return result.reason;
  if (result.windowsize === work.windowsize) return "";
  return result.windowsize === 1 ? noWindow : `granted window ${result.windowsize}`;
}

interface Running {
  contender: Contender;
  address: string;
  process: ServerProcess;
}

/** Starts the server and waits until it answers. */
async function serve(
  context: BenchContext,
  lab: Lab,
  contender: Contender,
  address: string,
  files: string,
): Promise<Running> {
  const process = await contender.start(context, lab, address, files);
  const answer = await fetchAll(lab, {
    ...{ address, file: contender.path("small"), clients: 1, blksize: 512, windowsize: 1 },
    ...{ delayMs: 0, loss: 0, seed: 1, limit: 10 },
  });
  if (answer.failures === 0) return { contender, address, process };
  await process.stop();
  throw new Error(`${contender.name} does not answer: ${answer.reason}`);
}

async function fetchAll(lab: Lab, order: Order): Promise<Result> {
  const client = [process.execPath, join(import.meta.dir, "tftp-client.ts"), JSON.stringify(order)];
  const child = Bun.spawn(["ip", "netns", "exec", lab.client.namespace, ...client], { stdout: "pipe" });
  return resultSchema.parse(JSON.parse(await new Response(child.stdout).text()));
}

function randomBytes(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
  return bytes;
}

const blksize = 1428;

export const tftpOne: Bench = {
  name: "tftp-one",
  summary: "seconds for one file to one client, blksize 1428",
  unit: "s",
  better: "lower",
  size: 64,
  quickSize: 8,
  targets: [
    { cases: /0\.3 ms/, of: "ratio", must: 1, aim: 2 },
    { cases: /window (16|64), 0 ms/, of: "ratio", must: 1, aim: 2 },
  ],
  run: (context, size) =>
    race(
      context,
      size,
      [0, 0.3].flatMap((delayMs) =>
        [1, 4, 16, 64].map((windowsize) => {
          const name = (window: number) => `window ${window}, ${delayMs} ms`;
          return {
            ...{ name: name(windowsize), lockStep: name(1) },
            ...{ windowsize, delayMs, clients: 1, blksize, loss: 0 },
          };
        }),
      ),
    ),
};

export const tftpMany: Bench = {
  name: "tftp-many",
  summary: "seconds until every client has a boot program, 0.3 ms away, blksize 1428",
  unit: "s",
  better: "lower",
  size: 1,
  quickSize: 1,
  targets: [
    { cases: /./, of: "ratio", beside: ["dnsmasq"], must: 1 },
    { cases: /./, of: "ratio", aim: 1.5 },
  ],
  run: (context, size) =>
    race(
      context,
      size,
      (context.quick ? [64] : [64, 512]).flatMap((clients) =>
        [0, 0.01].flatMap((loss) =>
          [1, 4].map((windowsize) => {
            const name = (window: number) => `${clients} clients, window ${window}, ${loss * 100} % loss`;
            return {
              ...{ name: name(windowsize), lockStep: name(1) },
              ...{ windowsize, delayMs: 0.3, clients, blksize, loss },
            };
          }),
        ),
      ),
    ),
};
