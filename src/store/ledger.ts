import { checkFields, encodeBudget } from "../core/budget.ts";
import type { Driver } from "../core/driver.ts";
import { GoalpostError } from "../core/errors.ts";
import type {
  BudgetWarning,
  CallOutcome,
  ExceededBudget,
  Ledger,
  PlannedCall,
  ReserveAnswer,
} from "../core/ledger.ts";
import type { RateLimit } from "../core/llm-options.ts";
import type { Logger } from "../core/logger.ts";
import { check } from "../core/policy.ts";
import type { Usage } from "../core/usage.ts";
import { read, repeatOnConflict } from "./repeat.ts";
import { usageOfRequest } from "./usage.ts";

export interface LedgerOptions {
  readonly driver: Driver;
  readonly logger: Logger;
  /** The worker whose end tells that nobody will settle what it reserved. */
  readonly worker: string;
  /** Shared limits by "provider" or "provider/model". */
  readonly rateLimits?: Readonly<Record<string, RateLimit>> | undefined;
}

type Answer =
  | { readonly outcome: "reserved" }
  | { readonly outcome: "wait"; readonly waitMs: number }
  | { readonly outcome: "over"; readonly status: string }
  | { readonly outcome: "exceeded"; readonly budget: ExceededBudget };

interface Recorded {
  readonly answer: Answer;
  readonly warnings: readonly BudgetWarning[] | null;
}

// All may be carried out twice: a call is written once, and settled once.
const RESERVE = "select goalpost.reserve_call($1::json)::text as answer";
const SETTLE = "select goalpost.settle_call($1::json)::text as answer";
const RECORD = "select goalpost.record_call($1::json, $2::json)::text as answer";
const HOLD_BACK = "select goalpost.hold_back($1, $2::double precision)";

/** Makes the ledger that is kept in the database. @throws INVALID_INPUT for rate limits that let nothing through */
export function createLedger({ driver, logger, worker, rateLimits = {} }: LedgerOptions): Ledger {
  checkRateLimits(rateLimits);
  const limited = new Map(Object.entries(rateLimits));
  const ask = async <T>(statement: string, ...about: readonly unknown[]): Promise<T | null> => {
    const values = about.map((one) => JSON.stringify(one));
    const [row] = await repeatOnConflict(() => read<{ answer: string | null }>(driver, statement, values));
    return JSON.parse(row?.answer ?? "null") as T | null;
  };
  const encodeCall = (call: PlannedCall): object => {
    const { scope, budget, costNanoUsd, ...facts } = call;
    const limits = [call.provider, modelScope(call)].map((name) => {
      const { requestsPerMinute = null, tokensPerMinute = null } = limited.get(name) ?? {};
      return [name, requestsPerMinute, tokensPerMinute];
    });
    const cost = costNanoUsd?.toString();
    return { ...facts, ...scope, worker, limits, costNanoUsd: cost, budget: encodeBudget(budget, "request") };
  };
  const warn = (warnings: readonly BudgetWarning[] | null): void => {
    for (const warning of warnings ?? []) {
      logger.warn({ ...warning }, `${warning.percent} % of a budget are spent`);
    }
  };
  return {
    async reserve(call: PlannedCall): Promise<ReserveAnswer> {
      return readAnswer(call, (await ask<Answer>(RESERVE, encodeCall(call))) as Answer);
    },
    async settle(outcome: CallOutcome): Promise<void> {
      warn(await ask<BudgetWarning[]>(SETTLE, encodeOutcome(outcome)));
    },
    async record(call: PlannedCall, outcome: CallOutcome): Promise<ReserveAnswer> {
      const recorded = (await ask(RECORD, encodeCall(call), encodeOutcome(outcome))) as Recorded;
      warn(recorded.warnings);
      return readAnswer(call, recorded.answer);
    },
    async holdBack(provider: string, model: string, waitMs: number): Promise<void> {
      const values = [modelScope({ provider, model }), Math.max(0, waitMs)];
      await repeatOnConflict(() => read(driver, HOLD_BACK, values));
    },
    usageOf: (requestId: string): Promise<Usage> => usageOfRequest(driver, requestId),
  };
}

function encodeOutcome({ usage, costNanoUsd, ...facts }: CallOutcome): object {
  return { ...usage, ...facts, costNanoUsd: costNanoUsd?.toString() };
}

function checkRateLimits(rateLimits: Readonly<Record<string, RateLimit>>): void {
  for (const [name, limit] of Object.entries(rateLimits)) {
    const what = `llm.rateLimits[${JSON.stringify(name)}]`;
    checkFields({ ...limit }, ["requestsPerMinute", "tokensPerMinute"], what);
    check(limit.requestsPerMinute, { what: `${what}.requestsPerMinute`, least: 1 });
    check(limit.tokensPerMinute, { what: `${what}.tokensPerMinute`, least: 1 });
  }
}

function modelScope({ provider, model }: Pick<PlannedCall, "provider" | "model">): string {
  return `${provider}/${model}`;
}

/** @throws CANCELLED if the run is over: its numbers are final */
function readAnswer(call: PlannedCall, answer: Answer): ReserveAnswer {
  if (answer.outcome === "over") {
    throw new GoalpostError(
      "CANCELLED",
      `run ${call.scope.runId} is ${answer.status}: no call can be made on its account any more`,
      { retryable: false },
    );
  }
  return answer;
}

const RECOVER = "select goalpost.recover_calls($1::boolean) as count";

/** Settles the calls of workers that are gone, or of all, as estimates; returns how many. */
export async function recoverCalls(driver: Driver, of: "gone" | "all" = "gone"): Promise<number> {
  const [row] = await repeatOnConflict(() => driver.query<{ count: number }>(RECOVER, [of === "all"]));
  return row?.count ?? 0;
}
