import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import type { Queries, Store } from "../store/database.ts";
import type { AuditLog } from "./audit-log.ts";
import {
  type AuthorityRow,
  activateAuthority,
  type CertificateRow,
  countLiving,
  findCertificate,
  forgetExpired,
  insertCertificate,
  listAuthorities,
  listCertificates,
  revokeCertificates,
} from "./authority-repository.ts";
import {
  backdate,
  createRoot,
  type Holder,
  type Issued,
  issueLeaf,
  type LeafRequest,
  type Root,
} from "./certificates.ts";
import type { KeySeal } from "./key-seal.ts";
import type { Actor } from "./principal.ts";

const hour = 3_600_000;
const day = 24 * hour;
const rootLifetime = 10 * 365 * day;
/** How long each holder's certificate lives; it is renewed by its holder when a third is left. */
export const lifetimes: Record<Holder, number> = { server: 30 * day, agent: 7 * day, user: 12 * hour };

/** A root as anybody may see it. */
export interface AuthorityView {
  id: number;
  state: "active" | "trusted";
  fingerprint: string;
  pem: string;
  createdAt: number;
  notAfter: number;
  /** Certificates it signed that hold still. */
  living: number;
}

export type Verdict =
  | { trusted: true; holder: Holder; name: string; fingerprint: string }
  | { trusted: false; because: string };

export interface Authority {
  /** All roots that are trusted now, the signing one first, as one PEM text. */
  bundle(): string;
  /** SHA-256 of the signing root; goes into join tokens. */
  fingerprint(): string;
  /** A certificate for the key of `csrPem`, recorded within the caller's transaction. */
  issue(tx: Queries, csrPem: string, leaf: Omit<LeafRequest, "notBefore" | "notAfter">): Promise<Issued>;
  /** Whether the certificate of this fingerprint is ours and holds: asked for each new connection. */
  judge(fingerprint: string): Promise<Verdict>;
  show(): Promise<AuthorityView[]>;
  /** A new root signs from now on; the old one stays trusted until nothing it signed is left. */
  rotate(actor: Actor): Promise<void>;
  /** Takes every certificate of the holder back; the answer is their fingerprints. */
  revoke(tx: Queries, holder: Holder, name: string, because: string): Promise<string[]>;
  certificatesOf(holder: Holder, name: string): Promise<CertificateRow[]>;
  /** Drops what expired long ago. */
  tidy(): Promise<void>;
}

interface OpenRoot {
  row: AuthorityRow;
  root: Root;
}

/** Opens the roots of the database, making the first one. @throws `config` when the seal's key is a wrong one. */
export async function openAuthority(
  store: Store,
  seal: KeySeal,
  audit: AuditLog,
  clock: Clock,
  name: string,
): Promise<Authority> {
  let roots: OpenRoot[] = await load();
  if (roots.length === 0) {
    await add(undefined);
    roots = await load();
  }

  async function load(): Promise<OpenRoot[]> {
    const rows = await listAuthorities(store.read);
    const open = await Promise.all(
      rows.map(async (row) => ({
        row,
        root: {
          pem: row.pem,
          serial: "",
          fingerprint: row.fingerprint,
          notAfter: row.notAfter,
          privateKey: await seal.open(row.sealedKey, contextOf(row.fingerprint)),
        },
      })),
    );
    return open.sort((a, b) => (a.row.state === b.row.state ? 0 : a.row.state === "active" ? -1 : 1));
  }

  async function add(actor: Actor | undefined): Promise<void> {
    const now = clock.now();
    const root = await createRoot(`${name} ${new Date(now).toISOString().slice(0, 10)}`, now, rootLifetime);
    const sealedKey = await seal.seal(root.privateKey, contextOf(root.fingerprint));
    const { pem, fingerprint, notAfter } = root;
    await store.transaction(async (tx) => {
      await activateAuthority(tx, { pem, fingerprint, notAfter, sealedKey, createdAt: now });
      if (actor)
        await audit.append(tx, actor, { action: "ca:rotate", resource: `ca/${fingerprint.slice(0, 16)}` });
    });
  }

  const active = (): OpenRoot => {
    const [first] = roots;
    if (first?.row.state !== "active") throw new AppError("internal", "no certificate authority is active");
    return first;
  };

  return {
    bundle: () => roots.map(({ row }) => row.pem.trim()).join("\n"),
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
    async judge(fingerprint) {
      const row = await findCertificate(store.read, fingerprint);
      if (row === undefined) return { trusted: false, because: "it was not issued here" };
      if (row.revokedAt !== null) return { trusted: false, because: `it was revoked: ${row.revokedBecause}` };
      if (row.notAfter <= clock.now()) return { trusted: false, because: "it has expired" };
      return { trusted: true, holder: row.holder, name: row.name, fingerprint };
    },
    show: () =>
      Promise.all(
        roots.map(async ({ row: { id, state, fingerprint, pem, createdAt, notAfter } }) => {
          const living = await countLiving(store.read, id, clock.now());
          return { id, state, fingerprint, pem, createdAt, notAfter, living };
        }),
      ),
    async rotate(actor) {
      await add(actor);
      roots = await load();
    },
    revoke: (tx, holder, holderName, because) =>
      revokeCertificates(tx, holder, holderName, clock.now(), because),
    certificatesOf: (holder, holderName) => listCertificates(store.read, holder, holderName),
    tidy: () => store.transaction((tx) => forgetExpired(tx, clock.now() - 90 * day)),
  };
}

const contextOf = (fingerprint: string) => `certificate authority ${fingerprint.slice(0, 16)}`;
