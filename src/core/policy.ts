import { GoalpostError } from "./errors.ts";
import { checkNames } from "./lanes.ts";
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
  /** Whether timeoutMs was chosen, and is not the default. */
  readonly timeoutGiven: boolean;
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
    timeoutGiven: policies.some((policy) => policy?.timeoutMs !== undefined),
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
  checkNames(policy.requires, `${what}: requires`);
  checkFlag(policy.approval, `${what}: approval`);
}

/** @throws INVALID_INPUT if the value is given and is neither true nor false */
export function checkFlag(value: unknown, what: string): void {
  if (value !== undefined && typeof value !== "boolean") {
    throw new GoalpostError("INVALID_INPUT", `${what} is ${String(value)}; it must be true or false`);
  }
}

/** @throws INVALID_INPUT if the value is given and is none of those */
export function checkOneOf(value: unknown, rule: { what: string; allowed: readonly string[] }): void {
  if (value !== undefined && !rule.allowed.includes(value as string)) {
    const allowed = rule.allowed.map((one) => `"${one}"`).join(", ");
    throw new GoalpostError(
      "INVALID_INPUT",
      `${rule.what} is ${JSON.stringify(value)}; it must be one of ${allowed}`,
    );
  }
}

export interface NumberRule {
  readonly what: string;
  readonly least: number;
  readonly most?: number;
  readonly whole?: boolean;
}

/** @throws INVALID_INPUT if the value is given and is no number in the range */
export function check(value: unknown, rule: NumberRule): void {
  if (value === undefined) {
    return;
  }
  const { what, least, most = Number.MAX_VALUE, whole = false } = rule;
  const fits = typeof value === "number" && value >= least && value <= most;
  if (!fits || (whole && !Number.isInteger(value))) {
    const kind = whole ? "a whole number" : "a number";
    const range = rule.most === undefined ? `≥ ${least}` : `from ${least} to ${most}`;
    throw new GoalpostError("INVALID_INPUT", `${what} is ${String(value)}; it must be ${kind} ${range}`);
  }
}
