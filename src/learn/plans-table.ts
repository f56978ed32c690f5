import type { Queryable } from "../core/driver.ts";
import type { Goal, RecalledPlan, TaskSpec } from "../core/goal.ts";
import type { Json } from "../core/json.ts";
import type { PlanRecord } from "./judge-reuse.ts";
import type { StepHashes } from "./plan-key.ts";

/** Plans that are looked through, the latest first: their vectors are compared one by one. */
const MAX_CANDIDATES = 2000;
/** Plans that are kept. */
const MAX_PLANS = 5000;
/** Goals without a vector that are told of at once. */
const MAX_MISSING = 256;
/** A plan with a longer text is no example. */
const MAX_EXAMPLE_CHARS = 8000;
/** For each example that is asked for so many plans are read: several may be of one goal. */
const SPARE = 4;

/** A run of a goal that has ended, as far as its plan is concerned. */
export interface EndedPlan {
  readonly goal: Goal;
  readonly tasks: readonly TaskSpec[];
  readonly status: string;
  /** Its code tells whether the plan or what is around it failed. */
  readonly errorCode: string | null;
  /** A part of the plan failed and was made again. */
  readonly replanned: boolean;
}

/** Fields of json that others made are not asked for: one text in it that PostgreSQL cannot hold, and they cannot be read. */
const READ_ENDED = `select r.status, r.input::text, t.output::text as graph,
    substring(r.error::text from '^\\s*\\{\\s*"code"\\s*:\\s*"([A-Z_]+)"') as error_code,
    exists (select 1 from goalpost.plan_versions v where v.run_id = r.id) as replanned
  from goalpost.runs r
  join goalpost.tasks t on t.run_id = r.id and t.position = 0 and t.item = -1 and t.status = 'completed'
  where r.id = $1::uuid and r.source = 'planned' and r.finished_at is not null
    and r.settings::text ~ '^\\{"limits":\\{[^}]*\\},"graph":null'`;

/** The plan that a decomposer made for a run's goal, before any part of it was planned again; undefined if none did. */
export async function readEnded(db: Queryable, runId: string): Promise<EndedPlan | undefined> {
  const [row] = await db.query<{
    status: string;
    input: string;
    graph: string;
    error_code: string | null;
    replanned: boolean;
  }>(READ_ENDED, [runId]);
  if (!row) {
    return undefined;
  }
  const { goal, context } = JSON.parse(row.input) as { goal: string; context?: Json };
  const { tasks } = JSON.parse(row.graph) as { tasks: readonly TaskSpec[] };
  return {
    goal: { text: goal, ...(context !== undefined && { context }) },
    tasks,
    status: row.status,
    errorCode: row.error_code,
    replanned: row.replanned,
  };
}

/** Which plan of which goal, made of which steps. */
export interface PlanIdentity {
  readonly goalKey: string;
  readonly tools: string;
  readonly graphHash: string;
}

const ADD_SUCCESS = `insert into goalpost.plan_memory as m
    (goal_key, tools, graph_hash, content_hash, goal, tasks, steps, last_run, last_at)
  values ($1, $2, $3, $6, $7::json, $8::json, $9::jsonb, $4::uuid, $5::timestamptz)
  on conflict (goal_key, tools, graph_hash) do update set successes = m.successes + 1, failures_in_a_row = 0,
    last_run = excluded.last_run, last_at = excluded.last_at
  where m.last_run <> excluded.last_run`;
const ADD_FAILURE = `update goalpost.plan_memory set failures = failures + 1, failures_in_a_row = failures_in_a_row + 1,
    last_run = $4::uuid, last_at = $5::timestamptz
  where goal_key = $1 and tools = $2 and graph_hash = $3 and last_run <> $4::uuid`;

interface Ended extends PlanIdentity {
  readonly runId: string;
  readonly at: Date;
}

/** The goal was reached by this plan. */
export async function addSuccess(
  db: Queryable,
  plan: Ended & {
    readonly contentHash: string;
    readonly goal: string;
    readonly tasks: readonly TaskSpec[];
    readonly steps: StepHashes;
  },
): Promise<void> {
  const { contentHash, goal, tasks, steps } = plan;
  const what = [contentHash, JSON.stringify(goal), JSON.stringify(tasks), JSON.stringify(steps)];
  await db.query(ADD_SUCCESS, [...valuesOf(plan), ...what]);
}

/** It was not. A plan that never reached its goal is not kept. */
export async function addFailure(db: Queryable, plan: Ended): Promise<void> {
  await db.query(ADD_FAILURE, valuesOf(plan));
}

function valuesOf({ goalKey, tools, graphHash, runId, at }: Ended): readonly unknown[] {
  return [goalKey, tools, graphHash, runId, at];
}

const SAME = `select tasks::text, successes, failures, failures_in_a_row,
    (extract(epoch from $3::timestamptz - last_at) * 1000)::float8 as age_ms
  from goalpost.plan_memory where goal_key = $1 and tools = $2
  order by successes - failures desc, last_at desc, id limit 10`;

/** A plan that is kept, and how its runs ended. */
export interface KeptPlan extends PlanRecord {
  readonly tasks: readonly TaskSpec[];
}

