import type { LogFields, Logger } from "../core/logger.ts";

/** Writes warnings and errors to standard error, one line each: `goalpost warn: message key=value`. */
export const stderrLogger: Logger = {
  debug: ignore,
  info: ignore,
  warn: (fields, message) => write("warn", fields, message),
  error: (fields, message) => write("error", fields, message),
};

function ignore(): void {
  // Below the level that is shown.
}

function write(level: string, fields: LogFields, message: string): void {
  const facts = Object.entries(fields).map(([key, value]) => ` ${key}=${JSON.stringify(value)}`);
  process.stderr.write(`goalpost ${level}: ${message}${facts.join("")}\n`);
}
