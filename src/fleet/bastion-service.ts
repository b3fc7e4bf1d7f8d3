import {
  type Actor,
  type AuditLog,
  type Authority,
  decideAccess,
  type TokenService,
} from "../access/service.ts";
import type { MachineFact, RemoteMachines } from "../machines/service.ts";
import type { Clock } from "../platform/clock.ts";
import { AppError, toAppError } from "../platform/errors.ts";
import type { Store } from "../store/database.ts";
import { bastionName } from "./bastion-protocol.ts";
import {
  type BastionRecord,
  findBastion,
  loadBastions,
  removeBastion,
  saveBastion,
  updateBastion,
} from "./bastion-repository.ts";

/** One bastion's connection. */
export interface BastionLink {
  /** The certificate it came with: what a revocation names. */
  fingerprint: string;
  trust(authorities: string): void;
  close(reason: string): void;
}

export interface BastionView extends BastionRecord {
  state: "connected" | "disconnected";
}

interface Certified {
  name: string;
  certificate: string;
  authorities: string;
}

/** Bastions elsewhere: who they are, and what they tell of their machines. */
export interface Bastions {
  list(): BastionView[];
  /** Uses the token and certifies the bastion's key, in one transaction. @throws `unauthenticated`, `conflict`, `invalid`. */
  enrol(
    actor: Actor,
    request: { token: string; csr: string; hostname: string; version: string; address: string },
  ): Promise<Certified>;
  renew(actor: Actor, name: string, csr: string): Promise<Certified>;
  /** Takes its certificates back and closes its connection; `forget` removes it with all that it told. */
  takeBack(actor: Actor, name: string, because: string, forget: boolean): Promise<void>;
  /** A connection stands. @throws `unauthenticated`. The answer is how far this outbox was stored, and the roots to trust; one that is new here starts from nothing. */
  greet(
    name: string,
    hello: { outbox: string; version: string; address: string },
    link: BastionLink,
  ): Promise<{ taken: number; authorities: string }>;
  leave(name: string, link: BastionLink): void;
  /** Stores what is new of these and answers how far it goes. */
  take(actor: Actor, name: string, facts: readonly { seq: number; fact: MachineFact }[]): Promise<number>;
  /** A join token for one machine, for one use. */
  mint(actor: Actor, name: string, machine: { mac: string; name: string; role: string }): Promise<string>;
  /** Who is trusted has changed: every bastion that is connected is told, or cut off where its certificate ended by it. */
  trust(ended: readonly string[]): void;
  stop(): Promise<void>;
}

/** A machine that was installed has so long, in milliseconds, to come up and join. */
const joinPatience = 24 * 3_600_000;

