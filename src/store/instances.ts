import type { Queryable } from "../core/driver.ts";
import { repeatOnConflict } from "./repeat.ts";

/** online: it beats. stopped: it said goodbye. lost: it did not, and its tasks were given to others. */
export type InstanceStatus = "online" | "stopped" | "lost";

/** A process with a worker, as the database knows it. A process with several workers is listed once for each. */
export interface InstanceSummary {
  /** What the process is called: `instanceId`. */
  readonly id: string;
  readonly workerId: string;
  readonly status: InstanceStatus;
  readonly load: {
    /** Tasks under way. */
    readonly running: number;
    /** Tasks carried out at once. */
    readonly concurrency: number;
  };
  readonly host: string;
  readonly pid: number;
  /** Of goalpost. */
  readonly version: string;
  readonly queues: readonly string[];
  readonly capabilities: readonly string[];
  readonly startedAt: Date;
  readonly heartbeatAt: Date;
  /** What slows it down or may, in sentences. */
  readonly warnings: readonly string[];
}

export interface InstanceFilter {
  readonly status?: InstanceStatus | undefined;
}

type InstanceRow = {
  name: string;
  worker: string;
  status: InstanceStatus;
  load: string;
  host: string;
  pid: number;
  version: string;
  queues: string[];
  capabilities: string[];
  started_at: Date;
  heartbeat_at: Date;
};

const LIST = `select name, worker, status, load::text, host, pid, version, queues, capabilities, started_at, heartbeat_at
  from goalpost.instances where ($1::text is null or status = $1)
  order by status = 'online' desc, started_at desc, worker`;

/** The instances that the database knows, those that are online first, then the newest. */
export async function listInstances(db: Queryable, filter: InstanceFilter): Promise<InstanceSummary[]> {
  const rows = await db.query<InstanceRow>(LIST, [filter.status ?? null]);
  const warning = rows.some((row) => row.status === "online") ? await snapshotWarning(db) : undefined;
  return rows.map((row) => ({
    id: row.name,
    workerId: row.worker,
    status: row.status,
    load: JSON.parse(row.load) as InstanceSummary["load"],
    host: row.host,
    pid: row.pid,
    version: row.version,
    queues: row.queues,
    capabilities: row.capabilities,
    startedAt: row.started_at,
    heartbeatAt: row.heartbeat_at,
    warnings: warning !== undefined && row.status === "online" ? [warning] : [],
  }));
}

/** Older snapshots keep dead rows alive, and every claim walks over them. */
const OLD_SNAPSHOT_MS = 60_000;

const OLDEST_SNAPSHOT = `select pid, (extract(epoch from clock_timestamp() - xact_start) * 1000)::float8 as age_ms
  from pg_stat_activity where backend_xmin is not null and pid <> pg_backend_pid() and xact_start is not null
    and datname = current_database()
  order by xact_start limit 1`;

async function snapshotWarning(db: Queryable): Promise<string | undefined> {
  const [oldest] = await db.query<{ pid: number; age_ms: number }>(OLDEST_SNAPSHOT);
  if (!oldest || oldest.age_ms < OLD_SNAPSHOT_MS) {
    return undefined;
  }
  const seconds = Math.round(oldest.age_ms / 1000);
  return `a transaction (process ${oldest.pid} of the database) has been open for ${seconds} s: until it ends nothing can be cleaned up, and taking tasks gets slower`;
}

const ONLINE = "select worker from goalpost.instances where status = 'online'";

/** The workers that have not said goodbye. */
export async function listOnline(db: Queryable): Promise<string[]> {
  const rows = await db.query<{ worker: string }>(ONLINE);
  return rows.map((row) => row.worker);
}

const LEFT_BEHIND = `select distinct h.worker
  from (select worker from goalpost.handouts
    union all select worker from goalpost.agent_streams where worker is not null) h
  where not exists (select 1 from goalpost.instances i where i.worker = h.worker and i.status = 'online')`;

/** Workers that said goodbye, or never said that they live, and still have tasks to their name. */
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

const PRUNE = `delete from goalpost.instances i
  where i.status <> 'online' and i.heartbeat_at < goalpost.now() - make_interval(secs => $1::float8 / 1000)
    and not exists (select 1 from goalpost.handouts h where h.worker = i.worker)
    and not exists (select 1 from goalpost.agent_streams s where s.worker = i.worker)
  returning i.worker`;

/**
 * Forgets instances that are gone and have no tasks to their name; returns how many.
 * @param olderThanMs milliseconds since their last sign of life
 */
export async function pruneInstances(db: Queryable, olderThanMs: number): Promise<number> {
  return (await db.query(PRUNE, [olderThanMs])).length;
}