/** The plans of this very goal, made of these very steps, those that went best first. */
export async function plansOf(
  db: Queryable,
  { goalKey, tools, at }: Pick<PlanIdentity, "goalKey" | "tools"> & { readonly at: Date },
): Promise<readonly KeptPlan[]> {
  const rows = await db.query<{
    tasks: string;
    successes: number;
    failures: number;
    failures_in_a_row: number;
    age_ms: number;
  }>(SAME, [goalKey, tools, at]);
  return rows.map(({ tasks, successes, failures, failures_in_a_row, age_ms }) => ({
    tasks: JSON.parse(tasks) as readonly TaskSpec[],
    successes,
    failures,
    failuresInARow: failures_in_a_row,
    ageMs: age_ms,
  }));
}

/** Vectors are compared only with those of the model that made them. */
export interface VectorSpace {
  readonly model: string;
  readonly steps: StepHashes;
}

const FIT = "m.steps <@ $2::jsonb and m.failures_in_a_row < 2";
const MISSING = `select distinct on (m.content_hash) m.content_hash, m.goal::text as goal from (
    select * from goalpost.plan_memory m where ${FIT} order by m.last_at desc, m.id desc limit ${MAX_CANDIDATES}) m
  where not exists (
    select 1 from goalpost.plan_vectors v where v.model = $1 and v.content_hash = m.content_hash)
  limit ${MAX_MISSING}`;

/** A goal's text that has no vector of a model yet. */
export interface MissingVector {
  readonly contentHash: string;
  readonly goal: string;
}

export async function missingVectors(db: Queryable, { model, steps }: VectorSpace): Promise<MissingVector[]> {
  const rows = await db.query<{ content_hash: string; goal: string }>(MISSING, [
    model,
    JSON.stringify(steps),
  ]);
  return rows.map(({ content_hash, goal }) => ({
    contentHash: content_hash,
    goal: JSON.parse(goal) as string,
  }));
}

const HAS_VECTOR = "select 1 from goalpost.plan_vectors where model = $1 and content_hash = $2";

export async function hasVector(db: Queryable, model: string, contentHash: string): Promise<boolean> {
  return (await db.query(HAS_VECTOR, [model, contentHash])).length > 0;
}

const ADD_VECTORS = `insert into goalpost.plan_vectors (content_hash, model, dimensions, vector)
  select v->>0, $1, json_array_length(v->1), array(select json_array_elements_text(v->1)::real)
  from json_array_elements($2::json) v
  on conflict (model, content_hash) do nothing`;

export async function addVectors(
  db: Queryable,
  model: string,
  vectors: readonly (readonly [contentHash: string, vector: readonly number[]])[],
): Promise<void> {
  await db.query(ADD_VECTORS, [model, JSON.stringify(vectors)]);
}

const NEAR = `select m.goal_key, m.goal::text as goal, m.tasks::text, m.similarity from (
    select m.*, (select sum(a * b) from unnest(v.vector, $3::real[]) as u(a, b))::float8 as similarity
    from (select * from goalpost.plan_memory m where ${FIT} and length(m.tasks::text) <= ${MAX_EXAMPLE_CHARS}
      order by m.last_at desc, m.id desc limit ${MAX_CANDIDATES}) m
    join goalpost.plan_vectors v on v.model = $1 and v.content_hash = m.content_hash and v.dimensions = $4::int) m
  order by m.similarity desc, m.successes - m.failures desc, m.id limit $5::int`;

/** The plans whose goals are nearest, the nearest first; of each goal the one that went best. Exact: it looks at every one. */
export async function plansNear(
  db: Queryable,
  {
    model,
    steps,
    vector,
    count,
  }: VectorSpace & { readonly vector: readonly number[]; readonly count: number },
): Promise<readonly RecalledPlan[]> {
  const rows = await db.query<{ goal_key: string; goal: string; tasks: string; similarity: number }>(NEAR, [
    model,
    JSON.stringify(steps),
    `{${vector.join(",")}}`,
    vector.length,
    count * SPARE,
  ]);
  const seen = new Set<string>();
  const plans: RecalledPlan[] = [];
  for (const { goal_key, goal, tasks, similarity } of rows) {
    if (!seen.has(goal_key) && plans.length < count) {
      seen.add(goal_key);
      plans.push({
        goal: JSON.parse(goal) as string,
        tasks: JSON.parse(tasks) as readonly TaskSpec[],
        similarity,
      });
    }
  }
  return plans;
}

const FORGET_OLD = `delete from goalpost.plan_memory where id in (
    select id from goalpost.plan_memory order by last_at desc, id desc offset ${MAX_PLANS})`;
const FORGET_VECTORS = `delete from goalpost.plan_vectors v
  where not exists (select 1 from goalpost.plan_memory m where m.content_hash = v.content_hash)`;

/** Keeps the latest plans only, and no vectors of others. */
export async function forgetOldPlans(db: Queryable): Promise<void> {
  await db.query(FORGET_OLD);
  await db.query(FORGET_VECTORS);
}

/** @returns how many plans those were */
export async function forgetPlans(db: Queryable): Promise<number> {
  const rows = await db.query("delete from goalpost.plan_memory returning 1");
  await db.query(FORGET_VECTORS);
  return rows.length;
}
