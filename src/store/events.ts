import type { Queryable } from "../core/driver.ts";
import { type ErrorRecord, fromErrorRecord } from "../core/error-record.ts";
import type { GoalpostError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { BudgetWarning } from "../core/ledger.ts";
import type { PlanDiff } from "../core/plan-history.ts";
import { read } from "./repeat.ts";

/** What can happen to a run and its tasks. */
export type RunEventType =
  | "workflow_started"
  | "workflow_completed"
  | "workflow_failed"
  | "workflow_cancelled"
  | "workflow_paused"
  | "workflow_resumed"
  | "task_started"
  | "task_completed"
  | "task_failed"
  | "task_retry"
  | "task_skipped"
  | "budget_warning"
  | "plan_created"
  | "plan_replaced";

/** One transition of a run or of one of its tasks. */
export interface RunEvent {
  readonly runId: string;
  /** From 1, without gaps, in the order in which the transitions were committed: the cursor to go on from. */
  readonly seq: number;
  readonly type: RunEventType;
  readonly at: Date;
  readonly workflow: string;
  /** The task; null for events of the run. */
  readonly taskId: string | null;
  /** The step that does the task; null for tasks that hold others, and for events of the run. */
  readonly step: string | null;
  /** The index of a map's item, where only that failed. */
  readonly index: number | null;
  /** Which try it was, from 1; null where none was made. */
  readonly attempt: number | null;
  /** Of completed tasks and runs. */
  readonly output: Json;
  /** Of failed tries, tasks and runs, and cancelled runs. */
  readonly error: GoalpostError | null;
  /** Of a retry: milliseconds until the next try. */
  readonly delayMs: number | null;
  /** Of a budget_warning: which share of which budget is spent. */
  readonly budget: BudgetWarning | null;
  /** Of plans that were made. */
  readonly plan: PlanEvent | null;
}

/** A plan that was made; for one that replaces another there is a second event, with the reason and the difference. */
export interface PlanEvent {
  readonly version: number;
  /** The compound task that it is the plan of; null for the goal itself. */
  readonly scope: string | null;
  /** The task that had failed for good, and the code of its error. */
  readonly reason: { readonly taskId: string; readonly code: string } | null;
  readonly diff: PlanDiff | null;
}

type EventRow = {
  seq: string;
  type: RunEventType;
  at: Date;
  workflow: string;
  name: string | null;
  kind: string | null;
  step: string | null;
  item: number | null;
  attempt: number | null;
  data: string | null;
  output: string | null;
};

interface EventData extends Partial<BudgetWarning> {
  readonly error?: ErrorRecord;
  readonly delayMs?: number;
  readonly plan?: Pick<PlanEvent, "version" | "scope"> & Partial<PlanEvent>;
}

const READ = `select e.seq::text, e.type, e.at, r.workflow, s.name, s.kind, s.step, e.item, e.attempt, e.data::text,
    case e.type when 'workflow_completed' then r.output::text when 'task_completed' then t.output::text end as output
  from goalpost.events e
  join goalpost.runs r on r.id = e.run_id
  left join goalpost.steps s on s.definition_id = r.definition_id and s.position = e.position
  left join goalpost.tasks t on t.run_id = e.run_id and t.position = e.position and t.item = -1
  where e.run_id = $1::uuid and e.seq > $2::bigint order by e.seq limit $3::int`;

/** The events of a run after a cursor, oldest first. */
export async function readEvents(
  db: Queryable,
  runId: string,
  { after, limit }: { after: number; limit: number },
): Promise<RunEvent[]> {
  const rows = await read<EventRow>(db, READ, [runId, after, limit]);
  return rows.map((row) => toEvent(runId, row));
}

function toEvent(runId: string, row: EventRow): RunEvent {
  const data = row.data === null ? {} : (JSON.parse(row.data) as EventData);
  return {
    runId,
    seq: Number(row.seq),
    type: row.type,
    at: row.at,
    workflow: row.workflow,
    taskId: row.name,
    step: row.name === null || row.kind === "join" ? null : (row.step ?? row.name),
    index: row.item,
    attempt: row.attempt,
    output: row.output === null ? null : (JSON.parse(row.output) as Json),
    error: data.error ? fromErrorRecord(data.error) : null,
    delayMs: data.delayMs ?? null,
    budget: row.type === "budget_warning" ? (data as BudgetWarning) : null,
    plan: data.plan ? { reason: null, diff: null, ...data.plan } : null,
  };
}

const HAS_ENDED = "select traced, finished_at is not null as ended from goalpost.runs where id = $1::uuid";

/** Whether the events of a run are kept, and whether it has ended; undefined if there is no such run. */
export async function lookAtTraced(
  db: Queryable,
  runId: string,
): Promise<{ traced: boolean; ended: boolean } | undefined> {
  const [row] = await read<{ traced: boolean; ended: boolean }>(db, HAS_ENDED, [runId]);
  return row;
}
