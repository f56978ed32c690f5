import type { Queryable } from "../core/driver.ts";
import type { TaskProgress } from "../core/progress.ts";

/** A try of a task: what it says once it is another's is not stored. */
export interface HeldTask {
  readonly worker: string;
  readonly runId: string;
  readonly position: number;
  readonly item: number;
  readonly delivery: number;
}

export async function storeProgress(db: Queryable, held: HeldTask, progress: TaskProgress): Promise<void> {
  await db.query("select goalpost.tell_progress($1::uuid, $2::uuid, $3, $4, $5, $6, $7)", [
    held.worker,
    held.runId,
    held.position,
    held.item,
    held.delivery,
    progress.fraction,
    progress.note,
  ]);
}
