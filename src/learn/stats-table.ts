import type { Driver, Queryable } from "../core/driver.ts";
import { Summary } from "../core/summary.ts";
import type { Delta, Waited } from "./collector.ts";
import type { StatLevel } from "./stat-key.ts";

/** Rows that one transaction locks. */
const TOGETHER = 200;
/** Tasks of graphs that did not come again for so long are forgotten. */
const FORGET_DAYS = 60;

/** A row of statistics. */
export interface StatRow {
  readonly origin: string;
  readonly key: string;
  readonly level: StatLevel;
  readonly step: string;
  readonly summary: Summary;
}

/** How much of the spread of a step's run times is between its tasks, and how much within one. */
export interface Spread {
  readonly step: string;
  readonly within: number;
  readonly between: number;
}

type Stored = { origin: string; key: string; level: StatLevel; step: string; summary: string };

const ADD_KEYS = `insert into goalpost.step_stats (key, level, step)
  select * from unnest($1::text[], $2::text[], $3::text[]) on conflict do nothing`;
const LOCK = `select origin, key, level, step, summary::text from goalpost.step_stats
  where origin = '' and key = any($1::text[]) order by key for update`;
const STORE = `update goalpost.step_stats s
  set samples = n.samples, mean_log = n.mean_log, m2_log = n.m2_log, summary = n.summary::json, last_at = to_timestamp(n.last_ms / 1000)
  from unnest($1::text[], $2::bigint[], $3::double precision[], $4::double precision[], $5::text[], $6::double precision[])
    n(key, samples, mean_log, m2_log, summary, last_ms)
  where s.origin = '' and s.key = n.key`;
const FORGET = `delete from goalpost.step_stats
  where level in ('step', 'model') and last_at < $1::timestamptz - make_interval(days => ${FORGET_DAYS})`;
const READ = `select origin, key, level, step, summary::text from goalpost.step_stats
  where key = any($1::text[]) and summary is not null order by key, origin`;
const READ_ALL = `select origin, key, level, step, summary::text from goalpost.step_stats
  where level = any($1::text[]) and ($2::text is null or step = $2::text) and summary is not null
  order by samples desc, key, origin limit $3::int`;
const SPREADS = `select step, coalesce(sum(m2_log) / nullif(sum(samples - 1), 0), 0) as within,
    coalesce(var_samp(mean_log), 0) as between
  from goalpost.step_stats where level = $1::text and samples >= 2 and ($2::text[] is null or step = any($2::text[]))
  group by step`;
const WAITS = `select w.step, extract(epoch from t.started_at - greatest(r.created_at, b.at))::double precision * 1000 as wait_ms
  from unnest($1::uuid[], $2::int[], $3::text[]) w(run_id, position, step)
  join goalpost.tasks t on t.run_id = w.run_id and t.position = w.position and t.item = -1
  join goalpost.runs r on r.id = w.run_id
  cross join lateral (
    select max(p.finished_at) as at from goalpost.edges e
    join goalpost.tasks p on p.run_id = t.run_id and p.position = e.src and p.item = -1
    where e.definition_id = t.definition_id and e.dst = t.position) b
  where t.started_at is not null`;

/** Adds what was seen to what is stored: rows are locked in the order of their keys, whoever adds. */
export async function addDeltas(driver: Driver, deltas: readonly Delta[]): Promise<void> {
  const sorted = deltas.toSorted((a, b) => (a.key.text < b.key.text ? -1 : 1));
  for (let from = 0; from < sorted.length; from += TOGETHER) {
    await driver.transaction((tx) => addSome(tx, sorted.slice(from, from + TOGETHER)));
  }
}

async function addSome(tx: Queryable, deltas: readonly Delta[]): Promise<void> {
  const keys = deltas.map(({ key }) => key.text);
  await tx.query(ADD_KEYS, [keys, deltas.map(({ key }) => key.level), deltas.map(({ key }) => key.step)]);
  const rows = await tx.query<Stored>(LOCK, [keys]);
  const known = new Map(rows.map((row) => [row.key, read(row)]));
  const merged = deltas.map(({ key, summary }) => {
    const before = known.get(key.text)?.summary;
    return before ? Summary.merge(before, summary) : summary;
  });
  await tx.query(STORE, [
    keys,
    merged.map(({ count }) => count),
    merged.map(({ mean }) => mean),
    merged.map(({ m2 }) => m2),
    merged.map((summary) => JSON.stringify(summary.toJson())),
    merged.map(({ sums }) => sums.lastAt),
  ]);
}

/** Forgets tasks of graphs that did not come again. */
export async function forgetOld(driver: Queryable, now: Date): Promise<void> {
  await driver.query(FORGET, [now]);
}

/** How long tasks had waited from when they could run to when they did. */
export async function readWaits(
  driver: Queryable,
  waited: readonly Waited[],
): Promise<{ step: string; waitMs: number }[]> {
  const rows = await driver.query<{ step: string; wait_ms: number | null }>(WAITS, [
    waited.map(({ runId }) => runId),
    waited.map(({ position }) => position),
    waited.map(({ step }) => step),
  ]);
  return rows.flatMap(({ step, wait_ms }) =>
    wait_ms === null ? [] : [{ step, waitMs: Math.max(0, wait_ms) }],
  );
}

export async function readRows(driver: Queryable, keys: readonly string[]): Promise<StatRow[]> {
  const rows = await driver.query<Stored>(READ, [keys]);
  return rows.flatMap((row) => read(row) ?? []);
}

export async function listRows(
  driver: Queryable,
  by: { levels: readonly StatLevel[]; step?: string | undefined; limit: number },
): Promise<StatRow[]> {
  const rows = await driver.query<Stored>(READ_ALL, [by.levels, by.step ?? null, by.limit]);
  return rows.flatMap((row) => read(row) ?? []);
}

/** @param steps those that it is asked of; null for all */
export async function readSpreads(
  driver: Queryable,
  by: { level: StatLevel; steps: readonly string[] | null },
): Promise<Spread[]> {
  return driver.query<Spread & Record<string, unknown>>(SPREADS, [by.level, by.steps]);
}

/** Forgets what was learned, of one step or of all; returns how many rows that were. */
export async function forgetRows(driver: Queryable, step: string | undefined): Promise<number> {
  const rows = await driver.query(
    "delete from goalpost.step_stats where $1::text is null or step = $1::text returning key",
    [step ?? null],
  );
  return rows.length;
}

/** A row that cannot be read is as if it were not there: the next samples make it anew. */
function read({ origin, key, level, step, summary }: Stored): StatRow | undefined {
  const value = Summary.fromJson(JSON.parse(summary ?? "null"));
  return value && { origin, key, level, step, summary: value };
}
