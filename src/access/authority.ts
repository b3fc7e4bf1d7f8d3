import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import type { Queries, Store } from "../store/database.ts";
import type { AuditLog } from "./audit-log.ts";
import {
  type AuthorityRow,
  activateAuthority,
  type CertificateRow,
  findCertificate,
  forgetExpired,
  insertCertificate,
  listAuthorities,
  listCertificates,
  livingHolders,
  retireAuthority,
  revokeCertificates,
  supersedeCertificates,
} from "./authority-repository.ts";
import {
  createRoot,
  crossSign,
  type Holder,
  type Issued,
  issueLeaf,
  type LeafRequest,
  type Root,
} from "./certificates.ts";
import type { KeySeal } from "./key-seal.ts";
import type { Actor } from "./principal.ts";
import { backdate } from "./validity.ts";

const hour = 3_600_000;
const day = 24 * hour;
const rootLifetime = 10 * 365 * day;
/** How long each holder's certificate lives; it is renewed by its holder when a third is left. */
export const lifetimes: Record<Holder, number> = {
  server: 30 * day,
  agent: 7 * day,
  bastion: 30 * day,
  user: 12 * hour,
};

/** A root as anybody may see it. */
export interface AuthorityView {
  id: number;
  state: "active" | "trusted";
  fingerprint: string;
  pem: string;
  createdAt: number;
  notAfter: number;
  /** Names of those who use a certificate it signed. */
  agents: string[];
  bastions: string[];
  users: string[];
}

export type Verdict =
  | { trusted: true; holder: Holder; name: string; fingerprint: string }
  | { trusted: false; because: string };

export interface Authority {
  /** All roots that are trusted now, the signing one first, as one PEM text. */
  bundle(): string;
  /** What a server sends after its own certificate, so that those who know an older root can follow it. */
  chain(): string;
  /** SHA-256 of the signing root; goes into join tokens. */
  fingerprint(): string;
  /** A certificate for the key of `csrPem`, recorded within the caller's transaction. */
  issue(tx: Queries, csrPem: string, leaf: Omit<LeafRequest, "notBefore" | "notAfter">): Promise<Issued>;
  /** Whether the certificate of this fingerprint is ours and holds: asked for each new connection. */
  judge(fingerprint: string, queries?: Queries): Promise<Verdict>;
  /** More than one root is trusted. */
  readonly rotating: boolean;
  show(): Promise<AuthorityView[]>;
  /** A new root signs from now on; the old one stays trusted until it is retired. */
  rotate(actor: Actor): Promise<void>;
  /** Trusts an old root no more; the answer is the fingerprints of certificates that end by it. */
  retire(actor: Actor, id: number): Promise<string[]>;
  /** Takes every certificate of the holder back; the answer is their fingerprints. */
  revoke(tx: Queries, holder: Holder, name: string, because: string): Promise<string[]>;
  /** Takes back what the holder had before this certificate; the answer is their fingerprints. */
  supersede(tx: Queries, holder: Holder, name: string, fingerprint: string): Promise<string[]>;
  certificatesOf(holder: Holder, name: string): Promise<CertificateRow[]>;
  /** Drops what expired long ago. */
  tidy(): Promise<void>;
}

