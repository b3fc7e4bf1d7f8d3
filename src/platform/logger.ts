/** What a structured line may carry besides its message. */
export type LogFields = Record<string, string | number | boolean | undefined>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to each of its lines. */
  with(fields: LogFields): Logger;
}

export type LogLevel = "debug" | "info" | "warn" | "error";
const rank: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

export interface LogSink {
  write(level: LogLevel, message: string, fields: LogFields): void;
}

export function createLogger(sink: LogSink, level: LogLevel = "info", bound: LogFields = {}): Logger {
  const at =
    (own: LogLevel) =>
    (message: string, fields: LogFields = {}) => {
      if (rank[own] >= rank[level]) sink.write(own, message, { ...bound, ...fields });
    };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    with: (fields) => createLogger(sink, level, { ...bound, ...fields }),
  };
}

/** One JSON object a line, as journald and log shippers want it. */
export function createJsonSink(print: (line: string) => void, now: () => number): LogSink {
  return {
    write: (level, message, fields) =>
      print(JSON.stringify({ time: new Date(now()).toISOString(), level, message, ...fields })),
  };
}

/** Readable lines for a terminal: `12:01:03 info  offer sent mac=… xid=…`. */
export function createTextSink(print: (line: string) => void, now: () => number): LogSink {
  return {
    write: (level, message, fields) => {
      const time = new Date(now()).toISOString().slice(11, 19);
      const rest = Object.entries(fields)
        .filter(([, value]) => value !== undefined)
        .map(([key, value]) => ` ${key}=${typeof value === "string" ? printable(value) : value}`)
        .join("");
      print(`${time} ${level.padEnd(5)} ${printable(message, true)}${rest}`);
    },
  };
}

/** Whatever the network said, without control characters; quoted where it holds spaces. */
function printable(text: string, plain = false): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "\uFFFD");
  return plain || !/[\s"=]/.test(clean) ? clean : JSON.stringify(clean);
}

export const silentLogger: Logger = createLogger({ write: () => {} }, "error");
