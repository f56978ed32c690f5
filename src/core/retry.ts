/** How long to wait between tries. */
export interface RetryPolicy {
  /** Milliseconds before the second try. Default 1,000. */
  readonly baseMs: number;
  /** What each further wait is multiplied by. Default 2. */
  readonly factor: number;
  /** No wait is longer, in milliseconds. Default 300,000. */
  readonly maxDelayMs: number;
  /** Full jitter: a random wait between 0 and the computed one. Default true. */
  readonly jitter: boolean;
}

/** What becomes of the run when a task has failed for good. */
export type OnExhausted = "fail" | "cascade" | "continue";

/** What becomes of those that need a task which was skipped. */
export type OnSkip = "cascade" | "continue";

/** How a step is tried; each falls back to the defaults of the README. */
export interface StepPolicy {
  /** Tries in all, the first included. Default 3. */
  readonly maxAttempts?: number | undefined;
  /** Milliseconds that one try may take. Default 30,000, in which the time in `ctx.llm` does not count. */
  readonly timeoutMs?: number | undefined;
  readonly retry?: Partial<RetryPolicy> | undefined;
  /**
   * Capabilities that a worker must have to carry it out, such as `["gpu"]`. Default: none. Only distributed runs heed
   * them: a local run is carried out by the process that started it.
   */
  readonly requires?: readonly string[] | undefined;
  /** It is not carried out before `gp.runs.approve` says so. Default false. */
  readonly approval?: boolean | undefined;
}

export const DEFAULT_RETRY: RetryPolicy = { baseMs: 1000, factor: 2, maxDelayMs: 300_000, jitter: true };
export const DEFAULT_MAX_ATTEMPTS = 3;
export const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * Milliseconds to wait after the given failed attempt: `min(maxDelayMs, baseMs × factor^(attempt − 1))`, with full
 * jitter (Brooker, "Exponential Backoff and Jitter", 2015).
 * @param attempt the attempt that failed, from 1
 * @param random a number in [0, 1)
 */
export function retryDelayMs(policy: RetryPolicy, attempt: number, random: number): number {
  // 0 × ∞ is not a number.
  const grown = policy.baseMs === 0 ? 0 : policy.baseMs * policy.factor ** (attempt - 1);
  const delay = Math.min(policy.maxDelayMs, grown);
  return policy.jitter ? delay * random : delay;
}
