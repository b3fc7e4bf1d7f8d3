import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import type { Logger } from "../platform/logger.ts";
import type { Mac } from "../platform/mac.ts";
import { createTurns } from "../platform/turns.ts";
import type { Queries, Store } from "../store/database.ts";
import type { Claim, Claims } from "./claims.ts";
import type { Discovery } from "./discovery-service.ts";
import type { Enrolment } from "./enrolment.ts";
import type { Journal } from "./fact.ts";
import type { Feed } from "./feed.ts";
import type { RenderFor } from "./install-rendering.ts";
import { findInstall, findToken, saveServed, type TokenRecord } from "./install-repository.ts";
import type { LogRepository, NumberedReport } from "./log-repository.ts";
import type { InstallLogs } from "./log-service.ts";
import { decide, finalStage } from "./model.ts";
import type { Registry } from "./registry.ts";
import { findMachine } from "./repository.ts";
import type { StageOutcome } from "./stage.ts";
import type { Tails } from "./tails.ts";
import { hashToken } from "./token.ts";
import type { Step, Transitions } from "./transitions.ts";

export interface ProgressReport {
  seq: number;
  stage: string;
  outcome: StageOutcome;
  message?: string | undefined;
}

/** What a machine that installs asks and tells. */
export interface Reports {
  /**
   * The install data of a token, once for each file; the first file starts the install.
   * @throws `not-found`, `gone` when it was fetched before, `forbidden` when another machine asks.
   */
  serve(token: string, file: string, clientIp: string): Promise<string>;
  /** Whether `serve` would answer, without fetching anything: a HEAD request. */
  length(token: string, file: string, clientIp: string): Promise<number>;
  /** The install a token may report for. @throws `unauthenticated`. */
  claimOf(token: string): Claim;
  /** False when it was reported before, or the install has ended. @throws `conflict` when this install is not the current one. */
  progress(claim: Claim, report: ProgressReport): Promise<boolean>;
  /** Looks which installs went silent; called now and then. */
  checkStalled(): Promise<void>;
}

/** Installs whose data is rendered and not yet served: a text of 100 kB each, and a rack asks at once. */
const rendersAtOnce = 256;
/** Reports of one install; a loop in a script must not fill the disk. */
const maxReports = 500;