/** Opens the roots of the database, making the first one. @throws `config` when the seal's key is a wrong one. */
export async function openAuthority(
  store: Store,
  seal: KeySeal,
  audit: AuditLog,
  clock: Clock,
  name: string,
): Promise<Authority> {
  /** The signing one first, then the newest. */
  let roots: AuthorityRow[] = [];
  let signing: Root | undefined;
  await load();
  if (signing === undefined) await add(undefined);

  async function load(): Promise<void> {
    roots = (await listAuthorities(store.read)).reverse();
    const row = roots[0];
    if (row === undefined) return;
    const privateKey = await seal.open(row.sealedKey, contextOf(row.fingerprint));
    signing = { ...row, serial: "", privateKey };
  }

  async function add(actor: Actor | undefined): Promise<void> {
    const now = clock.now();
    const root = await createRoot(`${name} ${new Date(now).toISOString().slice(0, 10)}`, now, rootLifetime);
    const sealedKey = await seal.seal(root.privateKey, contextOf(root.fingerprint));
    const crossPem = signing === undefined ? null : await crossSign(signing, root);
    const { pem, fingerprint, notAfter } = root;
    await store.transaction(async (tx) => {
      await activateAuthority(tx, { pem, fingerprint, notAfter, sealedKey, crossPem, createdAt: now });
      if (actor)
        await audit.append(tx, actor, { action: "ca:rotate", resource: `ca/${fingerprint.slice(0, 16)}` });
    });
    await load();
  }

  const active = (): { row: AuthorityRow; root: Root } => {
    const [row] = roots;
    if (row === undefined || signing === undefined)
      throw new AppError("internal", "no certificate authority is active");
    return { row, root: signing };
  };

  async function show(): Promise<AuthorityView[]> {
    const views: AuthorityView[] = [];
    // A user who has a newer certificate uses that one; an agent says when it does, and the older are taken back.
    const moved = new Set<string>();
    for (const { id, state, fingerprint, pem, createdAt, notAfter } of roots) {
      const living = await livingHolders(store.read, id, clock.now());
      const named = (holder: Holder) =>
        living.filter((each) => each.holder === holder).map((each) => each.name);
      const users = named("user").filter((user) => !moved.has(user));
      for (const user of users) moved.add(user);
      views.push({
        id,
        state,
        fingerprint,
        pem,
        createdAt,
        notAfter,
        agents: named("agent"),
        bastions: named("bastion"),
        users,
      });
    }
    return views;
  }

  return {
    bundle: () => roots.map((row) => row.pem.trim()).join("\n"),
    // The oldest root's own cross certificate leads to one that is trusted no more.
    chain: () =>
      roots
        .slice(0, -1)
        .map((row) => row.crossPem?.trim() ?? "")
        .join("\n"),
    fingerprint: () => active().row.fingerprint,
    async issue(tx, csrPem, leaf) {
      const { row, root } = active();
      const now = clock.now();
      const issued = await issueLeaf(root, csrPem, {
        ...leaf,
        notBefore: now - backdate,
        notAfter: now + lifetimes[leaf.holder],
      });
      await insertCertificate(tx, {
        fingerprint: issued.fingerprint,
        serial: issued.serial,
        authorityId: row.id,
        holder: leaf.holder,
        name: leaf.name,
        issuedAt: now,
        notAfter: issued.notAfter,
      });
      return issued;
    },
    async judge(fingerprint, queries = store.read) {
      const row = await findCertificate(queries, fingerprint);
      if (row === undefined) return { trusted: false, because: "it was not issued here" };
      if (row.revokedAt !== null) return { trusted: false, because: `it was revoked: ${row.revokedBecause}` };
      if (row.notAfter <= clock.now()) return { trusted: false, because: "it has expired" };
      return { trusted: true, holder: row.holder, name: row.name, fingerprint };
    },
    get rotating() {
      return roots.length > 1;
    },
    show,
    rotate: add,
    async retire(actor, id) {
      const row = roots.find((each) => each.id === id);
      if (row === undefined || row === roots[0]) {
        throw new AppError("conflict", `root ${id} cannot be retired: it signs, or is not trusted any more`, {
          hint: "labctl ca show; labctl ca rotate makes one that takes its place",
        });
      }
      const ended = await store.transaction(async (tx) => {
        const revoked = await retireAuthority(tx, id, clock.now(), "its root was retired");
        const resource = `ca/${row.fingerprint.slice(0, 16)}`;
        await audit.append(tx, actor, { action: "ca:retire", resource });
        return revoked;
      });
      await load();
      return ended;
    },
    supersede: (tx, holder, holderName, fingerprint) =>
      supersedeCertificates(tx, { holder, name: holderName, fingerprint }, clock.now()),
    revoke: (tx, holder, holderName, because) =>
      revokeCertificates(tx, holder, holderName, clock.now(), because),
    certificatesOf: (holder, holderName) => listCertificates(store.read, holder, holderName),
    tidy: () => store.transaction((tx) => forgetExpired(tx, clock.now() - 90 * day)),
  };
}

const contextOf = (fingerprint: string) => `certificate authority ${fingerprint.slice(0, 16)}`;
