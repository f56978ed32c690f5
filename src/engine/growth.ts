import type { Clock } from "../core/clock.ts";
import type { Driver, Row } from "../core/driver.ts";
import type { ErrorRecord } from "../core/error-record.ts";
import type { TaskSpec } from "../core/goal.ts";
import { type Json, toJson } from "../core/json.ts";
import type { StoredPlan } from "../core/plan-history.ts";
import { type Shape, shapeToRows } from "../core/shape.ts";
import type { DefinitionCache, RunDefinition } from "./definitions.ts";
import type { ClaimedTask } from "./protocol.ts";
import { isTransient } from "./transient.ts";

/** A part of a plan that is handed on while the rest is being made. */
export interface PlanPart {
  /** From 1. */
  readonly number: number;
  readonly tasks: readonly TaskSpec[];
  /** Its first node is the gate that the others wait for. */
  readonly shape: Shape;
}

/** A part of a plan that was handed on by an earlier try. */
export interface StoredPart {
  readonly tasks: readonly TaskSpec[];
}

/** Why a plan is made that replaces another. */
export interface ReplanFacts {
  readonly version: number;
  /** The task that has failed for good. */
  readonly failed: { readonly id: string; readonly step: string; readonly error: ErrorRecord };
  /** Outputs of the completed tasks within the scope, by name. */
  readonly completed: Readonly<Record<string, Json>>;
}

/** How a task that plans looks at its run, and lets it grow. */
export interface Growth {
  /** The run's definition as it is now. */
  definition(): Promise<RunDefinition>;
  /** What was handed on by earlier tries, in order. */
  readonly parts: readonly StoredPart[];
  /** Resolves to the position of the part's first node; null if the task is no longer this worker's. */
  handOn(part: PlanPart): Promise<number | null>;
  /** Null if this is the first plan of its scope. */
  replan(): Promise<ReplanFacts | null>;
  /** All other plans of the run so far, oldest first. */
  plans(): Promise<StoredPlan[]>;
}

const PART_KEY = "/stream/";
const REPEAT_MS = { first: 20, most: 2000 };

const HAND_ON = `select goalpost.stream_tasks($1::uuid, $2::uuid, $3::int, $4::int, $5::text, $6::json, $7::json,
  $8::timestamptz) as base`;
const REPLAN = `select v.version, v.error::text as error, split_part(f.name, '@', 1) as id,
    coalesce(f.step, split_part(f.name, '@', 1)) as step
  from goalpost.plan_versions v
  join goalpost.runs r on r.id = v.run_id
  join goalpost.steps f on f.definition_id = r.definition_id and f.position = v.failed
  where v.run_id = $1::uuid and v.position = $2::int`;
const COMPLETED = `select s.name, t.output::text as output
  from goalpost.plan_versions v
  join goalpost.runs r on r.id = v.run_id
  cross join lateral goalpost.plan_nodes(r.id, r.definition_id, v.scope) n
  join goalpost.steps s on s.definition_id = r.definition_id and s.position = n.position
  join goalpost.tasks t on t.run_id = r.id and t.position = n.position and t.item = -1
  where v.run_id = $1::uuid and v.position = $2::int and n.kind in ('step', 'map', 'join') and n.status = 'completed'
  order by n.position`;
const PLANS = `select case when j.kind = 'join' then j.name end as scope, t.output::text as output, p.parts::text as parts
  from goalpost.runs r
  join goalpost.steps s on s.definition_id = r.definition_id and s.kind = 'plan'
  join goalpost.steps j on j.definition_id = r.definition_id and j.position = s.within[cardinality(s.within)]
  join goalpost.tasks t on t.run_id = r.id and t.position = s.position and t.item = -1
  left join lateral (
    select json_agg(c.value order by c.key) as parts from goalpost.checkpoints c
    where c.run_id = r.id and c.position = s.position and c.item = -1 and starts_with(c.key, '${PART_KEY}')) p on true
  where r.id = $1::uuid and s.position <> $2::int and (t.status = 'completed' or p.parts is not null) order by s.position`;

export interface GrowthOptions {
  readonly driver: Driver;
  readonly clock: Clock;
  /** Of the worker. */
  readonly id: string;
  readonly definitions: DefinitionCache;
  /** There may be tasks to claim. */
  readonly wake: () => void;
}

/** Makes the doors of tasks that plan. */
export function growthMaker(options: GrowthOptions): (task: ClaimedTask, signal: AbortSignal) => Growth {
  return (task, signal) => makeGrowth(options, task, signal);
}

function makeGrowth(options: GrowthOptions, task: ClaimedTask, signal: AbortSignal): Growth {
  const { driver, clock, definitions } = options;
  const ask = <R extends Row>(text: string, values: readonly unknown[]): Promise<R[]> =>
    untilAnswered(() => driver.query<R>(text, values), signal);
  const place = [task.runId, task.position];
  return {
    parts: Object.entries(task.checkpoints)
      .filter(([key]) => key.startsWith(PART_KEY))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, value]) => ({ tasks: (value as unknown as [number, TaskSpec[]])[1] })),
    definition: () => untilAnswered(() => definitions.reload(task.definitionId), signal),
    async handOn({ number, tasks, shape }) {
      const [row] = await ask<{ base: number | null }>(HAND_ON, [
        options.id,
        ...place,
        task.delivery,
        `${PART_KEY}${String(number).padStart(6, "0")}`,
        toJson(tasks, "the plan has"),
        toJson(shapeToRows(shape), "the plan is"),
        clock.databaseNow(),
      ]);
      options.wake();
      return row?.base ?? null;
    },
    async replan() {
      const [row] = await ask<{ version: number; error: string; id: string; step: string }>(REPLAN, place);
      if (!row) {
        return null;
      }
      const completed = await ask<{ name: string; output: string | null }>(COMPLETED, place);
      return {
        version: row.version,
        failed: { id: row.id, step: row.step, error: JSON.parse(row.error) as ErrorRecord },
        completed: Object.fromEntries(
          completed.map(({ name, output }) => [name, JSON.parse(output ?? "null") as Json]),
        ),
      };
    },
    async plans() {
      const rows = await ask<{ scope: string | null; output: string | null; parts: string | null }>(
        PLANS,
        place,
      );
      return rows.map(({ scope, output, parts }) => ({ scope, tasks: tasksOf(output, parts) }));
    },
  };
}

/** Of a plan that was replaced before it was whole there are only the parts that it had handed on. */
function tasksOf(output: string | null, parts: string | null): readonly TaskSpec[] {
  return output === null
    ? (JSON.parse(parts ?? "[]") as [number, TaskSpec[]][]).flatMap(([, tasks]) => tasks)
    : (JSON.parse(output) as { tasks: TaskSpec[] }).tasks;
}

/** Asks again while the database does not answer: nothing here is done twice by that. */
async function untilAnswered<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let delayMs = REPEAT_MS.first; ; delayMs = Math.min(REPEAT_MS.most, delayMs * 2)) {
    signal.throwIfAborted();
    try {
      return await ask();
    } catch (error) {
      if (!isTransient(error)) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
  }
}
