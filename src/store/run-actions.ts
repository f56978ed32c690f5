import type { Queryable } from "../core/driver.ts";
import type { ErrorRecord } from "../core/error-record.ts";
import { read, repeatOnConflict } from "./repeat.ts";

const CANCEL_RUN = "select goalpost.cancel_run($1::uuid, $2::json, $3::boolean) as cancelled";

/** Cancels a run, not those that it started; false if it is final already. */
export async function cancelRun(
  db: Queryable,
  id: string,
  { error, force }: { error: ErrorRecord; force: boolean },
): Promise<boolean> {
  const [row] = await repeatOnConflict(() =>
    db.query<{ cancelled: boolean }>(CANCEL_RUN, [id, JSON.stringify(error), force]),
  );
  return row?.cancelled ?? false;
}

const CHILDREN = "select id from goalpost.runs where parent_run_id = any($1::uuid[]) order by id";

/** The runs that tasks of these runs started. */
export async function listChildren(db: Queryable, ids: readonly string[]): Promise<string[]> {
  const rows = await read<{ id: string }>(db, CHILDREN, [ids]);
  return rows.map((row) => row.id);
}

const ADOPT_RUN = "select goalpost.adopt_run($1::uuid, $2::uuid, $3) as adopted";

/** Takes over a local run whose owner is gone; false if it is final or its owner is alive. */
export async function adoptRun(
  db: Queryable,
  id: string,
  by: { worker: string; lane: string },
): Promise<boolean> {
  const [row] = await repeatOnConflict(() =>
    db.query<{ adopted: boolean }>(ADOPT_RUN, [id, by.worker, by.lane]),
  );
  return row?.adopted ?? false;
}

const OWNER =
  "select owner, execution, finished_at is not null as final from goalpost.runs where id = $1::uuid";

/** Who carries a run out. */
export interface RunOwner {
  /** The worker that started or took it. */
  readonly owner: string | null;
  readonly execution: "local" | "distributed";
  readonly final: boolean;
}

/** Who carries the run out; undefined if it is unknown. */
export async function ownerOf(db: Queryable, id: string): Promise<RunOwner | undefined> {
  const [row] = await read<RunOwner & Record<string, unknown>>(db, OWNER, [id]);
  return row;
}

const PAUSE_RUN = "select goalpost.pause_run($1::uuid) as changed";
const RESUME_RUN = "select goalpost.resume_run($1::uuid) as changed";

/** Pauses a running run; false if it is not running. */
export async function pauseRun(db: Queryable, id: string): Promise<boolean> {
  const [row] = await repeatOnConflict(() => db.query<{ changed: boolean }>(PAUSE_RUN, [id]));
  return row?.changed ?? false;
}

/** Lets a paused run go on; false if it is not paused. */
export async function resumeRun(db: Queryable, id: string): Promise<boolean> {
  const [row] = await repeatOnConflict(() => db.query<{ changed: boolean }>(RESUME_RUN, [id]));
  return row?.changed ?? false;
}

const RETRY_RUN = "select goalpost.retry_run($1::uuid, $2::uuid, $3::uuid, $4, $5::boolean) as id";

/** How a run is retried: as which run, by whom, and whether what was finished is done again. */
export interface RetryBy {
  readonly newId: string;
  readonly worker: string;
  readonly lane: string;
  readonly resetAll: boolean;
}

/**
 * Starts run `newId` from a failed or cancelled one, unless one that retries it is under way.
 * @returns the id of the run that retries the old one; undefined if the old one is neither failed nor cancelled
 */
export async function retryRun(db: Queryable, old: string, by: RetryBy): Promise<string | undefined> {
  const [row] = await repeatOnConflict(() =>
    db.query<{ id: string | null }>(RETRY_RUN, [old, by.newId, by.worker, by.lane, by.resetAll]),
  );
  return row?.id ?? undefined;
}
