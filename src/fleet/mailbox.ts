import { v7 as newId } from "uuid";
import type { Queryable } from "../core/driver.ts";
import { MAX_MESSAGE_BYTES } from "./publication.ts";

/** A message of one of the hub's channels. */
export interface Mail {
  readonly seq: number;
  /** Parsed; undefined where it is larger than a message may be, and was not read. */
  readonly payload: unknown;
}

const SEND = "select goalpost.send_message($1, $2::uuid, $3::json, null)::float8 as seq";

/** Stores a message, a JSON text, in a channel and tells who listens. @returns its seq */
export async function sendMail(db: Queryable, channel: string, body: string): Promise<number> {
  const [row] = await db.query<{ seq: number }>(SEND, [channel, newId(), body]);
  return row?.seq ?? 0;
}

const READ = `select seq::float8 as seq,
    case when octet_length(payload::text) <= $4 then payload::text end as payload
  from goalpost.messages where channel = $1 and seq > $2::bigint order by seq limit $3`;

/** The next messages of a channel, oldest first. What is too large stays in the database. */
export async function readMail(
  db: Queryable,
  channel: string,
  page: { readonly after: number; readonly limit: number },
): Promise<Mail[]> {
  const values = [channel, page.after, page.limit, MAX_MESSAGE_BYTES];
  const rows = await db.query<{ seq: number; payload: string | null }>(READ, values);
  return rows.map(({ seq, payload }) => ({
    seq,
    payload: payload === null ? undefined : JSON.parse(payload),
  }));
}

const LAST_SEQ = "select last_seq::float8 as seq from goalpost.channels where name = $1 for update";

/** The seq of a channel's newest message, 0 before the first; nobody else sends to it until the transaction ends. */
export async function lockChannel(tx: Queryable, channel: string): Promise<number> {
  const [row] = await tx.query<{ seq: number }>(LAST_SEQ, [channel]);
  return row?.seq ?? 0;
}

const DROP = "delete from goalpost.messages where channel = $1 and seq <= $2::bigint";

/** Removes messages up to a seq. */
export async function dropMail(db: Queryable, channel: string, upTo: number): Promise<void> {
  await db.query(DROP, [channel, upTo]);
}
