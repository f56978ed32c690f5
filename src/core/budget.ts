import { GoalpostError } from "./errors.ts";
import { isObject } from "./json.ts";
import type { Budget } from "./llm.ts";
import { check, checkOneOf } from "./policy.ts";

const NANO = 1_000_000_000;
/** Nano-USD fit into eight bytes. */
const MAX_USD = 1_000_000_000;
const FIELDS: readonly string[] = ["usd", "tokens", "calls", "onExceed", "scope"];

/** What a budget allows; what is left out is not limited. */
export type BudgetLimits = Pick<Budget, "usd" | "tokens" | "calls">;

/** @throws INVALID_INPUT unless it is a budget with at least one limit, and nothing else; undefined is none */
export function checkBudget(budget: unknown, what: string): void {
  if (budget === undefined) {
    return;
  }
  if (!isObject(budget)) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `${what} must be an object such as { usd: 5 } or { calls: 100 }`,
    );
  }
  checkFields(budget, FIELDS, what);
  checkLimits(budget, what);
  checkOneOf(budget.onExceed, { what: `${what}.onExceed`, allowed: ["fail", "pause"] });
  checkOneOf(budget.scope, { what: `${what}.scope`, allowed: ["tree", "run"] });
}

/** @throws INVALID_INPUT unless there is at least one limit, and each is one */
export function checkLimits(limits: Readonly<Record<string, unknown>>, what: string): void {
  check(limits.usd, { what: `${what}.usd`, least: 1 / NANO, most: MAX_USD });
  check(limits.tokens, { what: `${what}.tokens`, least: 1, most: Number.MAX_SAFE_INTEGER, whole: true });
  check(limits.calls, { what: `${what}.calls`, least: 1, most: Number.MAX_SAFE_INTEGER, whole: true });
  if (limits.usd === undefined && limits.tokens === undefined && limits.calls === undefined) {
    throw new GoalpostError("INVALID_INPUT", `${what} limits nothing: give usd, tokens or calls`);
  }
}

/** @throws INVALID_INPUT if there is a field of another name */
export function checkFields(
  given: Readonly<Record<string, unknown>>,
  allowed: readonly string[],
  what: string,
): void {
  const unknown = Object.keys(given).filter((key) => !allowed.includes(key));
  if (unknown.length > 0) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `${what} has ${unknown.map((key) => JSON.stringify(key)).join(", ")}; it may have ${allowed.join(", ")}`,
    );
  }
}

/** Whole nano-USD of an amount that people give; null for none. */
export function toNanoUsd(usd: number | undefined): number | null {
  return usd === undefined ? null : Math.round(usd * NANO);
}

/** US dollars of whole nano-USD, as the database writes them. */
export function fromNanoUsd(nanoUsd: string | bigint): number {
  return Number(nanoUsd) / NANO;
}

/** A budget as the database takes it: see migrations/functions/start_extras.sql. */
export function encodeBudget(
  budget: Budget | null | undefined,
  scope: string | undefined = budget?.scope,
): readonly (string | number | null)[] | null {
  if (!budget) {
    return null;
  }
  const { usd, tokens = null, calls = null, onExceed = "fail" } = budget;
  return [scope ?? "tree", toNanoUsd(usd), tokens, calls, onExceed];
}
