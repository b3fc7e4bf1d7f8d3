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
  /** What the values are, where it is not the bench's own unit. */
  unit?: string;
  better?: "lower" | "higher";
  /** The case whose values these are, where the server would do the very same again. */
  equals?: string;
}

export interface BenchContext {
  /** Rounds counted, after one that warms up and proves the result. */
  rounds: number;
  /** A look rather than a measurement: what a bench can leave out it leaves out. */
  quick: boolean;
  /** A directory that is gone afterwards. */
  scratch: string;
  /** The executable under test. */
  labctl: string;
  /** Files of Debian packages, unpacked and not installed: daemons that conflict stand side by side. */
  unpack(...packages: string[]): Promise<string>;
  /** A peer's program, installed here or unpacked, with the environment it runs in; `undefined`, and named in the report, where it cannot be had. */
  peer(program: string, ...packages: string[]): Promise<Program | undefined>;
  /** A peer that is a Go program, built once. */
  goPeer(program: string, module: string, version: string): Promise<Program | undefined>;
  /** Whether the user asked for this case. */
  wanted(name: string): boolean;
  log(line: string): void;
}

export interface Program {
  path: string;
  env: Record<string, string>;
  /** Of the directory its other files are in: `/usr/sbin/nginx` is at `root + "/usr/sbin/nginx"`. */
  root: string;
}

/** What a bench is to reach, and what it aims at. */
export interface Target {
  /** The cases meant, by their name. */
  cases: RegExp;
  /** `ratio`: how many times better than the best of `beside`; `value`: the median; `peak`: peak memory in MB. */
  of: "ratio" | "value" | "peak";
  /** The peers that count; unless given all. */
  beside?: readonly string[];
  must?: number;
  aim?: number;
}

export interface Bench {
  name: string;
  /** What is measured, in one line. */
  summary: string;
  unit: string;
  better: "lower" | "higher";
  /** How large the work is unless the user says otherwise, in the bench's own measure. */
  size: number;
  /** The same for a quick look. */
  quickSize: number;
  targets: readonly Target[];
  run(context: BenchContext, size: number): Promise<Measurement[]>;
}
