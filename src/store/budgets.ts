import { encodeBudget, fromNanoUsd, toNanoUsd } from "../core/budget.ts";
import type { Queryable } from "../core/driver.ts";
import type { Budget } from "../core/llm.ts";
import { read, repeatOnConflict } from "./repeat.ts";

/** How much of one limit is left. */
export interface BudgetUse {
  readonly limit: number;
  readonly spent: number;
  /** What calls under way may use at most. */
  readonly reserved: number;
}

/** A budget and what is spent of it; null for what it does not limit. */
export interface BudgetSummary {
  /** What it is the budget of: a run alone, a run and all below it, or all runs with a label. */
  readonly of: "run" | "tree" | "label";
  /** The run's id; null for a label. */
  readonly runId: string | null;
  /** Null for a run. */
  readonly label: Readonly<Record<string, string>> | null;
  /** US dollars. */
  readonly usd: BudgetUse | null;
  readonly tokens: BudgetUse | null;
  readonly calls: BudgetUse | null;
  readonly onExceed: "fail" | "pause";
  /** Runs that it paused; raising it lets them go on. */
  readonly pausedRuns: readonly string[];
}

/** A budget with the id that statements know it by. */
export interface StoredBudget extends BudgetSummary {
  readonly id: string;
}

/** Whose budget: scopes and key, as the table has them. */
export interface BudgetOwner {
  readonly scopes: readonly BudgetSummary["of"][];
  readonly key: string;
}

type Unit = "usd" | "tokens" | "calls";
type BudgetRow = {
  id: string;
  scope: BudgetSummary["of"];
  key: string;
  uses: string;
  on_exceed: BudgetSummary["onExceed"];
  paused: string[];
};

// Money as text: JavaScript's numbers might not hold it.
const COLUMNS = `b.id::text, b.scope, b.key, b.on_exceed, json_build_object(
    'usd', json_build_array(b.limit_nano_usd::text, b.spent_nano_usd::text, b.reserved_nano_usd::text),
    'tokens', json_build_array(b.limit_tokens::text, b.spent_tokens::text, b.reserved_tokens::text),
    'calls', json_build_array(b.limit_calls::text, b.spent_calls::text, b.reserved_calls::text))::text as uses,
  array(select p.run_id::text from goalpost.budget_pauses p where p.budget_id = b.id order by 1) as paused`;

const FIND = `select ${COLUMNS} from goalpost.budgets b where b.scope = any($1::text[]) and b.key = $2`;

/** The budget of a run or label; undefined if there is none. */
export async function findBudget(db: Queryable, owner: BudgetOwner): Promise<StoredBudget | undefined> {
  const [row] = await read<BudgetRow>(db, FIND, [owner.scopes, owner.key]);
  return row && toBudget(row);
}

const LIST = `select ${COLUMNS} from goalpost.budgets b where b.scope <> 'request'
  order by b.scope <> 'label', b.id desc limit $1::int`;

/** Budgets: those of labels first, then the newest. */
export async function listBudgets(db: Queryable, limit: number): Promise<StoredBudget[]> {
  const rows = await read<BudgetRow>(db, LIST, [limit]);
  return rows.map(toBudget);
}

const SET = "select goalpost.set_budget($1, $2, $3::json)";

/** Gives a label a budget; what is spent stays. */
export async function setLabelBudget(db: Queryable, key: string, budget: Budget): Promise<void> {
  const values = ["label", key, JSON.stringify(encodeBudget(budget, "label"))];
  await repeatOnConflict(() => db.query(SET, values));
}

const RAISE = "select goalpost.raise_budget($1::bigint, $2::bigint, $3::bigint, $4::bigint) as refused";

/** Gives a budget new limits; returns the unit of which more is spent, if there is one, and changes nothing then. */
export async function raiseBudget(
  db: Queryable,
  id: string,
  limits: Pick<Budget, Unit>,
): Promise<Unit | null> {
  const values = [id, toNanoUsd(limits.usd), limits.tokens ?? null, limits.calls ?? null];
  const [row] = await repeatOnConflict(() => db.query<{ refused: Unit | null }>(RAISE, values));
  return row?.refused ?? null;
}

const RESUME = "select goalpost.resume_for_budget($1::bigint, $2::uuid)";

/** Lets the runs go on that a budget paused, each in a transaction of its own. */
export async function resumePaused(db: Queryable, budget: StoredBudget): Promise<void> {
  for (const runId of budget.pausedRuns) {
    await repeatOnConflict(() => db.query(RESUME, [budget.id, runId]));
  }
}

function toBudget(row: BudgetRow): StoredBudget {
  const uses = JSON.parse(row.uses) as Record<Unit, [string | null, string, string]>;
  const use = (unit: Unit): BudgetUse | null => {
    const [limit, spent, reserved] = uses[unit];
    const read = unit === "usd" ? fromNanoUsd : Number;
    return limit === null ? null : { limit: read(limit), spent: read(spent), reserved: read(reserved) };
  };
  const ofLabel = row.scope === "label";
  const [label, ...value] = row.key.split("=");
  return {
    id: row.id,
    of: row.scope,
    runId: ofLabel ? null : row.key,
    label: ofLabel ? { [label ?? ""]: value.join("=") } : null,
    usd: use("usd"),
    tokens: use("tokens"),
    calls: use("calls"),
    onExceed: row.on_exceed,
    pausedRuns: row.paused,
  };
}
