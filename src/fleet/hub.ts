import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import {
  type AgentMessage,
  type Command,
  type Feature,
  type HostOperation,
  type LabdMessage,
  type LogQuery,
  maxChunk,
  maxMessage,
} from "./protocol.ts";

/** One agent's connection, as the hub sees it. */
export interface AgentLink {
  /** The certificate it is held by: what a revocation names. */
  fingerprint: string;
  /** What both sides know beyond the first version. */
  features: ReadonlySet<string>;
  /** Whether the agent answers, asked on the wire. */
  probe(): Promise<boolean>;
  send(message: LabdMessage): void;
  /** Resolves when the agent has heard it, or does not answer. */
  close(reason: string): Promise<void>;
}

export type Work =
  | { kind: "run"; spec: Command }
  | { kind: "read-logs"; query: LogQuery }
  | { kind: "operate"; operation: HostOperation };

export interface Exit {
  code: number | null;
  signal: string | null;
  reason?: string;
}

/** Who waits for a command. */
export interface Reader {
  /** Resolves when the reader has really taken it: until then the host is not asked for more. */
  output(stream: "stdout" | "stderr", data: Uint8Array): Promise<void> | void;
  inputTaken(seq: number): void;
  exit(exit: Exit): void;
}

export interface CommandHandle {
  /** The number by which the reader learns that it was taken. @throws `too-large`. */
  input(data: Uint8Array, end: boolean): number;
  resize(columns: number, rows: number): void;
  signal(signal: "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGQUIT" | "SIGKILL"): void;
  /** The reader went away: the command is ended. */
  cancel(): void;
}

interface Running {
  id: string;
  /** The agent's start in which it runs; another one cannot know it. */
  boot: string;
  reader: Reader;
  /** The last output handed to the reader. */
  received: number;
  inputs: number;
  /** Input the command has not taken yet: sent again after a lost connection. */
  untaken: Extract<LabdMessage, { kind: "input" }>[];
  untakenBytes: number;
}

interface Host {
  link: AgentLink | undefined;
  boot: string;
  commands: Map<string, Running>;
  /** Ends the wait for a host that does not come back. */
  cancelGiveUp: () => void;
}

/** Input that waits for a command, in characters; a client that sends more without waiting is cut off. */
const maxUntaken = 4 << 20;
/** Commands at once on one host. */
const maxCommands = 32;
/** Milliseconds a host may be away before the commands it ran are given up. */
const patience = 5 * 60_000;

/** Agents that are connected, and the commands that run on them. */
export interface Hub {
  /** `boot` is the agent's own start. A link this host had before is closed. Answers what to resume. */
  attach(server: string, boot: string, link: AgentLink): { command: string; seq: number }[];
  /** The link of another start of this host's agent, while there is one. */
  rival(server: string, boot: string): AgentLink | undefined;
  /** Once the agent knows what to resume: input it may not have seen. */
  resend(server: string): void;
  detach(server: string, link: AgentLink): void;
  receive(server: string, message: Extract<AgentMessage, { kind: "output" | "exit" | "input-taken" }>): void;
  /** @throws `unavailable` when the host is not connected, `too-many` when it runs enough, `too-large`. */
  start(server: string, work: Work, reader: Reader): CommandHandle;
  connected(server: string): boolean;
  /** Agents connected, commands running, and commands started since the start, by kind. */
  counts(): { agents: number; running: number; started: Readonly<Record<Work["kind"], number>> };
  /** @throws `unavailable` when the host is not connected, or its agent does not know `feature`. */
  linkOf(server: string, feature: Feature): AgentLink;
  /** Closes the links that came with one of these certificates, at once. */
  cut(fingerprints: ReadonlySet<string>, reason: string): void;
  /** To one agent, if it is connected. */
  tell(server: string, message: LabdMessage): void;
  /** To every connected agent. */
  broadcast(message: LabdMessage): void;
  /** Tells the agents that labd stops, and ends every wait; resolves when they have heard it. */
  close(comeBackAfter: number): Promise<void>;
}

