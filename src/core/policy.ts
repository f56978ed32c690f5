import { GoalpostError } from "./errors.ts";
import {
  DEFAULT_MAX_ATTEMPTS,
  DEFAULT_RETRY,
  DEFAULT_TIMEOUT_MS,
  type RetryPolicy,
  type StepPolicy,
} from "./retry.ts";

/** A policy without gaps. */
export interface ResolvedPolicy {
  readonly maxAttempts: number;
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
  readonly approval: boolean;
}

/** Fills a policy from the first that says something, then from the defaults. */
export function resolvePolicy(...policies: readonly (StepPolicy | undefined)[]): ResolvedPolicy {
  const first = <T>(pick: (policy: StepPolicy) => T | undefined, otherwise: T): T => {
    for (const policy of policies) {
      const value = policy && pick(policy);
      if (value !== undefined) {
        return value;
      }
    }
    return otherwise;
  };
  return {
    maxAttempts: first((policy) => policy.maxAttempts, DEFAULT_MAX_ATTEMPTS),
    timeoutMs: first((policy) => policy.timeoutMs, DEFAULT_TIMEOUT_MS),
    retry: { ...DEFAULT_RETRY, ...first<Partial<RetryPolicy>>((policy) => policy.retry, {}) },
    // A plan can ask for it, not do without it.
    approval: policies.some((policy) => policy?.approval === true),
  };
}

/** @throws INVALID_INPUT if a number of the policy is out of range */
export function checkPolicy(policy: StepPolicy, what: string): void {
  check(policy.maxAttempts, { what: `${what}: maxAttempts`, least: 1, whole: true });
  check(policy.timeoutMs, { what: `${what}: timeoutMs`, least: 1 });
  check(policy.retry?.baseMs, { what: `${what}: retry.baseMs`, least: 0 });
  check(policy.retry?.factor, { what: `${what}: retry.factor`, least: 1 });
  check(policy.retry?.maxDelayMs, { what: `${what}: retry.maxDelayMs`, least: 0 });
  if (policy.approval !== undefined && typeof policy.approval !== "boolean") {
    throw new GoalpostError(
      "INVALID_INPUT",
      `${what}: approval is ${String(policy.approval)}; it must be true or false`,
    );
  }
}

export interface NumberRule {
  readonly what: string;
  readonly least: number;
  readonly whole?: boolean;
}

/** @throws INVALID_INPUT if the value is given and is no number in the range */
export function check(value: unknown, rule: NumberRule): void {
  if (value === undefined) {
    return;
  }
  const fits = typeof value === "number" && Number.isFinite(value) && value >= rule.least;
  if (!fits || (rule.whole && !Number.isInteger(value))) {
    const kind = rule.whole ? "a whole number" : "a number";
    throw new GoalpostError(
      "INVALID_INPUT",
      `${rule.what} is ${String(value)}; it must be ${kind} ≥ ${rule.least}`,
    );
  }
}
