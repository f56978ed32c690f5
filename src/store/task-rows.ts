import type { Queryable } from "../core/driver.ts";
import type { ErrorRecord } from "../core/error-record.ts";
import type { Json } from "../core/json.ts";
import type { TaskProgress } from "../core/progress.ts";
import type { NodeKind, NodeSpec } from "../core/shape.ts";
import { parse } from "./json-text.ts";
import { read } from "./repeat.ts";
import { getWaits, type TaskWaits } from "./waits.ts";

export type TaskStatus =
  | "waiting"
  | "ready"
  | "running"
  | "suspended"
  | "completed"
  | "failed"
  | "skipped"
  | "cancelled";

/** A task of a run as it is stored. */
export interface TaskRecord extends TaskWaits {
  readonly id: string;
  /** The step that does it; null for tasks that hold others. */
  readonly step: string | null;
  readonly description: string;
  readonly status: TaskStatus;
  /** The compound task it is in. */
  readonly parent: string | null;
  /** Levels of nesting, from 1. */
  readonly depth: number;
  readonly dependsOn: readonly string[];
  /** Tries begun. */
  readonly attempts: number;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  /** What it last said by `ctx.progress`, while it is running; else null. */
  readonly progress: TaskProgress | null;
  readonly output: Json;
  readonly error: ErrorRecord | null;
  /** Tries that failed or were lost, oldest first. */
  readonly history: readonly AttemptRecord[];
}

export interface AttemptRecord {
  readonly outcome: "failed" | "lost";
  readonly error: ErrorRecord | null;
  readonly startedAt: Date | null;
  readonly finishedAt: Date;
}

type TaskRow = {
  position: number;
  name: string;
  kind: NodeKind;
  spec: string;
  status: TaskStatus;
  delivery: number;
  failures: number;
  started_at: Date | null;
  finished_at: Date | null;
  fraction: number | null;
  note: string | null;
  output: string | null;
  error: string | null;
};

const GET_TASKS = `select t.position, s.name, s.kind, s.spec::text, t.status, t.delivery, t.failures, t.started_at,
    t.finished_at, case when $2::boolean then t.output::text end as output, t.error::text, p.fraction, p.note
  from goalpost.tasks t join goalpost.steps s on s.definition_id = t.definition_id and s.position = t.position
  left join goalpost.progress p on t.status = 'running'
    and p.run_id = t.run_id and p.position = t.position and p.item = t.item and p.delivery = t.delivery
  where t.run_id = $1::uuid and t.item = -1 order by t.position`;
const GET_EDGES = `select e.src, e.dst from goalpost.edges e join goalpost.runs r on r.definition_id = e.definition_id
  where r.id = $1::uuid`;
const GET_HISTORY = `select position, outcome, error::text, started_at, finished_at from goalpost.attempts
  where run_id = $1::uuid order by position, delivery`;

type HistoryRow = {
  position: number;
  outcome: "failed" | "lost";
  error: string | null;
  started_at: Date | null;
  finished_at: Date;
};

/** The tasks of a run in the order of its definition; nodes that no user made are left out, but for the plan. */
export async function getTasks(
  db: Queryable,
  runId: string,
  options: { outputs: boolean },
): Promise<TaskRecord[]> {
  const tasks = await read<TaskRow>(db, GET_TASKS, [runId, options.outputs]);
  const edges = await read<{ src: number; dst: number }>(db, GET_EDGES, [runId]);
  const history = await read<HistoryRow>(db, GET_HISTORY, [runId]);
  const waitsOf = await getWaits(db, runId);
  const visible = new Map(
    tasks.filter((task) => isVisible(task.kind)).map((task) => [task.position, task.name]),
  );
  const dependsOn = new Map<number, string[]>();
  for (const { src, dst } of edges) {
    const name = visible.get(src);
    if (name !== undefined) {
      dependsOn.set(dst, [...(dependsOn.get(dst) ?? []), name]);
    }
  }
  return tasks
    .filter((task) => visible.has(task.position))
    .map((task) => {
      const spec = JSON.parse(task.spec) as NodeSpec;
      return {
        ...toTask({ ...task, spec }, dependsOn.get(task.position) ?? [], history),
        ...waitsOf(task.name, spec),
      };
    });
}

function isVisible(kind: NodeKind): boolean {
  return kind === "step" || kind === "map" || kind === "join";
}

function toTask(
  { spec, ...row }: Omit<TaskRow, "spec"> & { readonly spec: NodeSpec },
  dependsOn: readonly string[],
  history: readonly HistoryRow[],
): Omit<TaskRecord, keyof TaskWaits> {
  const holds = row.kind === "join";
  return {
    id: row.name,
    step: holds ? null : (spec.step ?? row.name),
    description: spec.description ?? "",
    status: row.status,
    parent: spec.parent ?? null,
    depth: spec.depth ?? 1,
    dependsOn,
    attempts: holds || row.started_at === null ? 0 : row.failures + (row.status === "failed" ? 0 : 1),
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    progress: row.fraction === null ? null : { fraction: row.fraction, note: row.note },
    output: parse(row.output),
    error: parse(row.error) as ErrorRecord | null,
    history: history
      .filter((entry) => entry.position === row.position)
      .map((entry) => ({
        outcome: entry.outcome,
        error: parse(entry.error) as ErrorRecord | null,
        startedAt: entry.started_at,
        finishedAt: entry.finished_at,
      })),
  };
}

