import type { Queryable } from "../core/driver.ts";
import type { Statement } from "./compile.ts";
import { type Evidence, evidenceJson, readEvidence } from "./evidence.ts";
import type { ReadPublication } from "./publication.ts";

/** How far a hub is. */
export interface HubState {
  readonly id: string;
  /** The last message that was merged. */
  readonly readSeq: number;
  /** What was sent last; 0 before the first. */
  readonly version: number;
  readonly digest: string;
}

/** Hubs of one database take turns by this lock. */
const HUB_LOCK = 7_305_801_120_475;

const TAKE_TURN = "select pg_try_advisory_xact_lock($1::bigint) as taken";
const FOUND = "insert into goalpost.fleet_hub (id) values (gen_random_uuid()) on conflict do nothing";
const STATE = `select id, read_seq::float8 as "readSeq", version::float8 as version, digest from goalpost.fleet_hub`;

/** The hub's state, made at its first turn; undefined while another hub has its turn. */
export async function takeTurn(tx: Queryable): Promise<HubState | undefined> {
  const [lock] = await tx.query<{ taken: boolean }>(TAKE_TURN, [HUB_LOCK]);
  if (!lock?.taken) {
    return undefined;
  }
  await tx.query(FOUND);
  const [state] = await tx.query<HubState & Record<string, unknown>>(STATE);
  return state;
}

/** What a hub is called; undefined before its first turn. */
export async function findHub(db: Queryable): Promise<HubState | undefined> {
  const [state] = await db.query<HubState & Record<string, unknown>>(STATE);
  return state;
}

const SAVE_STATE = "update goalpost.fleet_hub set read_seq = $1::bigint, version = $2::bigint, digest = $3";

export async function saveState(tx: Queryable, state: HubState): Promise<void> {
  await tx.query(SAVE_STATE, [state.readSeq, state.version, state.digest]);
}

// Which of two statements stands is decided by what they are, not by when they came: so any order and any repetition
// end the same. Two of one seq are the work of two databases that go by one id, and the larger text stands.
const MERGE = `insert into goalpost.fleet_evidence as e (source, topic, kind, model, seq, body)
  select $1::uuid, topic, kind, model, $2::bigint, body
  from json_to_recordset($3::json) as one (topic text, kind text, model text, body text)
  order by topic, kind, model
  on conflict (source, topic, kind, model) do update set seq = excluded.seq, body = excluded.body
  where (excluded.seq, excluded.body collate "C") > (e.seq, e.body collate "C")`;

// The same kinds stay whatever order they came in.
const TRIM = `delete from goalpost.fleet_evidence where source = $1::uuid and (topic, kind, model) in (
  select topic, kind, model from goalpost.fleet_evidence where source = $1::uuid
  order by md5(topic || kind || model), topic, kind, model offset $2::int)`;

const HEARD = `insert into goalpost.fleet_sources as s (source, seq, heard_at)
  values ($1::uuid, $2::bigint, goalpost.now())
  on conflict (source) do update set seq = greatest(s.seq, excluded.seq), heard_at = excluded.heard_at`;

/** Kinds of work that are kept of one source. */
const MAX_KINDS = 20_000;

/** Merges what a source has published, and acknowledges it. */
export async function mergePublication(
  tx: Queryable,
  { source, seq, evidence }: Pick<ReadPublication, "source" | "seq" | "evidence">,
): Promise<void> {
  const rows = evidence.map((one) => ({
    topic: one.topic,
    kind: one.kind,
    model: one.model,
    body: JSON.stringify(evidenceJson(one)),
  }));
  await tx.query(MERGE, [source, seq, JSON.stringify(rows)]);
  await tx.query(TRIM, [source, MAX_KINDS]);
  await tx.query(HEARD, [source, seq]);
}

const STATEMENTS = "select source, body from goalpost.fleet_evidence";

/** All that is known. */
export async function readStatements(db: Queryable): Promise<Statement[]> {
  const rows = await db.query<{ source: string; body: string }>(STATEMENTS);
  return rows.flatMap(({ source, body }) => {
    const evidence: Evidence | string = readEvidence(JSON.parse(body));
    return typeof evidence === "string" ? [] : [{ source, evidence }];
  });
}

const ACKNOWLEDGED = "select seq::float8 as seq from goalpost.fleet_sources where source = $1::uuid";

/** The last publication of a source that was merged; 0 if none was. */
export async function acknowledgedSeq(db: Queryable, source: string): Promise<number> {
  const [row] = await db.query<{ seq: number }>(ACKNOWLEDGED, [source]);
  return row?.seq ?? 0;
}

/** A database that publishes to a hub. */
export interface SourceSummary {
  readonly source: string;
  /** Its last publication. */
  readonly seq: number;
  readonly heardAt: Date;
  /** Kinds of work that it knows of. */
  readonly kinds: number;
}

const SOURCES = `select s.source, s.seq::float8 as seq, s.heard_at as "heardAt",
    (select count(*)::int from goalpost.fleet_evidence e where e.source = s.source) as kinds
  from goalpost.fleet_sources s order by s.heard_at desc, s.source limit 1000`;

export function listSources(db: Queryable): Promise<SourceSummary[]> {
  return db.query<SourceSummary & Record<string, unknown>>(SOURCES);
}
