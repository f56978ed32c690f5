import type { Queryable } from "../core/driver.ts";
import { check } from "../core/policy.ts";
import type { RawMessage } from "./message.ts";

/** A message that is being sent. */
export interface Outgoing {
  readonly channel: string;
  readonly id: string;
  /** JSON text. */
  readonly payload: string;
  /** What the database should take for now; null: its own clock. */
  readonly now: Date | null;
}

const SEND_MESSAGE = "select goalpost.send_message($1, $2::uuid, $3::json, $4::timestamptz)";

/** Stores a message and tells the listeners, in one transaction. */
export async function sendMessage(db: Queryable, { channel, id, payload, now }: Outgoing): Promise<void> {
  await db.query(SEND_MESSAGE, [channel, id, payload, now]);
}

const SEND_NOTICE = "select goalpost.send_notice($1, $2::uuid, $3::json, $4::timestamptz)";

/** Passes a message on to those who listen now. */
export async function sendNotice(db: Queryable, { channel, id, payload, now }: Outgoing): Promise<void> {
  await db.query(SEND_NOTICE, [channel, id, payload, now]);
}

interface MessageRow {
  readonly [column: string]: unknown;
  readonly seq: number;
  readonly id: string;
  readonly payload: string;
  readonly at: Date;
}

/** Which part of a channel is read. */
export interface Span {
  readonly channel: string;
  /** Seq of the last message that is not wanted; null: the newest are wanted. */
  readonly after: number | null;
  /** Seq of the last message that is wanted; null: no end. */
  readonly upTo: number | null;
  readonly limit: number;
  /** No more is read once this many bytes were; null: no limit. At least one message is. */
  readonly bytes: number | null;
}

const READ_MESSAGES = `select seq::float8 as seq, id, payload, at
  from goalpost.read_messages($1, $2::bigint, $3::bigint, $4::int, $5::bigint)`;

/** Messages of a channel, oldest first. */
export async function readMessages(db: Queryable, span: Span): Promise<RawMessage[]> {
  const { channel, after, upTo, limit, bytes } = span;
  const rows = await db.query<MessageRow>(READ_MESSAGES, [channel, after, upTo, limit, bytes]);
  return rows.map(({ seq, id, payload, at }) => ({ id, channel, seq, payload, at, stored: true }));
}

/** Where a notice is, and after which stored message it belongs. */
export interface NoticeRef {
  readonly ordinal: number;
  readonly afterSeq: number;
}

const READ_NOTICES = "select seq::float8 as seq, id, payload, at from goalpost.read_notices($1::bigint[])";

/** Those of some notices of a channel that are still there, in the order asked for. */
export async function readNotices(
  db: Queryable,
  channel: string,
  refs: readonly NoticeRef[],
): Promise<RawMessage[]> {
  const rows = await db.query<MessageRow>(READ_NOTICES, [refs.map((ref) => ref.ordinal)]);
  return rows.map(({ seq, id, payload, at }) => ({ id, channel, seq, payload, at, stored: false }));
}

/** What is new on one channel. */
export interface ChannelNews {
  /** Seq of the newest message; 0 if there has never been one. */
  readonly lastSeq: number;
  /** What could be seen: the `since` of the next look. */
  readonly seen: string;
  readonly notices: readonly NoticeRef[];
}

interface NewsRow {
  readonly [column: string]: unknown;
  readonly lastSeq: number;
  readonly seen: string;
  readonly notices: string | null;
}

const LOOK = `select last_seq::float8 as "lastSeq", seen, notices::text as notices
  from goalpost.look_at_channels($1::text[], $2::text[], $3)`;

/** A channel to look at, and what the last look at it could see; null: it is the first. */
export interface Watched {
  readonly name: string;
  readonly since: string | null;
}

/** What is new on each of some channels, in their order. With a probe, that is sent by NOTIFY, too. */
export async function lookAtChannels(
  db: Queryable,
  channels: readonly Watched[],
  probe: string | null,
): Promise<ChannelNews[]> {
  const names = channels.map((channel) => channel.name);
  const since = channels.map((channel) => channel.since);
  const rows = await db.query<NewsRow>(LOOK, [names, since, probe]);
  return rows.map(({ lastSeq, seen, notices }) => {
    const pairs = JSON.parse(notices ?? "[]") as [number, number][];
    return { lastSeq, seen, notices: pairs.map(([ordinal, afterSeq]) => ({ ordinal, afterSeq })) };
  });
}

const PRUNE = "select goalpost.prune_messages($1::timestamptz, $2::int) as count";

/**
 * Removes messages that are older than `cutoff`, from the oldest on, and tells how many; call it again until that is
 * less than `batch`. Cursors stay good: a listener whose next messages are gone goes on with those that are left.
 * @throws INVALID_INPUT if batch is no whole number ≥ 1
 */
export async function pruneMessages(db: Queryable, cutoff: Date, batch: number): Promise<number> {
  check(batch, { what: "batch", least: 1, whole: true });
  const [row] = await db.query<{ count: number }>(PRUNE, [cutoff, batch]);
  return row?.count ?? 0;
}
