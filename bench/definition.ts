/** One server's rounds on one piece of work. */
export interface Measurement {
  /** The work, e.g. `window 16, 0.3 ms`: rows of a case are compared with each other. */
  case: string;
  /** Who did it; `labctl` is us. */
  subject: string;
  /** One value a round. */
  values: number[];
  /** CPU seconds of the server, one value a round. */
  cpuSeconds: number[];
  /** Most memory the server held, all its processes together. */
  peakBytes: number;
  /** What went wrong, in all rounds. */
  failures: number;
  note?: string;
  /** The case whose values these are, where the server would do the very same again. */
  equals?: string;
}

export interface BenchContext {
  /** Rounds counted, after one that warms up and proves the result. */
  rounds: number;
  /** A directory that is gone afterwards. */
  scratch: string;
  /** The executable under test. */
  labctl: string;
  /** Files of Debian packages, unpacked and not installed: daemons that conflict stand side by side. */
  unpack(...packages: string[]): Promise<string>;
  /** Whether the user asked for this case. */
  wanted(name: string): boolean;
  log(line: string): void;
}

export interface Bench {
  name: string;
  /** What is measured, in one line. */
  summary: string;
  unit: string;
  better: "lower" | "higher";
  /** How large the work is unless the user says otherwise, in the bench's own measure. */
  size: number;
  run(context: BenchContext, size: number): Promise<Measurement[]>;
}
