import type { Queryable } from "../core/driver.ts";
import type { ErrorRecord } from "../core/error-record.ts";
import type { TaskSpec } from "../core/goal.ts";
import type { Json } from "../core/json.ts";
import { latestTasks, type PlanDiff } from "../core/plan-history.ts";
import { parse } from "./json-text.ts";
import { read } from "./repeat.ts";
import type { TaskStatus } from "./task-rows.ts";

/** A plan of a run, or a part of it that was planned again. */
export interface PlanRecord {
  /** 1 is the first, with all that was decomposed later. */
  readonly version: number;
  /** The compound task that was planned again; null for the whole. */
  readonly scope: string | null;
  /** That of the node that plans: "waiting" until what is under way is final, then as with tasks. */
  readonly status: TaskStatus;
  /** The task that had failed for good; null for the first plan. */
  readonly reason: { readonly taskId: string; readonly code: string; readonly message: string } | null;
  /** What it changed; null for the first plan, and until it is made. */
  readonly diff: PlanDiff | null;
  /** Why it was not made. */
  readonly error: ErrorRecord | null;
  /** When it was made. */
  readonly at: Date | null;
}

type PlanRow = {
  version: number;
  scope: string | null;
  status: TaskStatus;
  failed: string | null;
  reason: string | null;
  diff: string | null;
  error: string | null;
  finished_at: Date | null;
};

const LIST_PLANS = `select coalesce(v.version, 1) as version, case when j.kind = 'join' then j.name end as scope, t.status,
    split_part(f.name, '@', 1) as failed, v.error::text as reason, v.diff::text, t.error::text, t.finished_at
  from goalpost.runs r
  join goalpost.steps s on s.definition_id = r.definition_id and s.kind = 'plan'
  join goalpost.tasks t on t.run_id = r.id and t.position = s.position and t.item = -1
  left join goalpost.plan_versions v on v.run_id = r.id and v.position = s.position
  left join goalpost.steps j on j.definition_id = r.definition_id and j.position = v.scope
  left join goalpost.steps f on f.definition_id = r.definition_id and f.position = v.failed
  where r.id = $1::uuid and (s.position = 0 or v.version is not null) order by s.position`;

/** The versions of a run's plan, oldest first; none for runs that are not planned. */
export async function listPlans(db: Queryable, runId: string): Promise<PlanRecord[]> {
  const rows = await read<PlanRow>(db, LIST_PLANS, [runId]);
  return rows.map(({ version, scope, status, failed, reason, diff, error, finished_at }) => ({
    version,
    scope,
    status,
    reason: toReason(failed, parse(reason) as ErrorRecord | null),
    diff: parse(diff) as PlanDiff | null,
    error: parse(error) as ErrorRecord | null,
    at: status === "completed" ? finished_at : null,
  }));
}

function toReason(taskId: string | null, error: ErrorRecord | null): PlanRecord["reason"] {
  return error && { taskId: taskId ?? "", code: error.code, message: error.message };
}

const GET_PLANS = `select case when j.kind = 'join' then j.name end as scope, t.output::text as output
  from goalpost.runs r
  join goalpost.steps s on s.definition_id = r.definition_id and s.kind = 'plan'
    and (s.position = 0 or s.within is not null)
  join goalpost.tasks t on t.run_id = r.id and t.position = s.position and t.item = -1 and t.status = 'completed'
  left join goalpost.steps j on j.definition_id = r.definition_id and j.position = s.within[cardinality(s.within)]
  where r.id = $1::uuid order by s.position`;

interface StoredGraph {
  readonly tasks: readonly TaskSpec[];
}

/** The graph of a planned run as it is by now. Null if it has not been planned yet. */
export async function getGraph(db: Queryable, runId: string): Promise<Json> {
  const rows = await read<{ scope: string | null; output: string | null }>(db, GET_PLANS, [runId]);
  const graphs = rows.map(({ scope, output }) => ({ scope, graph: parse(output) as unknown as StoredGraph }));
  const latest = graphs.findLast(({ scope }) => scope === null)?.graph;
  if (!latest || graphs.length === 1) {
    return (latest ?? null) as unknown as Json;
  }
  const plans = graphs.map(({ scope, graph }) => ({ scope, tasks: graph.tasks }));
  const tasks = latestTasks(plans, null);
  return { ...latest, tasks, ...measure(tasks) } as unknown as Json;
}

/** Tasks in all, and levels of nesting. */
function measure(tasks: readonly TaskSpec[]): { taskCount: number; depth: number } {
  const inner = tasks.map((task) => measure(task.subtasks ?? []));
  return {
    taskCount: inner.reduce((sum, { taskCount }) => sum + taskCount, tasks.length),
    depth: tasks.length === 0 ? 0 : 1 + Math.max(0, ...inner.map(({ depth }) => depth)),
  };
}
