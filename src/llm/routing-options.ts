import { checkFields } from "../core/budget.ts";
import { GoalpostError } from "../core/errors.ts";
import { isObject } from "../core/json.ts";
import { check, checkOneOf } from "../core/policy.ts";
import type { ResolvedRouting, RoutingMode, RoutingOptions } from "../core/routing-options.ts";

const MODES: readonly RoutingMode[] = ["table", "learned"];
const FIELDS: readonly string[] = [
  "mode",
  "floor",
  "lambda",
  "priceOfQualityUsd",
  "mu",
  "exploration",
  "strict",
];
const DEFAULTS: ResolvedRouting = {
  mode: "table",
  floor: 0.3,
  lambda: 0.1,
  priceOfQualityUsd: null,
  mu: 0,
  exploration: 0.02,
  strict: false,
};
const MAX_PRICE = 1000;
const LEAST_USD = 1e-9;

type Given = RoutingMode | RoutingOptions | undefined;

/** @throws INVALID_INPUT that names the field */
export function checkRouting(given: unknown, what: string): void {
  if (given === undefined) {
    return;
  }
  if (!isObject(given)) {
    checkOneOf(given, { what, allowed: MODES });
    return;
  }
  checkFields(given, FIELDS, what);
  checkOneOf(given.mode, { what: `${what}.mode`, allowed: MODES });
  check(given.floor, { what: `${what}.floor`, least: 0, most: 1 });
  check(given.lambda, { what: `${what}.lambda`, least: 0, most: MAX_PRICE });
  check(given.priceOfQualityUsd, { what: `${what}.priceOfQualityUsd`, least: LEAST_USD });
  check(given.mu, { what: `${what}.mu`, least: 0, most: MAX_PRICE });
  check(given.exploration, { what: `${what}.exploration`, least: 0, most: 1 });
  if (given.strict !== undefined && typeof given.strict !== "boolean") {
    throw new GoalpostError(
      "INVALID_INPUT",
      `${what}.strict is ${String(given.strict)}; it must be true or false`,
    );
  }
  if (given.lambda !== undefined && given.priceOfQualityUsd !== undefined) {
    throw new GoalpostError("INVALID_INPUT", `${what} has lambda and priceOfQualityUsd; give one of them`);
  }
}

/** What holds for a request: what it says itself, then what the client was opened with, then the defaults. */
export function resolveRouting(ofClient: Given, ofRequest: Given): ResolvedRouting {
  const own = fields(ofRequest);
  const client = fields(ofClient);
  // Of the two ways to say what money is worth the nearer one counts.
  const inherited = own.lambda === undefined ? client : { ...client, priceOfQualityUsd: null };
  const given = Object.entries({ ...inherited, ...own }).filter(([, value]) => value !== undefined);
  return { ...DEFAULTS, ...Object.fromEntries(given) };
}

function fields(given: Given): RoutingOptions {
  return given === undefined
    ? {}
    : typeof given === "string"
      ? { mode: given }
      : { ...given, mode: given.mode ?? "learned" };
}
