import type { Clock } from "../platform/clock.ts";
import { AppError } from "../platform/errors.ts";
import type { Store } from "../store/database.ts";
import type { Authority, AuthorityView } from "./authority.ts";
import type { Actor } from "./principal.ts";
import { countFingerprinted } from "./token-repository.ts";

/** An old root stays at least so long, in milliseconds, for contexts of users who are away. */
const overlap = 24 * 3_600_000;

export interface RootStanding extends AuthorityView {
  /** Join and login tokens that carry its fingerprint and can be used still. */
  tokens: number;
}

/** How one root takes the place of another while both are trusted. */
export interface RootRotation {
  show(): Promise<RootStanding[]>;
  rotate(actor: Actor): Promise<void>;
  /** Ends the trust in an old root: the one named, or every one. @throws `conflict`, naming who depends on it. */
  retire(actor: Actor, id: number | undefined, force: boolean): Promise<void>;
  /** Retires what nobody depends on any more; asked now and then. */
  retireUnused(actor: Actor): Promise<void>;
}

/** `onChange` hears of every change of who is trusted, with the certificates that ended by it. */
export function createRootRotation(
  store: Store,
  authority: Authority,
  clock: Clock,
  onChange: (ended: readonly string[]) => Promise<void>,
): RootRotation {
  async function show(): Promise<RootStanding[]> {
    const roots = await authority.show();
    return Promise.all(
      roots.map(async (root, index) => {
        const until = roots[index - 1]?.createdAt ?? Number.MAX_SAFE_INTEGER;
        return { ...root, tokens: await countFingerprinted(store.read, root.createdAt, until, clock.now()) };
      }),
    );
  }

  async function retire(actor: Actor, roots: readonly RootStanding[]): Promise<void> {
    const ended: string[] = [];
    for (const { id } of roots) ended.push(...(await authority.retire(actor, id)));
    await onChange(ended);
  }

  return {
    show,
    async rotate(actor) {
      await authority.rotate(actor);
      await onChange([]);
    },
    async retire(actor, id, force) {
      const wanted = (await show()).slice(1).filter((root) => id === undefined || root.id === id);
      if (wanted.length === 0) {
        throw new AppError("conflict", "there is no old root to retire", {
          hint: "labctl ca rotate makes a new one first; labctl ca show",
        });
      }
      const held = wanted.map(dependants).find((text) => text !== "");
      if (held !== undefined && !force) {
        throw new AppError("conflict", `the old root is still needed by ${held}`, {
          hint: "agents move over when they connect, users at their next command; --force cuts them off",
        });
      }
      await retire(actor, wanted);
    },
    async retireUnused(actor) {
      if (!authority.rotating) return;
      const [signing, ...old] = await show();
      if (signing === undefined || clock.now() - signing.createdAt < overlap) return;
      const unused = old.filter((root) => dependants(root) === "");
      if (unused.length > 0) await retire(actor, unused);
    },
  };
}

const named = 10;

function dependants({ agents, bastions, users, tokens }: RootStanding): string {
  const names = [
    ...agents.map((name) => `server/${name}`),
    ...bastions.map((name) => `bastion/${name}`),
    ...users.map((name) => `user/${name}`),
  ];
  const shown = names.slice(0, named);
  if (names.length > named) shown.push(`${names.length - named} more`);
  if (tokens > 0) shown.push(`${tokens} unused ${tokens === 1 ? "token" : "tokens"}`);
  return shown.join(", ");
}
