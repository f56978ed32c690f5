/** Deadlocks and serialization failures: the same call can succeed. */
const CONFLICT = /^40(001|P01)$/;
const MAX_REPEATS = 10;

/** Calls again after a deadlock: PostgreSQL undid one of two transactions, and that was this one. */
export async function repeatOnConflict<T>(call: () => Promise<T>): Promise<T> {
  for (let repeats = 0; ; repeats++) {
    try {
      return await call();
    } catch (error) {
      const code = (error as { code?: unknown } | null)?.code;
      if (typeof code !== "string" || !CONFLICT.test(code) || repeats === MAX_REPEATS) {
        throw error;
      }
    }
  }
}
