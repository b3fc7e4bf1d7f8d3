/** What goes wrong with a request, on demand. */
export type Fault =
  /** Answered so, without being carried out. */
  | { kind: "status"; status: number; message: string }
  /** The connection ends before anything is done. */
  | { kind: "drop" }
  /** Carried out, and then the connection ends without an answer. */
  | { kind: "drop-answer" }
  /** Carried out, the answer so much later (not scaled). */
  | { kind: "slow"; ms: number }
  /** Carried out, and the data sent in another shape. */
  | { kind: "reshape"; shape: (data: unknown) => unknown }
  /** Answered by something that is no Proxmox. */
  | { kind: "foreign" };

interface Planned {
  match: RegExp;
  fault: Fault;
  left: number;
}

export class Faults {
  #planned: Planned[] = [];

  /** The next `times` requests whose `METHOD /path` matches. */
  add(match: RegExp, fault: Fault, times = 1): void {
    this.#planned.push({ match, fault, left: times });
  }

  clear(): void {
    this.#planned = [];
  }

  take(request: string): Fault | undefined {
    const found = this.#planned.find(({ match, left }) => left > 0 && match.test(request));
    if (found) found.left--;
    return found?.fault;
  }
}
