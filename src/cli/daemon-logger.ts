import {
  createJsonSink,
  createLogger,
  createTextSink,
  type Logger,
  type LogLevel,
} from "../platform/logger.ts";
import { note } from "./output.ts";

/** JSON lines under systemd or in a log file, readable lines on a terminal; always on stderr. */
export function createDaemonLogger(level: LogLevel): Logger {
  const now = () => Date.now();
  return createLogger(process.stderr.isTTY ? createTextSink(note, now) : createJsonSink(note, now), level);
}
