import type { AgentStatus } from "../agent/status.ts";
import { describeClockDifference } from "../platform/clock-difference.ts";
import { AppError, toAppError } from "../platform/errors.ts";
import { notifySystemd } from "../platform/notify.client.ts";
import { at } from "./client.ts";
import { createDaemonLogger } from "./daemon-logger.ts";
import { defineCommand, defineGroup, outputFlag } from "./define.ts";
import { operationArguments, parseOperation } from "./operation-arguments.ts";
import { type Column, formatTime, note, print, printRecord } from "./output.ts";
import { defineRemoteCommand } from "./remote.ts";
import { outputFormat } from "./settings.ts";
import { waitForStop } from "./signals.ts";
import { readToken, tokenFileFlag } from "./token-file.ts";

const stateFlag = {
  state: {
    type: "string",
    default: "/var/lib/labctl-agent",
    description: "where key and certificate are kept",
    valueHint: "DIRECTORY",
  },
} as const;

const open = async (directory: string) =>
  (await import("../agent/state.client.ts")).createAgentStateFile(directory);

async function enrolled(directory: string) {
  const file = await open(directory);
  const state = file.read();
  if (state) return { file, state };
  throw new AppError("not-found", `this host is not enrolled: ${file.path} is not there`, {
    hint: "labctl agent enroll SERVER --token …; labctl token create makes one",
  });
}

const run = defineCommand({
  summary: "run the agent in the foreground",
  example: "labctl agent run",
  args: stateFlag,
  run: async ({ state: directory }) => {
    const { file, state } = await enrolled(directory);
    const { startAgent } = await import("../roles/agent.ts");
    const left = Promise.withResolvers<void>();
    const agent = await startAgent(file, state, createDaemonLogger("info"), left.resolve);
    notifySystemd("READY=1", process.env.NOTIFY_SOCKET);
    await Promise.race([waitForStop(), left.promise]);
    notifySystemd("STOPPING=1", process.env.NOTIFY_SOCKET);
    await agent.stop();
  },
});

const enroll = defineCommand({
  summary: "make a key on this host and have labd certify it",
  example: "labctl agent enroll labd.example:8443 --token labctl_join_…",
  args: {
    server: { type: "positional", required: true, description: "labd's address" },
    token: { type: "string", description: "a join token", valueHint: "TOKEN" },
    ...tokenFileFlag,
    ...stateFlag,
  },
  run: async (args) => {
    const token = await readToken(args, "labctl token create makes one");
    const { certify, hostDescription, serverUrl } = await import("../agent/enrolment.client.ts");
    const { build } = await import("../platform/build.ts");
    const file = await open(args.state);
    const state = await certify(serverUrl(args.server), "/api/v1/enrol", token, {
      ...hostDescription(),
      agentVersion: build.version,
    });
    file.write(state);
    print(`enrolled as server/${state.name}`);
  },
});

const status = defineCommand({
  summary: "how this host stands with labd",
  example: "labctl agent status -o json",
  args: { ...stateFlag, ...outputFlag },
  run: async ({ state: directory, output }) => {
    const { state } = await enrolled(directory);
    const { validityOf } = await import("../access/certificates.ts");
    const { askStatus, controlSocket } = await import("../agent/control.server.ts");
    const running = await askStatus(controlSocket(directory));
    const { notAfter: certificateEnds } = validityOf(state.certificatePem);
    const status = running ?? {
      state: "not running" as const,
      name: state.name,
      server: state.server,
      certificateEnds,
    };
    printRecord(status, statusColumns, outputFormat(output));
    if (status.state !== "connected") process.exitCode = 3;
  },
});

type Shown = Partial<Omit<AgentStatus, "state">> &
  Pick<AgentStatus, "name" | "server" | "certificateEnds"> & { state: AgentStatus["state"] | "not running" };
const statusColumns: Column<Shown>[] = [
  { title: "NAME", value: (row) => row.name },
  { title: "STATE", value: (row) => row.state },
  { title: "SINCE", value: (row) => (row.since === undefined ? undefined : formatTime(row.since)) },
  { title: "ATTEMPT", value: (row) => row.attempt },
  { title: "PROBLEM", value: (row) => row.problem },
  { title: "SERVER", value: (row) => row.server },
  { title: "CERTIFICATE ENDS", value: (row) => formatTime(row.certificateEnds) },
  {
    title: "LABELS",
    value: (row) =>
      Object.entries(row.labels ?? {})
        .map(([key, value]) => `${key}=${value}`)
        .join(","),
  },
  {
    title: "CLOCK",
    value: (row) =>
      row.clockAhead === undefined
        ? undefined
        : (describeClockDifference(row.clockAhead, "labd's") ?? "as labd's"),
  },
  { title: "COMMANDS", value: (row) => row.commands },
  { title: "VERSION", value: (row) => row.version },
];

