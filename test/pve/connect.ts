import { type Clock, systemClock } from "../../src/platform/clock.ts";
import { type Logger, silentLogger } from "../../src/platform/logger.ts";
import { createPveClient, type PveClient } from "../../src/protocols/pve/client.ts";
import { parseEndpoint } from "../../src/protocols/pve/endpoint.ts";
import { createExchange } from "../../src/protocols/pve/exchange.client.ts";
import { parseFingerprint } from "../../src/protocols/pve/fingerprint.ts";
import { PveToken } from "../../src/protocols/pve/token.ts";
import type { FakePve } from "../fake-pve/fake.ts";
import { tokens } from "../fake-pve/lab.ts";

/** The real clock with shorter waits: a poll after 1 s comes after 20 ms. Ages are scaled alike. */
export const hastyClock: Clock = {
  now: () => systemClock.now(),
  monotonic: () => systemClock.monotonic() * 50,
  after: (ms, run) => systemClock.after(ms / 50, run),
  every: (ms, run) => systemClock.every(ms / 50, run),
};

export interface Connecting {
  token?: string;
  clock?: Clock;
  logger?: Logger;
  /** Trust by the CA instead of each node's fingerprint. */
  byCa?: boolean;
}

/** The client as the product makes it, for a fake's nodes. */
export function connect(fake: Pick<FakePve, "nodes" | "ca">, how: Connecting = {}): PveClient {
  const { token = tokens.full, clock = hastyClock, logger = silentLogger, byCa = false } = how;
  const endpoints = fake.nodes.map((node) =>
    parseEndpoint(node.address, byCa ? undefined : parseFingerprint(node.fingerprint)),
  );
  return createPveClient({
    exchange: createExchange(endpoints, byCa ? fake.ca : undefined, clock),
    token: PveToken.parse(token, "the test"),
    clock,
    random: Math.random,
    logger,
  });
}
