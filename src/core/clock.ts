/** Where time comes from. Tests move it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds since some moment, for measuring: they never jump. Default: like now(). */
  elapsed?(): number;
  /** What the database should take for now: null lets it use its own clock. */
  databaseNow(): Date | null;
  /** Calls `fire` once after `delayMs`; the returned function calls it off. */
  timer(delayMs: number, fire: () => void): () => void;
}
