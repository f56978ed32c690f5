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

// Both may be carried out twice: a call is written once, and settled once.
const RESERVE = "select goalpost.reserve_call($1::json)::text as answer";
const SETTLE = "select goalpost.settle_call($1::json)::text as answer";
const HOLD_BACK = "select goalpost.hold_back($1, $2::double precision)";

/** Makes the ledger that is kept in the database. @throws INVALID_INPUT for rate limits that let nothing through */
export function createLedger({ driver, logger, worker, rateLimits = {} }: LedgerOptions): Ledger {
  checkRateLimits(rateLimits);
  const limited = new Map(Object.entries(rateLimits));
  const ask = async (statement: string, about: unknown): Promise<string | null> => {
    const [row] = await repeatOnConflict(() =>
      read<{ answer: string | null }>(driver, statement, [JSON.stringify(about)]),
    );
    return row?.answer ?? null;
  };
  return {
    async reserve(call: PlannedCall): Promise<ReserveAnswer> {
      const { scope, budget, costNanoUsd, ...facts } = call;
      const limits = [call.provider, modelScope(call)].map((name) => {
        const { requestsPerMinute = null, tokensPerMinute = null } = limited.get(name) ?? {};
        return [name, requestsPerMinute, tokensPerMinute];
      });
      const answer = await ask(RESERVE, {
        ...facts,
        ...scope,
        worker,
        limits,
        costNanoUsd: costNanoUsd?.toString(),
        budget: encodeBudget(budget, "request"),
      });
      return readAnswer(call, JSON.parse(answer ?? "null") as Answer);
    },
    async settle(outcome: CallOutcome): Promise<void> {
      const { usage, costNanoUsd, ...facts } = outcome;
      const warnings = await ask(SETTLE, {
        ...usage,
        ...facts,
        costNanoUsd: costNanoUsd?.toString(),
      });
      for (const warning of JSON.parse(warnings ?? "[]") as BudgetWarning[]) {
        logger.warn({ ...warning }, `${warning.percent} % of a budget are spent`);
      }
    },
    async holdBack(provider: string, model: string, waitMs: number): Promise<void> {
      const values = [modelScope({ provider, model }), Math.max(0, waitMs)];
      await repeatOnConflict(() => read(driver, HOLD_BACK, values));
    },
    usageOf: (requestId: string): Promise<Usage> => usageOfRequest(driver, requestId),
  };
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
