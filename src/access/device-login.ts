// A command line that waits to be let in, after RFC 8628 (the OAuth device authorization grant).

/** Milliseconds. */
export const deviceLife = { whole: 10 * 60_000, poll: 5_000 };
/** What `slow_down` adds to the interval (section 3.5). */
const slower = 5_000;

/** Section 6.1: no vowels, so no words, and nothing that is easily taken for another; 20^8 of them. */
const letters = "BCDFGHJKLMNPQRSTVWXZ";
export const codeLength = 8;

/** @param random as many bytes as wanted; those that would favour some letters are passed over. */
export function createUserCode(random: (bytes: number) => Uint8Array): string {
  let code = "";
  while (code.length < codeLength) {
    for (const byte of random(16)) {
      if (byte < 240 && code.length < codeLength) code += letters[byte % letters.length];
    }
  }
  return code;
}

/** As a person typed it: lower case, with or without the dash. `undefined`: no code at all. */
export function readUserCode(text: string): string | undefined {
  const code = text.toUpperCase().replaceAll(/[\s-]/g, "");
  return code.length === codeLength && [...code].every((letter) => letters.includes(letter))
    ? code
    : undefined;
}

export const formatUserCode = (code: string) => `${code.slice(0, 4)}-${code.slice(4)}`;

export type PollDecision =
  | { kind: "expired" }
  | { kind: "denied" }
  /** Asked again before its interval was over. */
  | { kind: "slow-down"; interval: number }
  | { kind: "pending" }
  | { kind: "granted" };

export function decidePoll(
  login: {
    state: "pending" | "granted" | "denied";
    expiresAt: number;
    polledAt: number | null;
    pollInterval: number;
  },
  now: number,
): PollDecision {
  if (login.expiresAt <= now) return { kind: "expired" };
  if (login.state === "denied") return { kind: "denied" };
  // A little early is the network's doing.
  if (login.polledAt !== null && now - login.polledAt < login.pollInterval * 0.8) {
    return { kind: "slow-down", interval: Math.min(login.pollInterval + slower, 60_000) };
  }
  return { kind: login.state };
}
