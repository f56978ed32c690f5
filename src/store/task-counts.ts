import type { Queryable } from "../core/driver.ts";
import { type NodeKind, type NodeSpec, REPLAN } from "../core/shape.ts";
import { read } from "./repeat.ts";

// An item's share of its map counts before the map is through.
const TASKS_OF_RUN = `select s.position, s.name, s.kind, s.spec, s.within, s.replaced, t.finished_at is not null as final,
    case when i.total > 0 and t.status = 'waiting' then 'running' else t.status end as status,
    case when t.status in ('completed', 'skipped') or t.status = 'failed' and (s.replaced is null or s.on_exhausted <> 'fail')
      then 1 else coalesce(i.final::double precision / nullif(i.total, 0), 0) end as done
  from goalpost.tasks_of($1::uuid) t join goalpost.steps s on s.definition_id = t.definition_id and s.position = t.position
  left join lateral (
    select count(*) as total, count(*) filter (where m.status in ('completed', 'failed', 'skipped')) as final
    from goalpost.tasks m where m.run_id = t.run_id and m.position = t.position and m.item >= 0 and s.kind = 'map') i on true
  where t.item = -1`;
const COUNT_TASKS = `select
    count(*) filter (where kind in ('step', 'map'))::int as total,
    count(*) filter (where kind in ('step', 'map') and status = 'completed')::int as completed,
    count(*) filter (where kind in ('step', 'map') and status = 'running')::int as running,
    count(*) filter (where kind in ('step', 'map') and status = 'failed')::int as failed,
    count(*) filter (where kind in ('step', 'map') and status = 'skipped')::int as skipped,
    count(*) filter (where kind in ('step', 'map') and status = 'cancelled')::int as cancelled,
    coalesce(sum(done) filter (where kind in ('step', 'map')), 0)::double precision as done,
    coalesce(sum(grows), 0) > 0 or exists (
      select 1 from goalpost.runs r join goalpost.definitions d on d.id = r.definition_id
      where r.id = $1::uuid and d.max_replans is not null) as "grows"
  from (
    select *, case when kind = 'plan' and (position > 0 or not final) then 1 end as grows from (${TASKS_OF_RUN}) node) task
  where replaced is null or kind = 'plan'`;

/** How many of a run's tasks are in which state; map items are part of their map. */
export interface TaskCounts {
  readonly total: number;
  readonly completed: number;
  readonly running: number;
  readonly failed: number;
  readonly skipped: number;
  readonly cancelled: number;
  /** How many tasks' worth of work is done. */
  readonly done: number;
  /** Whether more may come, or came, than was planned at first, or the plan is not whole yet. */
  readonly grows: boolean;
}

/** How many tasks of a run are in which state. */
export async function countTasks(db: Queryable, runId: string): Promise<TaskCounts> {
  const [row] = await read<TaskCounts & Record<string, unknown>>(db, COUNT_TASKS, [runId]);
  return (
    row ?? {
      total: 0,
      completed: 0,
      running: 0,
      failed: 0,
      skipped: 0,
      cancelled: 0,
      done: 0,
      grows: false,
    }
  );
}

const GET_SHARES = `select position, name, kind, spec::text, within, replaced, final, done from (${TASKS_OF_RUN}) task
  where kind in ('step', 'map', 'join', 'plan') order by position`;

/** A node, what it is part of, and how much of it is done, from 0 to 1. */
export interface TaskShare {
  readonly position: number;
  readonly kind: NodeKind;
  /** The join around it; null if it is not known. */
  readonly parent: number | null;
  readonly done: number;
  readonly final: boolean;
  /** The version of the plan that it comes from, or makes. */
  readonly version: number;
  readonly replaced: number | null;
}

type ShareRow = {
  position: number;
  name: string;
  kind: NodeKind;
  spec: string;
  within: number[] | null;
  replaced: number | null;
  final: boolean;
  done: number;
};

/** How far each task of a run is. */
export async function getShares(db: Queryable, runId: string): Promise<TaskShare[]> {
  const rows = await read<ShareRow>(db, GET_SHARES, [runId]);
  return rows.map(({ spec, within, name, ...row }) => ({
    ...row,
    parent: within?.at(-1) ?? null,
    version: name.startsWith(REPLAN)
      ? Number.parseInt(name.slice(REPLAN.length), 10)
      : ((JSON.parse(spec) as NodeSpec).version ?? 1),
  }));
}
