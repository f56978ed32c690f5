import type { Queryable } from "../core/driver.ts";
import { repeatOnConflict } from "./repeat.ts";

/** What was removed, or would be. */
export interface PruneReport {
  /** Runs, those that tasks of others started included. */
  readonly runs: number;
  /** Their tasks, map items included. */
  readonly tasks: number;
  /** Instances that ended before then; not counted by a dry run. */
  readonly instances: number;
}

const CUT_OFF = "select (goalpost.now() - make_interval(secs => $1::double precision))::text as before";
const PRUNE = `select runs, tasks, last_at::text, last_id, done
  from goalpost.prune_runs($1::timestamptz, $2::int, $3::timestamptz, $4::uuid, $5::boolean)`;
const PRUNE_REST = "select goalpost.prune_rest($1::timestamptz) as instances";

/** Older than everything, and as far back as PostgreSQL's calendar can go. */
const MAX_AGE_SECONDS = 2000 * 365 * 86_400;

type PruneRow = {
  runs: number;
  tasks: number;
  last_at: string | null;
  last_id: string | null;
  done: boolean;
};

/** Removes what ended longer ago than that, one transaction a batch. */
export async function prune(
  db: Queryable,
  { olderThanMs, batch, dryRun }: { olderThanMs: number; batch: number; dryRun: boolean },
): Promise<PruneReport> {
  const [cutOff] = await db.query<{ before: string }>(CUT_OFF, [
    Math.min(olderThanMs / 1000, MAX_AGE_SECONDS),
  ]);
  const before = cutOff?.before;
  let place: readonly [string | null, string | null] = ["-infinity", "00000000-0000-0000-0000-000000000000"];
  let runs = 0;
  let tasks = 0;
  for (let done = false; !done; ) {
    const [row] = await repeatOnConflict(() => db.query<PruneRow>(PRUNE, [before, batch, ...place, dryRun]));
    runs += row?.runs ?? 0;
    tasks += row?.tasks ?? 0;
    place = [row?.last_at ?? null, row?.last_id ?? null];
    done = row?.done ?? true;
  }
  if (dryRun) {
    return { runs, tasks, instances: 0 };
  }
  const [rest] = await repeatOnConflict(() => db.query<{ instances: number }>(PRUNE_REST, [before]));
  return { runs, tasks, instances: rest?.instances ?? 0 };
}
