/** Facts of a log line. Prompts, inputs, outputs and secrets are never among them. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Where log lines go: the shape of pino and of most loggers. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

function ignore(): void {
  // A silent logger has nothing to do.
}

/** A logger that says nothing. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
