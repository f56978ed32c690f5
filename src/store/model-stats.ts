import type { Driver } from "../core/driver.ts";
import type { ModelRef } from "../core/llm.ts";
import type { RouteOutcome } from "../core/model-routing.ts";
import { read, repeatOnConflict } from "./repeat.ts";

/** What is known of a model on one kind of work; sums are discounted by age. */
export interface ModelStats extends ModelRef {
  readonly kind: string;
  /** Judged answers so far, not discounted. */
  readonly samples: number;
  readonly successes: number;
  readonly failures: number;
  /** Requests that it answered. */
  readonly calls: number;
  /** Those of them whose price is known. */
  readonly priced: number;
  readonly costUsd: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Logarithms of milliseconds. */
  readonly logMs: number;
  readonly logMsSquares: number;
  readonly accepted: number;
  readonly rejected: number;
  readonly available: number;
  readonly unavailable: number;
  readonly unavailableAt: Date | null;
}

type StatsRow = Omit<ModelStats, "unavailableAt"> & { readonly unavailableAt: string | null };

// Milliseconds since the epoch as text: drivers differ in what they make of timestamps.
const READ = `select kind, provider, model, samples::float8 as samples, successes, failures, calls, priced,
    cost_usd as "costUsd", input_tokens as "inputTokens", output_tokens as "outputTokens", log_ms as "logMs",
    log_ms_squares as "logMsSquares", accepted,
    rejected, available, unavailable, (extract(epoch from unavailable_at) * 1000)::text as "unavailableAt"
  from goalpost.model_stats where $1::text[] is null or kind = any($1) order by kind, provider, model`;

/** What is known of all models on some kinds of work; null: on all. */
export async function readModelStats(db: Driver, kinds: readonly string[] | null): Promise<ModelStats[]> {
  const rows = await read<StatsRow>(db, READ, [kinds]);
  return rows.map((row) => ({
    ...row,
    unavailableAt: row.unavailableAt === null ? null : new Date(Number(row.unavailableAt)),
  }));
}

/** A choice as it is kept. */
export interface StoredChoice extends ModelRef {
  readonly kind: string;
  readonly propensity: number;
  readonly explored: boolean;
}

const CHOOSE = "select * from goalpost.choose_route($1::json)";

/** Keeps a choice for a request; returns the one that is kept, undefined if the model had been asked without one. */
export async function keepChoice(
  db: Driver,
  choice: StoredChoice & { readonly requestId: string; readonly runId: string | null },
): Promise<StoredChoice | undefined> {
  const [row] = await repeatOnConflict(() => read<StoredChoice & Row>(db, CHOOSE, [JSON.stringify(choice)]));
  return row;
}

type Row = Record<string, unknown>;

const RECORD = "select goalpost.record_routes($1::json, $2::double precision[])";

/** What is left of old numbers when new ones come. */
export interface Discounts {
  readonly quality: number;
  readonly cost: number;
  readonly availability: number;
}

/** Adds outcomes to what is known, each once. */
export async function recordOutcomes(
  db: Driver,
  outcomes: readonly RouteOutcome[],
  { quality, cost, availability }: Discounts,
): Promise<void> {
  const rows = outcomes.map(({ model, draw, tokens, ...facts }) => ({
    ...facts,
    ...model,
    ...draw,
    inputTokens: tokens.input,
    outputTokens: tokens.output,
  }));
  await repeatOnConflict(() => db.query(RECORD, [JSON.stringify(rows), [quality, cost, availability]]));
}

/** What became of a person's opinion. */
export type Rated =
  | ({ readonly outcome: "rated"; readonly requestId: string } & ModelRef)
  | { readonly outcome: "unanswered" | "unknown" };

/** What a person thinks of an answer. */
export interface Rating {
  /** Of a request or a call. */
  readonly id: string;
  /** The run that carried out the request with that id. */
  readonly runId: string | null;
  readonly score: number;
  readonly note: string | null;
}

const RATE =
  "select goalpost.rate_answer($1, $2::uuid, $3::double precision, $4, $5::double precision)::text as answer";

/** Notes it in place of what was thought before. */
export async function rateAnswer(
  db: Driver,
  { id, runId, score, note }: Rating,
  keep: number,
): Promise<Rated> {
  const [row] = await repeatOnConflict(() =>
    read<{ answer: string }>(db, RATE, [id, runId, score, note, keep]),
  );
  return JSON.parse(row?.answer ?? '{"outcome":"unknown"}') as Rated;
}

const BUDGET_LEFT = "select goalpost.budget_left($1::uuid, $2::jsonb) as share";

/** The share in money that is left of the tightest budget of a run or of labels; 1 without one. */
export async function readBudgetLeft(
  db: Driver,
  runId: string | null,
  labels: Readonly<Record<string, string>> | null,
): Promise<number> {
  const values = [runId, labels && JSON.stringify(labels)];
  const [row] = await read<{ share: number | null }>(db, BUDGET_LEFT, values);
  return row?.share ?? 1;
}
