import type { Queryable } from "../core/driver.ts";
import { repeatOnConflict } from "./repeat.ts";

const ONLINE = "select worker, beat::text from goalpost.instances where status = 'online'";

/** The instances that have not said goodbye, and how often each has said that it lives. */
export async function listOnline(db: Queryable): Promise<{ worker: string; beat: string }[]> {
  return db.query<{ worker: string; beat: string }>(ONLINE);
}

const LEFT_BEHIND = `select distinct h.worker from goalpost.handouts h
  where not exists (select 1 from goalpost.instances i where i.worker = h.worker and i.status = 'online')`;

/** Instances that said goodbye, or never said that they live, and still have tasks to their name. */
export async function listLeftBehind(db: Queryable): Promise<string[]> {
  const rows = await db.query<{ worker: string }>(LEFT_BEHIND);
  return rows.map((row) => row.worker);
}

const PUT_BACK = "select goalpost.put_back($1::uuid, $2, $3::int) as count";

/** Makes the tasks of a stopped or lost instance ready again; returns how many. */
export async function putBack(
  db: Queryable,
  instance: { worker: string; status: "stopped" | "lost"; maxLosses: number },
): Promise<number> {
  const values = [instance.worker, instance.status, instance.maxLosses];
  const [row] = await repeatOnConflict(() => db.query<{ count: number }>(PUT_BACK, values));
  return row?.count ?? 0;
}
