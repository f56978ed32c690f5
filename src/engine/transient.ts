/** SQLSTATEs after which the same call can succeed: broken connections, restarts, deadlocks, too many clients. */
const TRANSIENT = /^(08...|57P0[1-5]|53...|40001|40P01|55P03|25P0[23])$/;

/** SQLSTATEs and network failures after which a call is worth repeating. */
export function isTransient(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code !== "string") {
    // pg rejects with a plain Error when the connection ends under a query.
    return error instanceof Error && /connection|terminated|timeout|socket/i.test(error.message);
  }
  return /^E[A-Z]+$/.test(code) || TRANSIENT.test(code);
}
