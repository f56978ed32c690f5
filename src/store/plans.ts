import type { Queryable } from "../core/driver.ts";
import type { Goal, ValidTaskGraph } from "../core/goal.ts";

const SAVE_PLAN = "insert into goalpost.plans (id, goal, graph) values ($1::uuid, $2::json, $3::json)";

/** Keeps a graph that was planned without being run. */
export async function savePlan(
  db: Queryable,
  plan: { id: string; goal: Goal; graph: ValidTaskGraph },
): Promise<void> {
  await db.query(SAVE_PLAN, [plan.id, JSON.stringify(plan.goal), JSON.stringify(plan.graph)]);
}