export async function createBastions({
  store,
  clock,
  audit,
  authority,
  tokens,
  remote,
}: {
  store: Store;
  clock: Clock;
  audit: AuditLog;
  authority: Authority;
  tokens: TokenService;
  remote: RemoteMachines;
}): Promise<Bastions> {
  const records = new Map((await loadBastions(store.read)).map((record) => [record.name, record]));
  const links = new Map<string, BastionLink>();

  const find = (name: string): BastionRecord => {
    const record = records.get(name);
    if (record) return record;
    throw new AppError("not-found", `there is no bastion '${name.slice(0, 80)}'`, {
      hint: "labctl get bastions",
    });
  };
  const change = (name: string, part: Partial<BastionRecord>) => {
    const record = records.get(name);
    if (record) records.set(name, { ...record, ...part });
  };
  const cut = (name: string, reason: string) => {
    links.get(name)?.close(reason);
    links.delete(name);
  };

  /** Every message asks anew: a right that is taken away ends at once. */
  async function need(
    actor: Actor,
    permission: "bastion:report" | "bastion:mint",
    name: string,
  ): Promise<void> {
    const decision = decideAccess(actor.principal.roles, permission);
    if (decision.allowed) return;
    const resource = `bastion/${name}`;
    await audit.record(actor, { action: permission, resource, result: "refused", detail: decision.because });
    throw new AppError("forbidden", `${actor.principal.name} may not ${permission}: ${decision.because}`);
  }

  return {
    list: () =>
      [...records.values()]
        .map(
          (record): BastionView => ({
            ...record,
            state: links.has(record.name) ? "connected" : "disconnected",
          }),
        )
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    async enrol(actor, request) {
      const joined = store.transaction(async (tx) => {
        const { scope, id } = await tokens.use(tx, "join", request.token);
        if (scope.as !== "bastion") {
          throw new AppError("unauthenticated", "this token lets in a host, not a bastion", {
            hint: "labctl token create --bastion --name NAME makes one that does",
          });
        }
        const name = bastionName.safeParse(scope.name ?? request.hostname.toLowerCase());
        if (!name.success) {
          throw new AppError("invalid", `a bastion's name ${name.error.issues[0]?.message}`, {
            hint: "make a token with --name",
          });
        }
        // As the transaction sees it: another that took the name may be of the same commit.
        const before = await findBastion(tx, name.data);
        if (before !== undefined && scope.name === undefined) {
          throw new AppError("conflict", `there is a bastion '${name.data}' already`, {
            hint: `labctl bastion remove ${name.data}, or make a token with --name ${name.data}`,
          });
        }
        await authority.revoke(tx, "bastion", name.data, "the bastion enrolled again");
        const issued = await authority.issue(tx, request.csr, { holder: "bastion", name: name.data });
        const record: BastionRecord = {
          taken: 0,
          ...before,
          name: name.data,
          enrolledAt: clock.now(),
          version: request.version,
          address: request.address,
        };
        await saveBastion(tx, record);
        await audit.append(tx, actor, {
          action: "bastions:enrol",
          resource: `bastion/${name.data}`,
          detail: `token/${id}`,
        });
        return { record, issued };
      });
      const { record, issued } = await joined.catch(async (error: unknown) => {
        await audit.record(actor, {
          action: "bastions:enrol",
          resource: `bastion/${request.hostname}`,
          result: "refused",
          detail: toAppError(error).message,
        });
        throw error;
      });
      records.set(record.name, record);
      cut(record.name, "the bastion enrolled again");
      return { name: record.name, certificate: issued.pem, authorities: authority.bundle() };
    },
    async renew(actor, name, csr) {
      find(name);
      const issued = await store.transaction(async (tx) => {
        const certificate = await authority.issue(tx, csr, { holder: "bastion", name });
        await audit.append(tx, actor, { action: "bastions:renew", resource: `bastion/${name}` });
        return certificate;
      });
      return { name, certificate: issued.pem, authorities: authority.bundle() };
    },
    async takeBack(actor, name, because, forget) {
      find(name);
      await store.transaction(async (tx) => {
        await authority.revoke(tx, "bastion", name, because);
        if (forget) await removeBastion(tx, name);
        await audit.append(tx, actor, {
          action: forget ? "bastions:delete" : "bastions:revoke",
          resource: `bastion/${name}`,
          detail: because,
        });
      });
      cut(name, `its certificate was revoked: ${because}`);
      if (!forget) return;
      records.delete(name);
      remote.settleForgotten(name);
    },
    async greet(name, { outbox, version, address }, link) {
      const now = clock.now();
      const { taken, anew } = await store.transaction(async (tx) => {
        const known = await findBastion(tx, name);
        if (known === undefined) throw new AppError("unauthenticated", `bastion/${name} was removed`);
        // Its connection may be older than what was revoked since: nothing was linked that could be cut.
        const verdict = await authority.judge(link.fingerprint, tx);
        if (!verdict.trusted)
          throw new AppError("unauthenticated", `its certificate is not accepted: ${verdict.because}`);
        const fresh = known.outbox !== outbox;
        if (fresh) remote.forget(tx, name);
        const reached = fresh ? 0 : known.taken;
        await updateBastion(tx, name, { outbox, taken: reached, version, address, seenAt: now });
        await authority.supersede(tx, "bastion", name, link.fingerprint);
        return { taken: reached, anew: fresh };
      });
      if (anew) remote.settleForgotten(name);
      change(name, { outbox, taken, version, address, seenAt: now });
      cut(name, "the bastion connected again");
      links.set(name, link);
      return { taken, authorities: authority.bundle() };
    },
    leave(name, link) {
      if (links.get(name) === link) links.delete(name);
    },
    async take(actor, name, facts) {
      await need(actor, "bastion:report", name);
      const now = clock.now();
      const { taken, changes } = await store.transaction(async (tx) => {
        const known = await findBastion(tx, name);
        if (known === undefined) throw new AppError("unauthenticated", `bastion/${name} was removed`);
        // After a lost connection it sends again what it did not see acknowledged.
        const fresh = facts.filter(({ seq }) => seq > known.taken);
        const stored = remote.store(
          tx,
          name,
          fresh.map(({ fact }) => fact),
        );
        const reached = fresh.at(-1)?.seq ?? known.taken;
        await updateBastion(tx, name, { taken: reached, seenAt: now });
        return { taken: reached, changes: stored };
      });
      remote.settle(name, changes);
      change(name, { taken, seenAt: now });
      return taken;
    },
    async mint(actor, name, machine) {
      await need(actor, "bastion:mint", name);
      const { text } = await tokens.create(actor, {
        kind: "join",
        description: `install of ${machine.name} by bastion/${name}`,
        scope: { name: machine.name, mac: machine.mac, labels: { role: machine.role, bastion: name } },
        lifetime: joinPatience,
        uses: 1,
      });
      return text;
    },
    trust(ended) {
      for (const [name, link] of [...links]) {
        if (ended.includes(link.fingerprint)) cut(name, "its root was retired");
        else link.trust(authority.bundle());
      }
    },
    async stop() {
      for (const name of [...links.keys()]) cut(name, "labd stops");
      remote.close();
    },
  };
}
