import type { Queryable } from "../core/driver.ts";
import type { ErrorRecord } from "../core/error-record.ts";
import { GoalpostError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { NodeKind, NodeSpec } from "../core/shape.ts";
import { repeatOnConflict } from "./repeat.ts";
import { getWaits, type TaskWaits } from "./waits.ts";

export type RunStatus = "queued" | "running" | "paused" | "completed" | "failed" | "cancelled";
export type TaskStatus =
  | "waiting"
  | "ready"
  | "running"
  | "suspended"
  | "completed"
  | "failed"
  | "skipped"
  | "cancelled";

/** A run as it is stored, without its tasks. */
export interface RunSummary {
  readonly id: string;
  readonly workflow: string;
  readonly source: "static" | "dynamic" | "planned";
  readonly status: RunStatus;
  /** True for an unfinished local run whose instance is gone. */
  readonly ownerless: boolean;
  readonly input: Json;
  readonly output: Json;
  readonly error: ErrorRecord | null;
  readonly labels: Readonly<Record<string, string>>;
  /** The run that this one was retried from. */
  readonly retryOf: string | null;
  readonly createdAt: Date;
  readonly finishedAt: Date | null;
}

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

export interface RunFilter {
  readonly status?: RunStatus | undefined;
  readonly workflow?: string | undefined;
  /** At most this many. Default 50. */
  readonly limit?: number | undefined;
  readonly offset?: number | undefined;
}

type RunRow = {
  id: string;
  workflow: string;
  source: RunSummary["source"];
  status: RunStatus;
  ownerless: boolean;
  input: string;
  output: string | null;
  error: string | null;
  labels: string | null;
  retry_of: string | null;
  created_at: Date;
  finished_at: Date | null;
};

const RUN_COLUMNS = `r.id, r.workflow, r.source, r.status, r.input::text, r.output::text, r.error::text, r.labels::text,
  r.retry_of, r.created_at, r.finished_at,
  r.execution = 'local' and r.finished_at is null and not exists (
    select 1 from goalpost.instances i where i.worker = r.owner and i.status = 'online') as ownerless`;

const GET_RUN = `select ${RUN_COLUMNS} from goalpost.runs r where r.id = $1::uuid`;

/** @throws RUN_NOT_FOUND */
export async function getRun(db: Queryable, id: string): Promise<RunSummary> {
  const [row] = isUuid(id) ? await db.query<RunRow>(GET_RUN, [id]) : [];
  if (!row) {
    throw new GoalpostError("RUN_NOT_FOUND", `there is no run "${id}" in this database`);
  }
  return toSummary(row);
}

const LIST_RUNS = `select ${RUN_COLUMNS} from goalpost.runs r
  where ($1::text is null or r.status = $1) and ($2::text is null or r.workflow = $2)
  order by r.created_at desc, r.id desc limit $3::int offset $4::int`;

/** Runs, newest first. */
export async function listRuns(db: Queryable, filter: RunFilter): Promise<RunSummary[]> {
  const rows = await db.query<RunRow>(LIST_RUNS, [
    filter.status ?? null,
    filter.workflow ?? null,
    filter.limit ?? 50,
    filter.offset ?? 0,
  ]);
  return rows.map(toSummary);
}

const LAST_OF_GOAL = `select ${RUN_COLUMNS} from goalpost.runs r
  where r.input_hash = $1 and r.source = 'planned' order by r.created_at desc, r.id desc limit 1`;

/** The latest run of a goal. */
export async function lastRunOfGoal(db: Queryable, inputHash: string): Promise<RunSummary | undefined> {
  const [row] = await db.query<RunRow>(LAST_OF_GOAL, [inputHash]);
  return row && toSummary(row);
}

function toSummary(row: RunRow): RunSummary {
  return {
    id: row.id,
    workflow: row.workflow,
    source: row.source,
    status: row.status,
    ownerless: row.ownerless,
    input: parse(row.input),
    output: parse(row.output),
    error: parse(row.error) as ErrorRecord | null,
    labels: (parse(row.labels) ?? {}) as Record<string, string>,
    retryOf: row.retry_of,
    createdAt: row.created_at,
    finishedAt: row.finished_at,
  };
}

function parse(text: string | null): Json {
  return text === null ? null : (JSON.parse(text) as Json);
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
  output: string | null;
  error: string | null;
};

const GET_TASKS = `select t.position, s.name, s.kind, s.spec::text, t.status, t.delivery, t.failures, t.started_at,
    t.finished_at, case when $2::boolean then t.output::text end as output, t.error::text
  from goalpost.tasks t join goalpost.steps s on s.definition_id = t.definition_id and s.position = t.position
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
  const tasks = await db.query<TaskRow>(GET_TASKS, [runId, options.outputs]);
  const edges = await db.query<{ src: number; dst: number }>(GET_EDGES, [runId]);
  const history = await db.query<HistoryRow>(GET_HISTORY, [runId]);
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

const GET_OUTPUTS = `select s.name, t.output::text from goalpost.tasks t
  join goalpost.steps s on s.definition_id = t.definition_id and s.position = t.position
  where t.run_id = $1::uuid and t.item = -1 and t.status = 'completed' and s.kind in ('step', 'map', 'join')
  order by t.position`;
const GET_PLAN = `select t.output::text from goalpost.tasks t
  where t.run_id = $1::uuid and t.position = 0 and t.item = -1`;

/** Outputs of the completed tasks by id. */
export async function getOutputs(db: Queryable, runId: string): Promise<Record<string, Json>> {
  const rows = await db.query<{ name: string; output: string | null }>(GET_OUTPUTS, [runId]);
  return Object.fromEntries(rows.map((row) => [row.name, parse(row.output)]));
}

/** What the plan node of a planned run returned: its graph. Null if it has not been planned yet. */
export async function getPlan(db: Queryable, runId: string): Promise<Json> {
  const [row] = await db.query<{ output: string | null }>(GET_PLAN, [runId]);
  return parse(row?.output ?? null);
}

const GET_PROGRESS = `select
    count(*)::int as total,
    count(*) filter (where t.status = 'completed')::int as completed,
    count(*) filter (where t.status = 'running')::int as running,
    count(*) filter (where t.status = 'failed')::int as failed,
    count(*) filter (where t.status in ('skipped', 'cancelled'))::int as dropped
  from goalpost.tasks t join goalpost.steps s on s.definition_id = t.definition_id and s.position = t.position
  where t.run_id = $1::uuid and s.kind in ('step', 'map')`;

export interface TaskCounts {
  readonly total: number;
  readonly completed: number;
  readonly running: number;
  readonly failed: number;
  readonly dropped: number;
}

/** How many tasks of a run are in which state. */
export async function countTasks(db: Queryable, runId: string): Promise<TaskCounts> {
  const [row] = await db.query<TaskCounts & Record<string, unknown>>(GET_PROGRESS, [runId]);
  return row ?? { total: 0, completed: 0, running: 0, failed: 0, dropped: 0 };
}

const FINISHED = `select id, status, output::text, error::text from goalpost.runs
  where id = any($1::uuid[]) and finished_at is not null`;

/** Which of the runs are final, and how they ended. */
export async function findFinished(
  db: Queryable,
  ids: readonly string[],
): Promise<
  { id: string; status: "completed" | "failed" | "cancelled"; output: Json; error: ErrorRecord | null }[]
> {
  const rows = await db.query<{
    id: string;
    status: "completed" | "failed" | "cancelled";
    output: string | null;
    error: string | null;
  }>(FINISHED, [ids]);
  return rows.map((row) => ({
    ...row,
    output: parse(row.output),
    error: parse(row.error) as ErrorRecord | null,
  }));
}

const STOP_RUN = "select goalpost.stop_run($1::uuid, 'cancelled', $2::json) as stopped";

/** Cancels a run; false if it is final already. */
export async function cancelRun(db: Queryable, id: string, error: ErrorRecord): Promise<boolean> {
  const [row] = await repeatOnConflict(() =>
    db.query<{ stopped: boolean }>(STOP_RUN, [id, JSON.stringify(error)]),
  );
  return row?.stopped ?? false;
}

const ADOPT_RUN = "select goalpost.adopt_run($1::uuid, $2::uuid, $3) as adopted";

/** Takes over a local run whose owner is gone; false if it is final or its owner is alive. */
export async function adoptRun(
  db: Queryable,
  id: string,
  by: { worker: string; lane: string },
): Promise<boolean> {
  const [row] = await repeatOnConflict(() =>
    db.query<{ adopted: boolean }>(ADOPT_RUN, [id, by.worker, by.lane]),
  );
  return row?.adopted ?? false;
}

const PAUSE_RUN = "select goalpost.pause_run($1::uuid) as changed";
const RESUME_RUN = "select goalpost.resume_run($1::uuid) as changed";

/** Pauses a running run; false if it is not running. */
export async function pauseRun(db: Queryable, id: string): Promise<boolean> {
  const [row] = await db.query<{ changed: boolean }>(PAUSE_RUN, [id]);
  return row?.changed ?? false;
}

const QUEUE_READY = "select goalpost.queue_ready($1::uuid)";

/** Lets a paused run go on; false if it is not paused. */
export async function resumeRun(db: Queryable, id: string): Promise<boolean> {
  const [row] = await db.query<{ changed: boolean }>(RESUME_RUN, [id]);
  if (row?.changed) {
    await repeatOnConflict(() => db.query(QUEUE_READY, [id]));
  }
  return row?.changed ?? false;
}

const RETRY_RUN = "select goalpost.retry_run($1::uuid, $2::uuid, $3::uuid, $4) as retried";

/** Starts run `newId` from a failed or cancelled one; false if the old one is neither. */
export async function retryRun(
  db: Queryable,
  old: string,
  by: { newId: string; worker: string; lane: string },
): Promise<boolean> {
  const [row] = await repeatOnConflict(() =>
    db.query<{ retried: boolean }>(RETRY_RUN, [old, by.newId, by.worker, by.lane]),
  );
  return row?.retried ?? false;
}

function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
}
