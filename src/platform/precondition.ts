/**
 * Judges what is there within the transaction that changes it; `undefined`: nothing is.
 * @throws `stale` when it is not what the asker knows.
 */
export type Precondition = (current: unknown) => void;

/** Whatever is there may be changed. */
export const whatever: Precondition = () => {};
