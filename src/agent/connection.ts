/** How the agent stands with labd. */
export type ConnectionState =
  | { kind: "disconnected" }
  /** Never been connected since the start. */
  | { kind: "connecting"; attempt: number }
  | { kind: "connected"; since: number }
  | { kind: "reconnecting"; attempt: number };

export type ConnectionEvent =
  | { kind: "start" }
  | { kind: "welcomed"; at: number }
  /** The attempt failed or the connection was lost; labd said it would be back after so many milliseconds. */
  | { kind: "lost"; after?: number }
  | { kind: "stop" };

export interface Step {
  state: ConnectionState;
  /** Milliseconds to wait before the next attempt; absent: none is due. */
  connectAfter?: number;
}

const shortest = 1_000;
const longest = 30_000;

/** `random` is a number in [0, 1): a thousand agents of one labd must not all come back at the same moment. */
export function decideConnection(state: ConnectionState, event: ConnectionEvent, random: number): Step {
  switch (event.kind) {
    case "start":
      return state.kind === "disconnected"
        ? { state: { kind: "connecting", attempt: 1 }, connectAfter: 0 }
        : { state };
    case "stop":
      return { state: { kind: "disconnected" } };
    case "welcomed":
      return state.kind === "disconnected" ? { state } : { state: { kind: "connected", since: event.at } };
    case "lost": {
      if (state.kind === "disconnected") return { state };
      const attempt = state.kind === "connected" ? 1 : state.attempt + 1;
      const kind = state.kind === "connecting" ? "connecting" : "reconnecting";
      // Where labd said when, there is nothing to back off from; only that not all come at once.
      const wait = event.after === undefined ? backOff(attempt, random) : event.after * (0.5 + random);
      return { state: { kind, attempt }, connectAfter: Math.round(wait) };
    }
  }
}

/** Up to 2 s, doubling up to 30 s, of which the last half is left to chance. */
export function backOff(attempt: number, random: number): number {
  const ceiling = Math.min(longest, shortest * 2 ** Math.min(attempt, 10));
  return Math.round((ceiling / 2) * (1 + random));
}