const renew = defineCommand({
  summary: "have a new certificate made now; the agent does so by itself in time",
  example: "labctl agent renew",
  args: stateFlag,
  run: async ({ state: directory }) => {
    await enrolled(directory);
    const { askRenewal, controlSocket } = await import("../agent/control.server.ts");
    const renewed = await askRenewal(controlSocket(directory));
    if (renewed === undefined) throw notRunning();
    print(`renewed: good until ${formatTime(renewed.certificateEnds)}`);
  },
});

const notRunning = () =>
  new AppError("unavailable", "the agent does not run on this host, or is not yours to ask", {
    hint: "as root: systemctl start labctl-agent; when it connects, it renews by itself where that is due",
  });

const leave = defineCommand({
  summary: "forget labd: key and certificate are removed from this host, and the agent ends",
  example: "labctl agent leave",
  args: stateFlag,
  run: async ({ state: directory }) => {
    const { file, state } = await enrolled(directory);
    const { askLeave, controlSocket } = await import("../agent/control.server.ts");
    file.remove();
    await askLeave(controlSocket(directory));
    print(`left ${state.server}; there: labctl agent remove ${state.name}`);
  },
});

const bootFromNetwork = defineCommand({
  summary: "on this host, as root: let the next start be from the network (EFI)",
  example: "labctl agent boot-from-network",
  args: {},
  run: async () => {
    const { bootFromNetworkNext } = await import("../agent/next-boot.client.ts");
    const entry = await bootFromNetworkNext();
    print(`next start: Boot${entry.number} ${entry.name}`);
  },
});

const hostOperation = defineCommand({
  summary: "on this host, as root: one of the fixed list of operations, its arguments checked",
  example: "labctl agent host-operation read-smart --device /dev/sda",
  args: operationArguments,
  run: async (args) => {
    const { operationCommand } = await import("../agent/host-operations.ts");
    const { argv } = operationCommand(parseOperation(args), "direct");
    const child = Bun.spawn(argv, { stdin: "ignore", stdout: "inherit", stderr: "inherit" });
    process.exitCode = await child.exited;
  },
});

const sudoers = defineCommand({
  summary: "the sudoers file for an agent that does not run as root",
  example: "labctl agent sudoers > /etc/sudoers.d/labctl-agent",
  args: {},
  run: async () => print((await import("../agent/host-operations.ts")).renderSudoers().trimEnd()),
});

const serverArgument = {
  name: { type: "positional", required: true, description: "the server's name" },
} as const;

const revoke = defineRemoteCommand({
  summary: "take a host's certificates back and cut its connection",
  example: "labctl agent revoke node1 --because stolen",
  args: { ...serverArgument, because: { type: "string", default: "revoked", description: "for the audit" } },
  run: async ({ name, because }, { client }) => {
    await client.v1.servers[":name"].revoke.$post({ ...at({ name }), json: { because } });
    print(`server/${name} is revoked`);
  },
});

const move = defineRemoteCommand({
  summary: "send hosts' agents to another address of labd",
  example: "labctl agent move site=b --to labd2.example:8443",
  args: {
    target: { type: "positional", required: true, description: "server/NAME, or a selector such as env=dev" },
    to: { type: "string", required: true, description: "labd's other address", valueHint: "HOST:PORT" },
  },
  run: async ({ target, to }, { client }) => {
    const { serverUrl } = await import("../agent/enrolment.client.ts");
    const { resolveServers } = await import("./exec.ts");
    const url = serverUrl(to);
    const names = await resolveServers(client, target);
    const failures = await Promise.all(
      names.map((name) =>
        client.v1.servers[":name"].move.$post({ ...at({ name }), json: { to: url } }).then(
          () => void print(`server/${name} goes to ${url}`),
          (error: unknown) => toAppError(error),
        ),
      ),
    );
    const [first, ...more] = failures.flatMap((failure) => (failure === undefined ? [] : [failure]));
    for (const error of more) note(error.message);
    if (first) throw first;
  },
});

const remove = defineRemoteCommand({
  summary: "revoke a host and forget it",
  example: "labctl agent remove node1",
  args: serverArgument,
  run: async ({ name }, { client }) => {
    await client.v1.servers[":name"].$delete(at({ name }));
    print(`server/${name} is removed`);
  },
});

export const agent = defineGroup({
  summary: "the daemon on each host",
  example: "labctl agent status",
  commands: {
    run: { summary: run.summary, load: async () => run },
    enroll: { summary: enroll.summary, load: async () => enroll },
    status: { summary: status.summary, load: async () => status },
    renew: { summary: renew.summary, load: async () => renew },
    leave: { summary: leave.summary, load: async () => leave },
    "boot-from-network": { summary: bootFromNetwork.summary, load: async () => bootFromNetwork },
    "host-operation": { summary: hostOperation.summary, load: async () => hostOperation },
    sudoers: { summary: sudoers.summary, load: async () => sudoers },
    revoke: { summary: revoke.summary, load: async () => revoke },
    move: { summary: move.summary, load: async () => move },
    remove: { summary: remove.summary, load: async () => remove },
  },
});
