import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSigningRequest, isSignedBy, renewalDue } from "../access/service.ts";
import type { LabdMessage } from "../fleet/protocol.ts";
import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import type { AgentState } from "./state.client.ts";

export interface RenewalDeps {
  clock: Clock;
  state(): AgentState;
  /** Returns when it is on disk. */
  save(change: Partial<AgentState>): void;
  /** False while there is no connection. */
  ask(csrPem: string): boolean;
  kept(fingerprint: string): void;
}

/** Keeps this host's certificate good: asks for the next one in time, and takes it only with its own key. */
export interface Renewal {
  /** Asks for a new certificate when a third of the life is left, by labd's clock. */
  whenDue(labdNow: number): Promise<void>;
  /** Asks for one now; resolves with its end, in milliseconds since the epoch. @throws `unavailable`, `timeout`. */
  now(): Promise<number>;
  /** Trusts these roots; another one that signs means another certificate. */
  trust(authorities: string): Promise<void>;
  receive(message: Extract<LabdMessage, { kind: "certificate" }>): void;
}

/** Milliseconds labd has to answer a request. */
const patience = 30_000;

export function createRenewal({ clock, state, save, ask, kept }: RenewalDeps): Renewal {
  let pending: { keyPem: string; done: PromiseWithResolvers<number>; cancelWait: () => void } | undefined;

  async function request(): Promise<number> {
    if (pending) return pending.done.promise;
    const done = Promise.withResolvers<number>();
    // Whoever asked hears of a failure; the request that nobody waits for is made again when it is due.
    done.promise.catch(() => {});
    const asked = { keyPem: "", done, cancelWait: () => {} };
    pending = asked;
    const { keyPem, csrPem } = await createSigningRequest(state().name);
    asked.keyPem = keyPem;
    const fail = (error: AppError) => {
      if (pending === asked) pending = undefined;
      done.reject(error);
    };
    asked.cancelWait = clock.after(patience, () =>
      fail(new AppError("timeout", `labd did not answer within ${patience / 1000} s`)),
    );
    if (!ask(csrPem)) {
      asked.cancelWait();
      fail(new AppError("unavailable", "there is no connection to labd"));
    }
    return done.promise;
  }

  const ignoreFailure = (work: Promise<number>): Promise<void> =>
    work.then(
      () => {},
      () => {},
    );

  return {
    now: request,
    async whenDue(labdNow) {
      if (renewalDue(state().certificatePem, labdNow)) await ignoreFailure(request());
    },
    async trust(authorities) {
      if (authorities !== state().authoritiesPem) save({ authoritiesPem: authorities });
      if (!(await isSignedBy(state().certificatePem, authorities))) await ignoreFailure(request());
    },
    receive({ pem, authorities }) {
      const certificate = new X509Certificate(pem);
      // An answer to a request that was given up is for a key that is gone.
      if (pending === undefined || pending.keyPem === "") return;
      if (!certificate.checkPrivateKey(createPrivateKey(pending.keyPem))) return;
      const { keyPem, done, cancelWait } = pending;
      pending = undefined;
      cancelWait();
      save({ keyPem, certificatePem: pem, authoritiesPem: authorities });
      kept(certificate.fingerprint256.replaceAll(":", "").toLowerCase());
      done.resolve(certificate.validToDate.getTime());
    },
  };
}
