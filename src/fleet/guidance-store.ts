import type { Queryable } from "../core/driver.ts";
import { type Guidance, readGuidance } from "./guidance.ts";

/** How far a database is with what its hub sends. */
export interface GuidanceState {
  readonly hub: string;
  /** The last message that was read. */
  readonly readSeq: number;
  /** What it goes by; 0: nothing yet. */
  readonly version: number;
}

const STATE = `select hub, read_seq::float8 as "readSeq", version::float8 as version from goalpost.fleet_guidance`;

/** Undefined before the first message. */
export async function guidanceState(db: Queryable): Promise<GuidanceState | undefined> {
  const [state] = await db.query<GuidanceState & Record<string, unknown>>(STATE);
  return state;
}

// Of two instances that read at once the one that has read further is right, unless the hub is another one.
const SAVE = `insert into goalpost.fleet_guidance as g (hub, read_seq, version, body, applied_at)
  values ($1::uuid, $2::bigint, $3::bigint, $4::json, goalpost.now())
  on conflict (only_row) do update
  set hub = excluded.hub, read_seq = excluded.read_seq, version = excluded.version, body = excluded.body,
    applied_at = excluded.applied_at
  where g.hub <> excluded.hub or g.read_seq < excluded.read_seq`;

/** Goes by other guidance from now on. */
export async function saveGuidance(db: Queryable, guidance: Guidance, readSeq: number): Promise<void> {
  const { hub, version } = guidance;
  await db.query(SAVE, [hub, readSeq, version, JSON.stringify(guidance)]);
}

// What another hub sent is not gone by any more.
const READ_ON = `insert into goalpost.fleet_guidance as g (hub, read_seq, version, body, applied_at)
  values ($1::uuid, $2::bigint, 0, 'null', goalpost.now())
  on conflict (only_row) do update set hub = excluded.hub, read_seq = excluded.read_seq,
    version = case when g.hub = excluded.hub then g.version else 0 end,
    body = case when g.hub = excluded.hub then g.body else excluded.body end
  where g.hub <> excluded.hub or g.read_seq < excluded.read_seq`;

/** Messages were read, and none of them was to go by. */
export async function saveReadSeq(db: Queryable, hub: string, seq: number): Promise<void> {
  await db.query(READ_ON, [hub, seq]);
}

const BODY =
  "select body::text as body from goalpost.fleet_guidance where hub = $1::uuid and version = $2::bigint";

/** The guidance of a version; undefined if there is another by now. */
export async function loadGuidance(db: Queryable, state: GuidanceState): Promise<Guidance | undefined> {
  const [row] = await db.query<{ body: string }>(BODY, [state.hub, state.version]);
  const read = row && readGuidance(JSON.parse(row.body), state);
  return typeof read === "object" ? read.guidance : undefined;
}
