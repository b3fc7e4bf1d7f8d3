import { AppError } from "../platform/errors.ts";

export interface ToolOptions {
  /** The Debian package that holds the tool, for the hint when it is missing. */
  package: string;
  cwd?: string;
  env?: Record<string, string>;
  timeoutMs?: number;
  /** Exit statuses that are no failure; 0 alone when absent. */
  statuses?: readonly number[];
}

const defaultTimeoutMs = 5 * 60_000;
const errorTail = 600;

/** A user's PATH often lacks the sbin folders, where depmod and mkfs live. */
const searchPath = () => `${process.env.PATH ?? ""}:/usr/sbin:/sbin:/usr/bin:/bin`;

export const findProgram = (name: string): string | null => Bun.which(name, { PATH: searchPath() });

/**
 * Looks for all of a long work's programs before it begins.
 * @throws `missing`, naming each with the packages to install.
 */
export function requirePrograms(programs: readonly (readonly [program: string, inPackage: string])[]): void {
  const missing = programs.filter(([program]) => findProgram(program) === null);
  if (missing.length === 0) return;
  throw new AppError("missing", `this host lacks ${missing.map(([program]) => program).join(", ")}`, {
    hint: `apt-get install ${[...new Set(missing.map(([, inPackage]) => inPackage))].join(" ")}`,
  });
}

/** Runs a program of the host to its end and returns what it printed; a failure carries the tail of its complaint. */
export async function runTool(command: readonly string[], options: ToolOptions): Promise<string> {
  const [name = ""] = command;
  const searched = searchPath();
  const program = findProgram(name);
  if (program === null) {
    throw new AppError("missing", `the program '${name}' is not on this host`, {
      hint: `apt-get install ${options.package}`,
    });
  }
  const child = Bun.spawn([program, ...command.slice(1)], {
    cwd: options.cwd,
    env: { ...process.env, PATH: searched, LC_ALL: "C.UTF-8", ...options.env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: options.timeoutMs ?? defaultTimeoutMs,
    killSignal: "SIGKILL",
  });
  const [output, complaint, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (child.signalCode !== null) {
    throw new AppError("timeout", `'${name}' was ended by ${child.signalCode}${tailOf(complaint)}`);
  }
  if (!(options.statuses ?? [0]).includes(status))
    throw new AppError("failed", `'${name}' ended with status ${status}${tailOf(complaint)}`);
  return output;
}

const tailOf = (complaint: string) =>
  complaint.trim() === "" ? "" : `: ${complaint.trim().slice(-errorTail)}`;
