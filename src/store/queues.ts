import type { Queryable } from "../core/driver.ts";
import { read, repeatOnConflict } from "./repeat.ts";

/** A queue that runs were started in, or that has a limit. */
export interface QueueSummary {
  readonly name: string;
  /** Tasks that may run at once, on all instances together; null for any number. */
  readonly maxRunning: number | null;
  /** Tasks that run now; counted only where there is a limit, else null. */
  readonly running: number | null;
}

const LIMIT = "select goalpost.limit_queue($1, $2::int)";

/** Sets or, with null, lifts the limit of a queue. */
export async function limitQueue(db: Queryable, name: string, maxRunning: number | null): Promise<void> {
  await repeatOnConflict(() => db.query(LIMIT, [name, maxRunning]));
}

const LIST = `select queue as name, max_running as "maxRunning", case when max_running is not null then running end as running
  from goalpost.lanes where lane = 'queue:' || queue order by queue`;

/** Queues by name. */
export async function listQueues(db: Queryable): Promise<QueueSummary[]> {
  return read<QueueSummary & Record<string, unknown>>(db, LIST, []);
}
