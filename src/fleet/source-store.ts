import { randomUUID } from "node:crypto";
import type { Queryable } from "../core/driver.ts";
import type { EvidenceKey } from "./evidence.ts";

/** How far a source is with its hub. */
export interface SourceState {
  /** What this database is called at the hub. */
  readonly source: string;
  /** The hub that it spoke to last; null before the first. */
  readonly hub: string | null;
  /** Its last publication. */
  readonly seq: number;
  /** The last one that the hub has merged. */
  readonly acked: number;
}

const MAKE = "insert into goalpost.fleet_self (source) values ($1::uuid) on conflict do nothing";
const STATE = `select source, hub, seq::float8 as seq, acked::float8 as acked from goalpost.fleet_self`;

/** The state, made when it is first asked for. */
export async function sourceState(db: Queryable): Promise<SourceState> {
  await db.query(MAKE, [randomUUID()]);
  const [state] = await db.query<SourceState & Record<string, unknown>>(STATE);
  return state as SourceState;
}

/** The same, and nobody else changes it until the transaction ends: instances of one database take turns. */
export async function lockSource(tx: Queryable): Promise<SourceState> {
  await tx.query(MAKE, [randomUUID()]);
  const [state] = await tx.query<SourceState & Record<string, unknown>>(`${STATE} for update`);
  return state as SourceState;
}

const SAVE = "update goalpost.fleet_self set hub = $1::uuid, seq = $2::bigint, acked = $3::bigint";

export async function saveSource(tx: Queryable, state: SourceState): Promise<void> {
  await tx.query(SAVE, [state.hub, state.seq, state.acked]);
}

/** What the statistics of a key were when they were looked at: another stamp is something new. */
export interface Stamp extends EvidenceKey {
  readonly stamp: string;
}

const PUBLISHED = "select topic, kind, model, stamp from goalpost.fleet_published";

export function readPublished(db: Queryable): Promise<Stamp[]> {
  return db.query<Stamp & Record<string, unknown>>(PUBLISHED);
}

const MARK = `insert into goalpost.fleet_published (topic, kind, model, stamp, seq)
  select topic, kind, model, stamp, $2::bigint
  from json_to_recordset($1::json) as one (topic text, kind text, model text, stamp text)
  on conflict (topic, kind, model) do update set stamp = excluded.stamp, seq = excluded.seq`;
const OUT = "insert into goalpost.fleet_outbox (seq, body) values ($1::bigint, $2::json)";

/** Puts a publication into the outbox and marks what it holds as published. */
export async function putOut(
  tx: Queryable,
  publication: { readonly seq: number; readonly body: string; readonly marks: readonly Stamp[] },
): Promise<void> {
  await tx.query(MARK, [JSON.stringify(publication.marks), publication.seq]);
  await tx.query(OUT, [publication.seq, publication.body]);
}

const FORGET = "delete from goalpost.fleet_published";
const UNSENT = "update goalpost.fleet_outbox set sent_at = null";

/** Everything is to be published, and sent, again. */
export async function startOver(tx: Queryable): Promise<void> {
  await tx.query(FORGET);
  await tx.query(UNSENT);
}

/** A publication on its way. */
export interface Outgoing {
  readonly seq: number;
  readonly body: string;
}

const WAITING = "select count(*)::int as count from goalpost.fleet_outbox";

export async function countOutbox(db: Queryable): Promise<number> {
  const [row] = await db.query<{ count: number }>(WAITING);
  return row?.count ?? 0;
}

const DUE = `select seq::float8 as seq, body::text as body from goalpost.fleet_outbox
  where sent_at is null or sent_at < $1::timestamptz order by seq`;

/** Publications to be sent, oldest first: those that never were, or long ago without an acknowledgement. */
export function readOutbox(db: Queryable, sentBefore: Date): Promise<Outgoing[]> {
  return db.query<Outgoing & Record<string, unknown>>(DUE, [sentBefore]);
}

const SENT = "update goalpost.fleet_outbox set sent_at = $2::timestamptz where seq = $1::bigint";

export async function markSent(db: Queryable, seq: number, at: Date): Promise<void> {
  await db.query(SENT, [seq, at]);
}

const ACKNOWLEDGE = "delete from goalpost.fleet_outbox where seq <= $1::bigint";

/** The hub has them: they need not be kept. */
export async function dropOutbox(tx: Queryable, upTo: number): Promise<void> {
  await tx.query(ACKNOWLEDGE, [upTo]);
}
