import type { Queryable } from "../core/driver.ts";
import type { Goal, ValidTaskGraph } from "../core/goal.ts";
import type { Json } from "../core/json.ts";
import { parse } from "./json-text.ts";
import { read } from "./repeat.ts";
import { type ApprovalRecord, approvalOf } from "./waits.ts";

const SAVE_PLAN = "insert into goalpost.plans (id, goal, graph) values ($1::uuid, $2::json, $3::json)";

/** Keeps a graph that was planned without being run. */
export async function savePlan(
  db: Queryable,
  plan: { id: string; goal: Goal; graph: ValidTaskGraph },
): Promise<void> {
  await db.query(SAVE_PLAN, [plan.id, JSON.stringify(plan.goal), JSON.stringify(plan.graph)]);
}

/** The key under which a plan node keeps the plan that somebody is asked about. */
export const PROPOSED_PLAN = "/plan";

/** A plan that somebody is asked about before anything of it runs. */
export interface PlanApproval extends Omit<ApprovalRecord, "status"> {
  readonly status: "waiting" | "approved" | "rejected";
  /** The graph as it was proposed; what was approved is the run's `graph`. */
  readonly proposed: Json;
  readonly since: Date;
}

const GET_APPROVAL = `select w.state, w.by, w.note, w.created_at, w.answered_at, c.value::text as proposed
  from goalpost.waits w
  join goalpost.checkpoints c on c.run_id = w.run_id and c.position = w.position and c.item = w.item and c.key = $2
  where w.run_id = $1::uuid and w.position = 0 and w.item = -1 and w.key = '/approval'`;

type ApprovalRow = {
  state: PlanApproval["status"];
  by: string | null;
  note: string | null;
  created_at: Date;
  answered_at: Date | null;
  proposed: string;
};

/** Whether the plan of a run was approved of, or waits for it; null if nobody is asked, or not yet. */
export async function getPlanApproval(db: Queryable, runId: string): Promise<PlanApproval | null> {
  const [row] = await read<ApprovalRow>(db, GET_APPROVAL, [runId, PROPOSED_PLAN]);
  return row
    ? { ...approvalOf(row), status: row.state, proposed: parse(row.proposed), since: row.created_at }
    : null;
}

const GET_SETTINGS = "select settings::text from goalpost.runs where id = $1::uuid";

/** What a planned run was started with; null for others. */
export async function getSettings(db: Queryable, runId: string): Promise<Json> {
  const [row] = await read<{ settings: string | null }>(db, GET_SETTINGS, [runId]);
  return parse(row?.settings ?? null);
}
