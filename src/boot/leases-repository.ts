import { and, eq, ne, sql } from "drizzle-orm";
import { readMac } from "../platform/mac.ts";
import { formatIpv4, readIpv4 } from "../protocols/inet/ipv4.ts";
import type { Queries, Store } from "../store/database.ts";
import { dhcpLeases } from "../store/schema/boot.ts";
import type { Lease } from "./leases.ts";

export interface LeaseChange {
  lease: Lease;
  /** `10.0.0.0/24`: what else its MAC held there is forgotten. */
  network: string;
}

export interface LeasesRepository {
  /** Every lease that was saved, expired ones included: they remember who had an address. */
  load(): Promise<Lease[]>;
  /** Resolves once all of them are on disk; until then nobody may be told. */
  save(changes: readonly LeaseChange[]): Promise<void>;
}

export function createLeasesRepository(store: Store): LeasesRepository {
  return {
    async load() {
      const rows = await store.read.select().from(dhcpLeases);
      return rows.flatMap((row): Lease[] => {
        const address = readIpv4(row.address);
        const mac = readMac(row.mac);
        if (address === undefined || mac === undefined) return [];
        const named = row.hostname === null ? {} : { hostname: row.hostname };
        return [{ address, mac, state: row.state, expires: row.expiresAt, ...named }];
      });
    },
    async save(changes) {
      await store.transaction((tx) => {
        const { forget, upsert } = tx.prepared(statements);
        for (const { lease, network } of changes) {
          if (lease.state === "offered") continue;
          const address = formatIpv4(lease.address);
          if (lease.state === "bound") forget.run({ address, network, mac: lease.mac });
          upsert.run({
            address,
            network,
            mac: lease.mac,
            state: lease.state,
            expiresAt: lease.expires,
            hostname: lease.hostname ?? null,
          });
        }
      });
    },
  };
}

function statements(queries: Queries) {
  const { placeholder } = sql;
  return {
    forget: queries
      .delete(dhcpLeases)
      .where(
        and(
          eq(dhcpLeases.mac, placeholder("mac")),
          eq(dhcpLeases.network, placeholder("network")),
          ne(dhcpLeases.address, placeholder("address")),
          ne(dhcpLeases.state, "declined"),
        ),
      )
      .prepare(),
    upsert: queries
      .insert(dhcpLeases)
      .values({
        address: placeholder("address"),
        network: placeholder("network"),
        mac: placeholder("mac"),
        state: placeholder("state"),
        expiresAt: placeholder("expiresAt"),
        hostname: placeholder("hostname"),
      })
      .onConflictDoUpdate({
        target: dhcpLeases.address,
        set: {
          network: sql`excluded.network`,
          mac: sql`excluded.mac`,
          state: sql`excluded.state`,
          expiresAt: sql`excluded.expires_at`,
          hostname: sql`excluded.hostname`,
        },
      })
      .prepare(),
  };
}