export function createReports({
  store,
  clock,
  logger,
  registry,
  claims,
  discovery,
  transitions,
  render,
  enrolment,
  leasesOf,
  logs,
  repository,
  tails,
  feed,
  journal,
}: {
  store: Store;
  clock: Clock;
  logger: Logger;
  registry: Registry;
  claims: Claims;
  discovery: Discovery;
  transitions: Transitions;
  render: RenderFor;
  enrolment?: Enrolment | undefined;
  /** The addresses our DHCP server leased to a MAC; none where somebody else's does. */
  leasesOf: (mac: Mac) => readonly string[];
  logs: InstallLogs;
  repository: LogRepository;
  tails: Tails;
  feed: Feed;
  journal: Journal | undefined;
}): Reports {
  const startedAt = clock.now();
  const turns = createTurns(rendersAtOnce);

  /** The token's record, if this client may use it for this file. */
  function admit(read: Queries, hash: string, file: string, clientIp: string): TokenRecord {
    const token = findToken(read, hash);
    if (token === undefined) {
      throw new AppError("not-found", "this install data is not, or no longer, there");
    }
    const refuse = (code: "gone" | "forbidden", reason: string) => {
      logger.warn("install data refused", {
        mac: token.mac,
        install: token.installId,
        file,
        clientIp,
        reason,
      });
      return new AppError(code, reason);
    };
    const leases = leasesOf(token.mac);
    if (leases.length > 0 && !leases.includes(clientIp) && clientIp !== staticAddress(read, token)) {
      throw refuse("forbidden", `this install data is for ${token.mac}, which has the address ${leases[0]}`);
    }
    if (token.served.includes(file)) {
      throw refuse("gone", `${file} was fetched before; it is served once for each boot`);
    }
    const state = registry.byMac(token.mac)?.state;
    const current = state && "installId" in state && state.installId === token.installId;
    if (!current || (state.kind !== "queued" && state.kind !== "installing")) {
      throw refuse("gone", "this install is over");
    }
    return token;
  }

  /** An installer that was given a fixed address may ask from it, too. */
  function staticAddress(read: Queries, token: TokenRecord): string | undefined {
    const network = findInstall(read, token.installId)?.spec.network;
    return network?.kind === "static" ? network.address.split("/")[0] : undefined;
  }

  async function rendered(token: TokenRecord, secret: string, file: string): Promise<string> {
    const install = findInstall(store.read, token.installId);
    if (install === undefined) throw new AppError("gone", "this install is over");
    const agent = await enrolment?.offer({
      mac: token.mac,
      name: install.spec.name,
      role: install.spec.role,
      arch: token.arch,
      baseUrl: token.baseUrl,
    });
    const { files } = await render({
      spec: install.spec,
      mac: token.mac,
      firmware: token.firmware,
      arch: token.arch,
      baseUrl: token.baseUrl,
      token: secret,
      inventory: discovery.inventoryOf(install.mac),
      kernelArgs: registry.byMac(install.mac)?.bootOptions?.kernelArgs,
      ...(agent && { agent }),
    });
    const text = Object.hasOwn(files, file) ? files[file] : undefined;
    if (text === undefined)
      throw new AppError("not-found", `this install has no file '${file.slice(0, 60)}'`);
    return text;
  }

  /** Numbers a report among all that happened to its machine. */
  function record(
    tx: Queries,
    { mac, installId }: Claim,
    report: ProgressReport,
    at: number,
  ): NumberedReport {
    const tail = tails.of(tx, mac, installId);
    const ends = report.outcome === "failed" || report.stage === finalStage;
    if (!ends && tail.reports >= maxReports) {
      throw new AppError("too-many", `an install may report ${maxReports} stages; this one has`);
    }
    tail.reports++;
    const numbered = { ...report, at, installId, event: ++tail.event };
    repository.insertReport(tx, numbered);
    journal?.(tx, { kind: "stage", mac, ...numbered });
    return numbered;
  }

  async function serve(secret: string, file: string, clientIp: string): Promise<string> {
    const hash = hashToken(secret);
    const text = await rendered(admit(store.read, hash, file, clientIp), secret, file);
    const { token, step } = await store.transaction((tx) => {
      // Again, inside: two requests may have come at once.
      const admitted = admit(tx, hash, file, clientIp);
      const machine = findMachine(tx, registry.byMac(admitted.mac)?.mac ?? admitted.mac);
      if (machine === undefined) throw new AppError("gone", "this install is over");
      const taken: Step = transitions.take(tx, machine, { kind: "claim", installId: admitted.installId });
      saveServed(tx, admitted, file, clock.now());
      return { token: { ...admitted, machine: machine.mac }, step: taken };
    });
    claims.add(hash, { mac: token.machine, installId: token.installId });
    transitions.settle(step);
    logger.info("install data served", { mac: token.mac, install: token.installId, file, clientIp });
    return text;
  }

  return {
    serve: (secret, file, clientIp) => turns.take(() => serve(secret, file, clientIp)),
    async length(secret, file, clientIp) {
      const token = admit(store.read, hashToken(secret), file, clientIp);
      return new TextEncoder().encode(await rendered(token, secret, file)).length;
    },
    claimOf(token) {
      const claim = claims.find(hashToken(token));
      if (claim) return claim;
      throw new AppError("unauthenticated", "this is not the token of a running install", {
        hint: "an install reports with the token its data was fetched with",
      });
    },
    async progress(claim, report) {
      const { mac, installId } = claim;
      let outcome: { step: Step; numbered: NumberedReport } | undefined;
      try {
        outcome = await store.transaction((tx) => {
          const machine = findMachine(tx, mac);
          if (machine === undefined) throw new AppError("conflict", "this machine was forgotten");
          if (repository.hasReport(tx, installId, report.seq)) return undefined;
          const { seq: _, ...said } = report;
          const event = { kind: "report", installId, ...said } as const;
          if (decide(machine.state, event, clock.now()).kind === "ignore") return undefined;
          // The report first: what ends an install reads them all.
          const numbered = record(tx, claim, report, clock.now());
          return { step: transitions.take(tx, machine, event), numbered };
        });
      } catch (error) {
        tails.drop(mac);
        throw error;
      }
      if (outcome === undefined) return false;
      feed.stage(mac, outcome.numbered);
      transitions.settle(outcome.step);
      return true;
    },
    async checkStalled() {
      for (const { mac, state } of [...registry.all()]) {
        if (state.kind !== "installing") continue;
        // What was silent while this program did not run was not heard, rather than not said.
        const heardAt = Math.max(state.heardAt, logs.heardAt(mac) ?? startedAt);
        if (decide({ ...state, heardAt }, { kind: "check" }, clock.now()).kind === "ignore") continue;
        const step = await store.transaction((tx): Step => {
          const machine = findMachine(tx, mac);
          if (machine?.state.kind !== "installing")
            return { kind: "ignored", reason: "no longer installing" };
          const current = {
            ...machine,
            state: { ...machine.state, heardAt: Math.max(machine.state.heardAt, heardAt) },
          };
          return transitions.take(tx, current, { kind: "check" });
        });
        transitions.settle(step);
        if (step.kind === "moved") logger.warn("an install stopped reporting", { mac });
      }
    },
  };
}
