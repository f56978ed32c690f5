import { type ErrorCode, isGoalpostError, RunFailedError } from "../index.ts";

/** Exit codes: 0 done, 1 the run failed, 2 bad usage or input, 130 interrupted. */
export const EXIT = { done: 0, failed: 1, usage: 2, interrupted: 130, terminated: 143 } as const;

/** Errors that say what was wrong with what was given, or with the place it was to run in. */
const USAGE: ReadonlySet<ErrorCode> = new Set([
  "INVALID_INPUT",
  "INVALID_STATE",
  "INVALID_GRAPH",
  "DECOMPOSER_FAILED",
  "RUN_NOT_FOUND",
  "DATABASE_BUSY",
  "DATABASE_AHEAD",
  "DATABASE_UNAVAILABLE",
]);

/** Says on standard error what went wrong, in a sentence; returns the exit code. */
export function reportError(error: unknown): number {
  if (isGoalpostError(error)) {
    process.stderr.write(`goalpost: ${error.message} [${error.code}]\n`);
    if (error instanceof RunFailedError) {
      process.stderr.write(`  goalpost show ${error.runId}   tells more\n`);
    }
    return USAGE.has(error.code) ? EXIT.usage : EXIT.failed;
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  process.stderr.write(`goalpost: something went wrong that should not have: ${message}\n${stack ?? ""}\n`);
  return EXIT.failed;
}
