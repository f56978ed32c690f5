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
  /** The version of the plan that took its place; null for what belongs to the plan. Its id ends in "@v" then. */
  readonly replacedBy: number | null;
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
  within: number[] | null;
  replaced: number | null;
};

const GET_TASKS = `select t.position, s.name, s.within, s.replaced, s.kind, s.spec::text, t.status, t.delivery, t.failures,
    t.started_at, t.finished_at, case when $2::boolean then t.output::text end as output, t.error::text, p.fraction, p.note
  from goalpost.tasks_of($1::uuid) t join goalpost.steps s on s.definition_id = t.definition_id and s.position = t.position
  left join goalpost.progress p on t.status = 'running'
    and p.run_id = t.run_id and p.position = t.position and p.item = t.item and p.delivery = t.delivery
  where t.item = -1 order by t.position`;
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
  const parentOf = findParents(tasks);
  return tasks
    .filter((task) => visible.has(task.position))
    .map((task) => {
      const spec = JSON.parse(task.spec) as NodeSpec;
      return {
        ...toTask({ ...task, spec }, dependsOn.get(task.position) ?? [], history),
        ...waitsOf(task.name, spec),
        parent: task.within ? parentOf(task) : (spec.parent ?? null),
      };
    });
}

/** What was in a compound task that was replaced, and stays, is in what was around that. */
function findParents(tasks: readonly TaskRow[]): (task: TaskRow) => string | null {
  const joins = new Map(tasks.filter(({ kind }) => kind === "join").map((task) => [task.position, task]));
  return ({ within, replaced }) => {
    const around = (within ?? []).flatMap((position) => joins.get(position) ?? []);
    return around.findLast((join) => join.replaced === null || replaced !== null)?.name ?? null;
  };
}

function isVisible(kind: NodeKind): boolean {
  return kind === "step" || kind === "map" || kind === "join";
}

function toTask(
  { spec, ...row }: Omit<TaskRow, "spec"> & { readonly spec: NodeSpec },
  dependsOn: readonly string[],
  history: readonly HistoryRow[],
): Omit<TaskRecord, keyof TaskWaits | "parent"> {
  const holds = row.kind === "join";
  return {
    id: row.name,
    step: holds ? null : (spec.step ?? row.name.replace(/@.*/, "")),
    description: spec.description ?? "",
    status: row.status,
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
    replacedBy: row.replaced,
  };
}

const HAS_TASK = `select 1 from goalpost.steps s join goalpost.runs r on r.definition_id = s.definition_id
  where r.id = $1::uuid and s.name = $2`;

/** Whether a run has a task of that name. */
export async function hasTask(db: Queryable, runId: string, name: string): Promise<boolean> {
  return (await read(db, HAS_TASK, [runId, name])).length > 0;
}

const GET_OUTPUTS = `select s.name, t.output::text from goalpost.tasks_of($1::uuid) t
  join goalpost.steps s on s.definition_id = t.definition_id and s.position = t.position
  where t.item = -1 and t.status = 'completed' and s.kind in ('step', 'map', 'join')
  order by t.position`;

/** Outputs of the completed tasks by id. */
export async function getOutputs(db: Queryable, runId: string): Promise<Record<string, Json>> {
  const rows = await read<{ name: string; output: string | null }>(db, GET_OUTPUTS, [runId]);
  return Object.fromEntries(rows.map((row) => [row.name, parse(row.output)]));
}