const HAS_TASK = `select 1 from goalpost.steps s join goalpost.runs r on r.definition_id = s.definition_id
  where r.id = $1::uuid and s.name = $2`;

/** Whether a run has a task of that name. */
export async function hasTask(db: Queryable, runId: string, name: string): Promise<boolean> {
  return (await read(db, HAS_TASK, [runId, name])).length > 0;
}

const GET_OUTPUTS = `select s.name, t.output::text from goalpost.tasks t
  join goalpost.steps s on s.definition_id = t.definition_id and s.position = t.position
  where t.run_id = $1::uuid and t.item = -1 and t.status = 'completed' and s.kind in ('step', 'map', 'join')
  order by t.position`;
const GET_PLAN = `select t.output::text from goalpost.tasks t
  where t.run_id = $1::uuid and t.position = 0 and t.item = -1`;

/** Outputs of the completed tasks by id. */
export async function getOutputs(db: Queryable, runId: string): Promise<Record<string, Json>> {
  const rows = await read<{ name: string; output: string | null }>(db, GET_OUTPUTS, [runId]);
  return Object.fromEntries(rows.map((row) => [row.name, parse(row.output)]));
}

/** What the plan node of a planned run returned: its graph. Null if it has not been planned yet. */
export async function getPlan(db: Queryable, runId: string): Promise<Json> {
  const [row] = await read<{ output: string | null }>(db, GET_PLAN, [runId]);
  return parse(row?.output ?? null);
}

// An item's share of its map counts before the map is through.
const TASKS_OF_RUN = `select s.name, s.kind, s.spec, case when i.total > 0 and t.status = 'waiting' then 'running' else t.status end as status,
    case when t.status in ('completed', 'failed', 'skipped') then 1 else coalesce(i.final::double precision / nullif(i.total, 0), 0) end as done
  from goalpost.tasks t join goalpost.steps s on s.definition_id = t.definition_id and s.position = t.position
  left join lateral (
    select count(*) as total, count(*) filter (where m.status in ('completed', 'failed', 'skipped')) as final
    from goalpost.tasks m where m.run_id = t.run_id and m.position = t.position and m.item >= 0 and s.kind = 'map') i on true
  where t.run_id = $1::uuid and t.item = -1`;
const COUNT_TASKS = `select
    count(*) filter (where kind in ('step', 'map'))::int as total,
    count(*) filter (where kind in ('step', 'map') and status = 'completed')::int as completed,
    count(*) filter (where kind in ('step', 'map') and status = 'running')::int as running,
    count(*) filter (where kind in ('step', 'map') and status = 'failed')::int as failed,
    count(*) filter (where kind in ('step', 'map') and status = 'skipped')::int as skipped,
    count(*) filter (where kind in ('step', 'map') and status = 'cancelled')::int as cancelled,
    coalesce(sum(done) filter (where kind in ('step', 'map')), 0)::double precision as done,
    count(*) filter (where kind = 'plan') > 1 as "growsLate"
  from (${TASKS_OF_RUN}) task`;

/** How many of a run's tasks are in which state; map items are part of their map. */
export interface TaskCounts {
  readonly total: number;
  readonly completed: number;
  readonly running: number;
  readonly failed: number;
  readonly skipped: number;
  readonly cancelled: number;
  /** How many tasks' worth of work is done. */
  readonly done: number;
  /** Whether some task is, or was, decomposed when it was reached. */
  readonly growsLate: boolean;
}

/** How many tasks of a run are in which state. */
export async function countTasks(db: Queryable, runId: string): Promise<TaskCounts> {
  const [row] = await read<TaskCounts & Record<string, unknown>>(db, COUNT_TASKS, [runId]);
  return (
    row ?? {
      total: 0,
      completed: 0,
      running: 0,
      failed: 0,
      skipped: 0,
      cancelled: 0,
      done: 0,
      growsLate: false,
    }
  );
}

const GET_SHARES = `select name, spec::text, done from (${TASKS_OF_RUN}) task where kind in ('step', 'map', 'join')`;

/** A task, what it is part of, and how much of it is done, from 0 to 1. */
export interface TaskShare {
  readonly name: string;
  readonly parent: string | null;
  readonly done: number;
}

/** How far each task of a run is. */
export async function getShares(db: Queryable, runId: string): Promise<TaskShare[]> {
  const rows = await read<{ name: string; spec: string; done: number }>(db, GET_SHARES, [runId]);
  return rows.map(({ name, spec, done }) => ({
    name,
    parent: (JSON.parse(spec) as NodeSpec).parent ?? null,
    done,
  }));
}
