import type { Queryable } from "../core/driver.ts";
import type { Decision, OptimizedOutcome, OptimizeLevel } from "../core/optimizer.ts";

/** What became of a run that decisions were made for. */
export interface Realised {
  /** Milliseconds from when the plan was made to when the last task of the run ended. */
  readonly makespanMs: number | null;
  readonly costUsd: number | null;
  readonly status: string;
}

/** A decision as it is stored. */
export interface StoredDecision extends Decision {
  readonly level: OptimizeLevel;
  /** The statistics that it was made by. */
  readonly snapshotId: string;
  readonly decidedAt: Date;
  /** Null until the run has ended. */
  readonly realised: Realised | null;
}

/** Decisions that are about to be stored. */
export interface Decided {
  readonly runId: string;
  /** Position of the task that planned. */
  readonly plan: number;
  readonly decisions: readonly Decision[];
  readonly level: OptimizeLevel;
  readonly snapshotId: string;
  /** Equal for graphs whose tasks are alike. */
  readonly shape: string | null;
  readonly at: Date;
}

type Row = {
  kind: Decision["kind"];
  tasks: string[];
  change: string;
  reason: string;
  samples: number;
  adopted: boolean;
  predicted: string | null;
  level: OptimizeLevel;
  snapshot_id: string;
  realised: string | null;
  decided_at: Date | string;
};

/** Planning that is tried again decides again: what it decided before is replaced. */
const CLEAR = "delete from goalpost.decisions where run_id = $1::uuid and plan = $2::int";
const ADD = `insert into goalpost.decisions
    (run_id, plan, number, kind, tasks, change, reason, samples, adopted, predicted, level, snapshot_id, decided_at, shape)
  select $1::uuid, $2::int, d.ord, d.v->>'kind', array(select json_array_elements_text(d.v->'tasks')), d.v->>'change',
    d.v->>'reason', (d.v->>'samples')::double precision::bigint, (d.v->>'adopted')::boolean,
    case when json_typeof(d.v->'predicted') = 'object' then d.v->'predicted' end, $4, $5, $6::timestamptz, $7
  from json_array_elements($3::json) with ordinality d(v, ord)`;
const READ = `select kind, tasks, change, reason, samples::double precision as samples, adopted, predicted::text, level, snapshot_id,
    realised::text, decided_at
  from goalpost.decisions where run_id = $1::uuid order by plan, number`;
const MAKESPAN = `select r.status, extract(epoch from r.finished_at - p.finished_at)::double precision * 1000 as makespan_ms
  from goalpost.runs r
  left join lateral (
    select min(t.finished_at) as finished_at from goalpost.steps s
    join goalpost.tasks t on t.run_id = r.id and t.position = s.position and t.item = -1
    where s.definition_id = r.definition_id and s.kind = 'plan') p on true
  where r.id = $1::uuid and r.finished_at is not null`;

export async function storeDecisions(db: Queryable, decided: Decided): Promise<void> {
  const { runId, plan, decisions, level, snapshotId, at, shape } = decided;
  await db.query(CLEAR, [runId, plan]);
  if (decisions.length > 0) {
    await db.query(ADD, [runId, plan, JSON.stringify(decisions), level, snapshotId, at, shape]);
  }
}

// One for each run, by its first decision about the order, which has what basic would have taken. What was planned in parts
// or waited for others took longer than any prediction for one plan.
const OUTCOMES = `select distinct on (decided_at, run_id) level,
    (predicted->'makespanMs'->>'before')::double precision as "predictedBeforeMs",
    (realised->>'makespanMs')::double precision as "realisedMs"
  from goalpost.decisions d
  where shape = $1 and kind = 'rank' and realised->>'status' = 'completed'
    and predicted->'makespanMs'->>'before' is not null and realised->>'makespanMs' is not null
    and not exists (select 1 from goalpost.decisions o where o.run_id = d.run_id and o.plan <> d.plan)
    and not exists (select 1 from goalpost.waits w where w.run_id = d.run_id)
  order by decided_at desc, run_id, plan, number limit $2::int`;

/** How the last runs of a graph went, the latest last. */
export async function readOutcomes(db: Queryable, shape: string, limit: number): Promise<OptimizedOutcome[]> {
  const rows = await db.query<OptimizedOutcome & Record<string, unknown>>(OUTCOMES, [shape, limit]);
  return rows.reverse();
}

/** What was decided stays, and counts no more for what is decided next. */
export async function forgetOutcomes(db: Queryable): Promise<void> {
  await db.query("update goalpost.decisions set shape = null where shape is not null");
}

export async function readDecisions(db: Queryable, runId: string): Promise<StoredDecision[]> {
  const rows = await db.query<Row>(READ, [runId]);
  return rows.map(({ predicted, snapshot_id, realised, decided_at, ...row }) => ({
    ...row,
    ...(predicted !== null && { predicted: JSON.parse(predicted) as NonNullable<Decision["predicted"]> }),
    snapshotId: snapshot_id,
    decidedAt: new Date(decided_at),
    realised: realised === null ? null : (JSON.parse(realised) as Realised),
  }));
}

/** How a run went that has ended; undefined if it has not, or is gone. */
export async function makespanOf(
  db: Queryable,
  runId: string,
): Promise<Pick<Realised, "makespanMs" | "status"> | undefined> {
  const [row] = await db.query<{ status: string; makespan_ms: number | null }>(MAKESPAN, [runId]);
  return row && { status: row.status, makespanMs: row.makespan_ms };
}

export async function storeRealised(db: Queryable, runId: string, realised: Realised): Promise<void> {
  await db.query(
    "update goalpost.decisions set realised = $2::json where run_id = $1::uuid and realised is null",
    [runId, JSON.stringify(realised)],
  );
}
