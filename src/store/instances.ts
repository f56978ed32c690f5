import type { Queryable } from "../core/driver.ts";

const ONLINE = "select worker, beat::text from goalpost.instances where status = 'online'";

/** The instances that have not said goodbye, and how often each has said that it lives. */
export async function listOnline(db: Queryable): Promise<{ worker: string; beat: string }[]> {
  return db.query<{ worker: string; beat: string }>(ONLINE);
}

const PUT_BACK = "select goalpost.put_back($1::uuid, $2, $3::int) as count";

/** Makes the tasks of a stopped or lost instance ready again; returns how many. */
export async function putBack(
  db: Queryable,
  instance: { worker: string; status: "stopped" | "lost"; maxLosses: number },
): Promise<number> {
  const [row] = await db.query<{ count: number }>(PUT_BACK, [
    instance.worker,
    instance.status,
    instance.maxLosses,
  ]);
  return row?.count ?? 0;
}
