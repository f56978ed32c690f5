/** SQLSTATE classes that say that the data is at fault: 22 data, 23 constraint, 54 too large, GP our own. */
const REFUSAL = /^(22|23|54|GP)/;

/**
 * Whether a call is worth repeating as it is. Only what says that the data is at fault is not: connections break,
 * servers restart, fail over and run out of room, and all that passes.
 */
export function isTransient(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code === "string") {
    return !REFUSAL.test(code);
  }
  // What is no database error at all is a fault of what was handed in.
  return !(error instanceof RangeError || error instanceof TypeError);
}
