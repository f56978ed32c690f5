import type { Queryable } from "../core/driver.ts";
import { GoalpostError } from "../core/errors.ts";
import type { Flow, FlowOptions, FlowStep, FlowSummary } from "../core/flow.ts";
import type { Json } from "../core/json.ts";
import type { StepPolicy } from "../core/retry.ts";
import { repeatOnConflict } from "./repeat.ts";

/** A flow, and what tells it from one that was deleted and had the same name. */
export interface StoredFlow extends Flow {
  readonly id: string;
}

type FlowRow = { id: string; name: string; options: string; step_count: number; created_at: Date };

const COLUMNS = "id::text, name, options::text, step_count, created_at";
const CREATE_FLOW = `insert into goalpost.flows (name, options) values ($1, $2::json) on conflict do nothing`;
const FIND_FLOW = `select ${COLUMNS} from goalpost.flows where name = $1`;
const LIST_FLOWS = `select ${COLUMNS} from goalpost.flows order by name collate "C" limit $1::int offset $2::int`;

/** Stores a flow if there is none of that name. */
export async function createFlow(db: Queryable, name: string, options: FlowOptions): Promise<void> {
  await repeatOnConflict(() => db.query(CREATE_FLOW, [name, JSON.stringify(options)]));
}

/** A flow without its steps. @throws FLOW_NOT_FOUND */
export async function findFlow(db: Queryable, name: string): Promise<FlowSummary & { readonly id: string }> {
  const [row] = await db.query<FlowRow>(FIND_FLOW, [name]);
  if (!row) {
    throw flowNotFound(name);
  }
  return { id: row.id, ...toSummary(row) };
}

/** Flows by name. */
export async function listFlows(
  db: Queryable,
  page: { limit: number; offset: number },
): Promise<FlowSummary[]> {
  const rows = await db.query<FlowRow>(LIST_FLOWS, [page.limit, page.offset]);
  return rows.map(toSummary);
}

function toSummary(row: FlowRow): FlowSummary {
  return {
    name: row.name,
    options: JSON.parse(row.options) as FlowOptions,
    stepCount: row.step_count,
    createdAt: row.created_at,
  };
}

export function flowNotFound(name: string): GoalpostError {
  return new GoalpostError(
    "FLOW_NOT_FOUND",
    `there is no flow "${name}" in this database; make it with gp.flows.create("${name}")`,
  );
}

type StepRow = {
  position: number;
  name: string;
  kind: FlowStep["kind"];
  sources: string[];
  over: string | null;
  concurrency: number | null;
  items: string | null;
  options: string;
};

const STEP_COLUMNS = `s.position, s.name, s.kind, o.name as over, s.concurrency, s.items::text, s.options::text,
    array(select d.name from goalpost.flow_edges e
      cross join lateral (
        select name from goalpost.flow_steps where flow_id = e.flow_id and position = e.src offset 0) d
      where e.flow_id = s.flow_id and e.dst = s.position order by d.name collate "C") as sources
  from goalpost.flow_steps s
  left join lateral (
    select name from goalpost.flow_steps where flow_id = s.flow_id and position = s.over offset 0) o on true`;
const GET_STEPS = `select ${STEP_COLUMNS} where s.flow_id = $1::bigint order by s.position`;
const GET_STEP = `select ${STEP_COLUMNS}
  where s.flow_id = (select id from goalpost.flows where name = $1) and s.position = $2::int`;

/** A flow with its steps. @throws FLOW_NOT_FOUND */
export async function getFlow(db: Queryable, name: string): Promise<StoredFlow> {
  const flow = await findFlow(db, name);
  const steps = (await db.query<StepRow>(GET_STEPS, [flow.id])).map(toStep);
  // Steps may have been added since the flow was looked for.
  return { ...flow, stepCount: steps.length, steps };
}

/** One step of a flow. @throws FLOW_NOT_FOUND if the flow was deleted meanwhile */
export async function getFlowStep(db: Queryable, name: string, position: number): Promise<FlowStep> {
  const [row] = await db.query<StepRow>(GET_STEP, [name, position]);
  if (!row) {
    throw flowNotFound(name);
  }
  return toStep(row);
}

function toStep(row: StepRow): FlowStep {
  return {
    name: row.name,
    kind: row.kind,
    position: row.position,
    after: row.sources.filter((source) => source !== row.over),
    over: row.over,
    items: row.items === null ? null : (JSON.parse(row.items) as Json[]),
    concurrency: row.concurrency,
    ...(JSON.parse(row.options) as StepPolicy),
  };
}

/** A step to be added; everything is checked but what only the database knows. */
export interface NewStep {
  readonly flow: string;
  readonly name: string;
  readonly kind: FlowStep["kind"];
  readonly after: readonly string[];
  readonly over: string | null;
  readonly concurrency: number | null;
  /** JSON text. */
  readonly items: string | null;
  readonly policy: StepPolicy;
}

export interface AddedStep {
  readonly outcome: "added" | "exists" | "no_flow" | "full" | "unknown_dependency" | "cycle";
  /** Of a step that was added or exists. */
  readonly position: number | null;
  /** The dependencies that are at fault. */
  readonly names: readonly string[];
}

const ADD_STEP = `select outcome, pos as position, coalesce(names, '{}') as names
  from goalpost.add_flow_step($1, $2, $3, $4::text[], $5, $6::int, $7::json, $8::json)`;

/** Adds a step, or says why not. */
export async function addFlowStep(db: Queryable, step: NewStep): Promise<AddedStep> {
  const { flow, name, kind, after, over, concurrency, items, policy } = step;
  const values = [flow, name, kind, after, over, concurrency, items, JSON.stringify(policy)];
  const [row] = await repeatOnConflict(() => db.query<AddedStep & Record<string, unknown>>(ADD_STEP, values));
  return row ?? { outcome: "no_flow", position: null, names: [] };
}

const DELETE_FLOW = "select goalpost.delete_flow($1::bigint) as deleted";

/** Deletes a flow and its steps, not its runs; false if there is none. */
export async function deleteFlow(db: Queryable, id: string): Promise<boolean> {
  const [row] = await repeatOnConflict(() => db.query<{ deleted: boolean }>(DELETE_FLOW, [id]));
  return row?.deleted ?? false;
}

const NEXT_RUNS = `select id, finished_at is not null as final from goalpost.runs
  where id > $2::uuid and workflow = $1 and source = 'dynamic' order by id limit $3::int`;
const NO_ID = "00000000-0000-0000-0000-000000000000";

export interface FlowRun {
  readonly id: string;
  readonly final: boolean;
}

/** The next runs of a flow, by id. */
export async function nextRunsOfFlow(
  db: Queryable,
  name: string,
  page: { readonly after: string | undefined; readonly limit: number },
): Promise<FlowRun[]> {
  return db.query<FlowRun & Record<string, unknown>>(NEXT_RUNS, [name, page.after ?? NO_ID, page.limit]);
}

const DELETE_RUNS = "select goalpost.delete_runs($1::uuid[]) as count";

/** Removes those of the runs that are final; returns how many, the runs that they started included. */
export async function deleteRuns(db: Queryable, ids: readonly string[]): Promise<number> {
  const [row] = await repeatOnConflict(() => db.query<{ count: number }>(DELETE_RUNS, [ids]));
  return row?.count ?? 0;
}
