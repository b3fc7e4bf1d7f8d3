/** A node's API that could not be reached is left alone for this long, unless no other is left. */
export const restMs = 30_000;

export interface EndpointRing {
  /** Index of the endpoint to try first. */
  preferred: number;
  /** For each endpoint, the monotonic time until which it is thought down; 0 when it is not. */
  downUntil: readonly number[];
}

export function createRing(size: number): EndpointRing {
  return { preferred: 0, downUntil: Array.from({ length: size }, () => 0) };
}

export const isDown = (ring: EndpointRing, index: number, now: number) => (ring.downUntil[index] ?? 0) > now;

/** Which endpoints to try, in order: the preferred one, the others, and last those thought down. */
export function tryOrder(ring: EndpointRing, now: number): number[] {
  const size = ring.downUntil.length;
  const order = Array.from({ length: size }, (_, step) => (ring.preferred + step) % size);
  const down = (index: number) => isDown(ring, index, now);
  return [...order.filter((index) => !down(index)), ...order.filter(down)];
}

export function markDown(ring: EndpointRing, index: number, now: number): EndpointRing {
  const downUntil = ring.downUntil.map((until, own) => (own === index ? now + restMs : until));
  const next: EndpointRing = { ...ring, downUntil };
  return { ...next, preferred: tryOrder(next, now)[0] ?? ring.preferred };
}

export function markUp(ring: EndpointRing, index: number): EndpointRing {
  if (ring.preferred === index && ring.downUntil[index] === 0) return ring;
  return { preferred: index, downUntil: ring.downUntil.map((until, own) => (own === index ? 0 : until)) };
}
