import type { Queryable, Row } from "../core/driver.ts";
import { GoalpostError } from "../core/errors.ts";

/** Deadlocks and serialization failures: the same call can succeed. */
const CONFLICT = /^40(001|P01)$/;
const MAX_REPEATS = 10;

/** Connections that broke or are refused, and a server that is stopping or starting. */
const UNREACHABLE = /^(ECONN|EPIPE|ETIMEDOUT|08|57P0[123])/;
/** What pg says without a code. */
const BROKEN = /^Connection terminated/;
/** About ten seconds: a server that restarts is back by then. */
const READ_AGAIN_MS: readonly number[] = [50, 100, 200, 400, 800, 1500, 2000, 2500, 2500];

/** Calls again after a deadlock: PostgreSQL undid one of two transactions, and that was this one. */
export async function repeatOnConflict<T>(call: () => Promise<T>): Promise<T> {
  for (let repeats = 0; ; repeats++) {
    try {
      return await call();
    } catch (error) {
      if (!CONFLICT.test(codeOf(error)) || repeats === MAX_REPEATS) {
        throw explained(error);
      }
    }
  }
}

/**
 * Asks again while connections break or the server restarts. Only for statements that may be carried out twice.
 * @throws DATABASE_UNAVAILABLE after about ten seconds
 */
export async function read<R extends Row>(
  db: Queryable,
  text: string,
  values: readonly unknown[],
): Promise<R[]> {
  for (const delayMs of READ_AGAIN_MS) {
    try {
      return await db.query<R>(text, values);
    } catch (error) {
      if (!isUnreachable(error)) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
  }
  return db.query<R>(text, values).catch((error: unknown) => Promise.reject(explained(error)));
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}

function isUnreachable(error: unknown): boolean {
  return UNREACHABLE.test(codeOf(error)) || (error instanceof Error && BROKEN.test(error.message));
}

function explained(error: unknown): unknown {
  if (!isUnreachable(error)) {
    return error;
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new GoalpostError(
    "DATABASE_UNAVAILABLE",
    `the database did not answer: ${reason}. Whether it was changed is not known; look at what is stored and call again.`,
    { cause: error },
  );
}
