import type { Command, LogQuery } from "../fleet/protocol.ts";

/** The program that reads what `query` asks for; it runs as any other command, without a shell. */
export function logCommand({ source, follow, since, lines }: LogQuery): Command {
  const base = { env: {}, stdin: false };
  if (source.kind === "journal") {
    return {
      ...base,
      argv: [
        ...["journalctl", "--no-pager", "--output=short-iso", `--lines=${lines}`],
        ...(source.unit === undefined ? [] : [`--unit=${source.unit}`]),
        ...(since === undefined ? [] : [`--since=${since}`]),
        ...(follow ? ["--follow"] : []),
      ],
    };
  }
  // -F goes on with the file that takes a rotated one's place.
  return { ...base, argv: ["tail", `--lines=${lines}`, ...(follow ? ["-F"] : []), "--", source.path] };
}
