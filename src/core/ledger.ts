import type { Budget, FinishReason } from "./llm.ts";
import type { TokenUsage } from "./model.ts";
import type { Usage } from "./usage.ts";

/** On whose account a call is. */
export interface CallScope {
  /** Null for calls that belong to no run. */
  readonly runId: string | null;
  readonly workflow: string | null;
  readonly position: number | null;
  readonly taskId: string | null;
  /** The item of a map; null elsewhere. */
  readonly item: number | null;
  /** Which try of the task, from 1. */
  readonly attempt: number;
  /** The name of the instance. */
  readonly instance: string;
  /** Of calls without a run: their labels. Those of a run are the run's. */
  readonly labels: Readonly<Record<string, string>> | null;
}

/** A call that is about to be made. */
export interface PlannedCall {
  readonly callId: string;
  /** The request that it is part of: its tries, repairs and tool rounds have one in common. */
  readonly requestId: string;
  readonly kind: "chat" | "embedding";
  readonly provider: string;
  readonly model: string;
  readonly scope: CallScope;
  /** What it may use at most, as far as can be told. */
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** What that would cost; null if the price is unknown. */
  readonly costNanoUsd: bigint | null;
  /** The request's own budget. */
  readonly budget: Budget | undefined;
}

/** Which budget stood in the way. */
export interface ExceededBudget {
  /** What it is the budget of. */
  readonly of: "request" | "run" | "tree" | "label";
  /** A run's id, or a label as `key=value`. */
  readonly key: string;
  readonly unit: "usd" | "tokens" | "calls";
  readonly limit: number;
  /** Spent and reserved so far. */
  readonly used: number;
  readonly asked: number;
  /** "fail" also where pausing would not help: of a request, and where the price is unknown. */
  readonly onExceed: "fail" | "pause";
  /** The budget is in usd, and nobody knows what the call costs; `asked` is 0 then. */
  readonly unknownPrice?: boolean | undefined;
}

/** A share of a budget was spent for the first time. */
export interface BudgetWarning extends Pick<ExceededBudget, "key" | "unit" | "limit"> {
  readonly of: "run" | "tree" | "label";
  /** Spent so far. */
  readonly used: number;
  /** 50 or 80. */
  readonly percent: number;
}

export type ReserveAnswer =
  | { readonly outcome: "reserved" }
  /** A shared rate limit, or a budget that calls under way may leave room in: ask again after that long. */
  | { readonly outcome: "wait"; readonly waitMs: number }
  /** With onExceed "pause" the runs that it is the budget of are paused already. */
  | { readonly outcome: "exceeded"; readonly budget: ExceededBudget };

export type CallStatus = "ok" | "error" | "aborted";

/** How a call ended. */
export interface CallOutcome {
  readonly callId: string;
  readonly status: CallStatus;
  /** Null: nobody knows, and what was reserved stands as an estimate. */
  readonly usage: TokenUsage | null;
  /** Null if the price is unknown, or with the usage. */
  readonly costNanoUsd: bigint | null;
  /** Where the price is from; "estimate" with what was reserved. */
  readonly priceSource: "user" | "provider" | "catalogue" | "unknown" | "estimate";
  /** US dollars per million tokens as they were applied, kept so that history does not move with prices. */
  readonly unitPrices: Readonly<Record<string, number>> | null;
  readonly servedModel: string | null;
  readonly finishReason: FinishReason | null;
  /** A ModelErrorKind, or the code of a GoalpostError. */
  readonly errorKind: string | null;
  readonly requestId: string | null;
  readonly responseId: string | null;
  /** Milliseconds until the first piece of a streamed answer. */
  readonly firstTextMs: number | null;
}

/** The book of all calls: one row each, written before the call and settled after. */
export interface Ledger {
  /** @throws CANCELLED if the run has ended */
  reserve(call: PlannedCall): Promise<ReserveAnswer>;
  /** Settles it once; another time changes nothing. */
  settle(outcome: CallOutcome): Promise<void>;
  /** Both at once, for a call that is over and cost nothing. @throws CANCELLED if the run has ended */
  record(call: PlannedCall, outcome: CallOutcome): Promise<ReserveAnswer>;
  /** A provider asked all its callers to wait. */
  holdBack(provider: string, model: string, waitMs: number): Promise<void>;
  /** What the calls of one request used. */
  usageOf(requestId: string): Promise<Usage>;
}

/** What one call costs, and why. */
export interface Price {
  readonly costNanoUsd: bigint | null;
  readonly priceSource: CallOutcome["priceSource"];
  readonly unitPrices: Readonly<Record<string, number>> | null;
  /** The catalogue's name of the model whose price was taken, where it knows only the family. */
  readonly family?: string | undefined;
}

/** Prices of models. */
export interface PriceBook {
  /** @param reportedUsd what the provider says it cost, if it does */
  price(
    ref: { readonly provider: string; readonly model: string },
    usage: TokenUsage,
    reportedUsd?: number | null,
  ): Price;
}