export function createHub(clock: Clock, newId: () => string): Hub {
  const hosts = new Map<string, Host>();
  const started = { run: 0, "read-logs": 0, operate: 0 };

  const hostOf = (server: string): Host => {
    const known = hosts.get(server);
    if (known) return known;
    const host: Host = { link: undefined, boot: "", commands: new Map(), cancelGiveUp: () => {} };
    hosts.set(server, host);
    return host;
  };

  function giveUp(host: Host, reason: string, which: (running: Running) => boolean = () => true): void {
    for (const running of [...host.commands.values()].filter(which)) {
      host.commands.delete(running.id);
      running.reader.exit({ code: null, signal: null, reason });
    }
  }

  return {
    attach(server, boot, link) {
      const host = hostOf(server);
      host.cancelGiveUp();
      void host.link?.close("the agent connected again");
      host.link = link;
      host.boot = boot;
      giveUp(host, "the agent was restarted", (running) => running.boot !== boot);
      return [...host.commands.values()].map(({ id, received }) => ({ command: id, seq: received }));
    },
    rival(server, boot) {
      const host = hosts.get(server);
      return host?.boot === boot ? undefined : host?.link;
    },
    resend(server) {
      const host = hosts.get(server);
      for (const { untaken } of host?.commands.values() ?? [])
        for (const input of untaken) host?.link?.send(input);
    },
    detach(server, link) {
      const host = hosts.get(server);
      if (host?.link !== link) return;
      host.link = undefined;
      if (host.commands.size === 0) {
        hosts.delete(server);
        return;
      }
      host.cancelGiveUp = clock.after(patience, () => {
        giveUp(host, `the host did not come back within ${patience / 60_000} minutes`);
        hosts.delete(server);
      });
    },
    receive(server, message) {
      const host = hosts.get(server);
      const running = host?.commands.get(message.command);
      if (!host || !running) {
        // Nobody waits for it (any more): the agent should not go on.
        if (message.kind === "output") host?.link?.send({ kind: "cancel", command: message.command });
        return;
      }
      if (message.kind === "input-taken") {
        const taken = running.untaken.findIndex((input) => input.seq === message.seq);
        // An agent that did not see its connection end may say so twice.
        if (taken === -1) return;
        for (const input of running.untaken.splice(0, taken + 1)) {
          running.untakenBytes -= input.data.length;
          running.reader.inputTaken(input.seq);
        }
        return;
      }
      // After a reconnection the agent sends again what it did not see acknowledged.
      if (message.seq <= running.received) return;
      running.received = message.seq;
      const taken = () => host.link?.send({ kind: "taken", command: running.id, seq: message.seq });
      if (message.kind === "exit") {
        host.commands.delete(running.id);
        const { code, signal, reason } = message;
        running.reader.exit({ code, signal, ...(reason !== undefined && { reason }) });
        taken();
        return;
      }
      const done = running.reader.output(message.stream, Buffer.from(message.data, "base64"));
      if (done === undefined) taken();
      else done.then(taken, () => {});
    },
    start(server, work, reader) {
      const host = hosts.get(server);
      if (!host?.link) throw notConnected(server);
      if (host.commands.size >= maxCommands) {
        throw new AppError("too-many", `server/${server} runs ${maxCommands} commands already`);
      }
      const id = newId();
      const order = { ...work, command: id };
      // The agent's connection would end by it, and with it everybody's.
      if (Buffer.byteLength(JSON.stringify(order)) > maxMessage) {
        throw new AppError("too-large", `a command and its environment may hold ${maxMessage} bytes`, {
          hint: "hand over what is large as input: labctl exec -i",
        });
      }
      const running: Running = {
        id,
        boot: host.boot,
        reader,
        received: 0,
        inputs: 0,
        untaken: [],
        untakenBytes: 0,
      };
      host.commands.set(id, running);
      started[work.kind]++;
      const tell = (message: LabdMessage) => host.link?.send(message);
      tell(order);
      return {
        input(data, end) {
          // What the agent does not take would be missing in the middle.
          if (data.length > maxChunk)
            throw new AppError("too-large", `input comes in pieces of ${maxChunk} bytes at the most`);
          const seq = ++running.inputs;
          const input = {
            kind: "input" as const,
            command: id,
            seq,
            data: Buffer.from(data).toString("base64"),
            end,
          };
          running.untaken.push(input);
          running.untakenBytes += input.data.length;
          if (running.untakenBytes > maxUntaken)
            throw new AppError("too-large", "more input was sent than the command takes", {
              hint: "a client waits for input-taken before it sends on",
            });
          tell(input);
          return seq;
        },
        resize: (columns, rows) => tell({ kind: "resize", command: id, terminal: { columns, rows } }),
        signal: (signal) => tell({ kind: "signal", command: id, signal }),
        cancel() {
          if (host.commands.delete(id)) tell({ kind: "cancel", command: id });
        },
      };
    },
    counts() {
      let agents = 0;
      let running = 0;
      for (const host of hosts.values()) {
        if (host.link !== undefined) agents++;
        running += host.commands.size;
      }
      return { agents, running, started };
    },
    connected: (server) => hosts.get(server)?.link !== undefined,
    linkOf(server, feature) {
      const link = hosts.get(server)?.link;
      if (link === undefined) throw notConnected(server);
      if (link.features.has(feature)) return link;
      throw new AppError("unavailable", `the agent of server/${server} is too old for this`, {
        hint: "update labctl on that host",
      });
    },
    cut(fingerprints, reason) {
      for (const host of hosts.values()) {
        if (!host.link || !fingerprints.has(host.link.fingerprint)) continue;
        // Told before it is cut off: what runs in our name ends there, too.
        for (const command of host.commands.keys()) host.link.send({ kind: "cancel", command });
        void host.link.close(reason);
        giveUp(host, reason);
      }
    },
    tell: (server, message) => hosts.get(server)?.link?.send(message),
    broadcast(message) {
      for (const host of hosts.values()) host.link?.send(message);
    },
    async close(comeBackAfter) {
      const ended: Promise<void>[] = [];
      for (const host of hosts.values()) {
        host.cancelGiveUp();
        host.link?.send({ kind: "shutdown", after: comeBackAfter });
        giveUp(host, "labd stops");
        if (host.link) ended.push(host.link.close("labd stops"));
      }
      hosts.clear();
      await Promise.all(ended);
    },
  };
}

const notConnected = (server: string) =>
  new AppError("unavailable", `server/${server} is not connected`, {
    hint: "labctl get servers shows when it was last seen; on the host: labctl agent status",
  });
