import type { ErrorRecord } from "../core/error-record.ts";
import type { Json } from "../core/json.ts";

/** A stream of messages that this client holds; `delivery` fences. */
export interface Held {
  readonly stream: number;
  readonly delivery: number;
}

/** Up to where a stream is handled, and what becomes of it. */
export interface StreamReport extends Held {
  readonly doneSeq: number;
  readonly word: "hold" | "release" | "retry";
  /** Milliseconds until its next message may be handed out. */
  readonly delayMs: number;
}

/** What is noted of one message, besides that it was handled. */
export interface MessageNote extends Held {
  readonly id: string;
  readonly word: "reply" | "retry" | "dead";
  /** ctx.once stored something for it. */
  readonly marked: boolean;
  /** JSON text of the reply or the error. */
  readonly value: string;
}

/** A message on its way to the database. */
export interface OutgoingMail {
  readonly id: string;
  readonly to: string;
  readonly from: string | null;
  readonly type: string;
  readonly conversation: string | null;
  /** JSON text. */
  readonly payload: string;
  readonly wantsReply: boolean;
  /** The client that waits for the reply. */
  readonly asker: string | null;
  readonly replyRun: string | null;
  readonly replySignal: string | null;
  /** The handling that sends it. */
  readonly held: Held | null;
}

/** A value of ctx.once; JSON text. */
export interface Mark extends Held {
  readonly id: string;
  readonly key: string;
  readonly value: string;
}

/** What is handed in together: all of it is stored, or none. */
export interface Parcel {
  readonly report?: StreamReport | undefined;
  readonly note?: MessageNote | undefined;
  readonly sends?: readonly OutgoingMail[] | undefined;
  readonly mark?: Mark | undefined;
}

/** What became of a parcel. */
export interface Receipt {
  /** For each message why it was not stored; null if it was. */
  readonly sent: readonly (SendRefusal | null)[];
  /** The value of ctx.once came too late. */
  readonly lost: boolean;
}

/** seen: its id is known; conflict: for another message; stale: the handling that sends it is no longer this client's. */
export type SendRefusal = "seen" | "conflict" | "stale";

/** A message handed to this client. */
export interface HandedMessage {
  readonly id: string;
  readonly seq: number;
  readonly from: string | null;
  readonly type: string;
  readonly conversation: string | null;
  readonly payload: Json;
  readonly wantsReply: boolean;
  readonly failures: number;
  readonly atMs: number;
  readonly checkpoints: readonly (readonly [string, Json])[];
}

export interface HandedStream extends Held {
  readonly agent: string;
  readonly lastSeq: number;
  readonly messages: readonly HandedMessage[];
}

export interface StoredReply {
  readonly id: string;
  readonly reply: Json;
  /** Null if the message was handled. */
  readonly error: ErrorRecord | null;
}

/** The answer of goalpost.agent_exchange. */
export interface MailReply {
  readonly streams: readonly HandedStream[];
  /** Streams reported on that this client does not hold any more. */
  readonly stale: readonly Held[];
  readonly sent: ReadonlyMap<number, SendRefusal>;
  readonly lost: ReadonlySet<number>;
  readonly replies: readonly StoredReply[];
  readonly dueInMs: number | null;
}

type MessageRow = [
  string,
  number,
  string | null,
  string,
  string | null,
  Json,
  boolean,
  number,
  number,
  [string, Json][] | null,
];

interface RawReply {
  readonly streams: readonly [number, string, number, number, MessageRow[] | null][];
  readonly stale: readonly [number, number][];
  readonly sent: readonly [number, SendRefusal][];
  readonly lost: readonly number[];
  readonly replies: readonly [string, Json, ErrorRecord | null][];
  readonly dueInMs: number | null;
}

export function parseMail(text: string): MailReply {
  const raw = JSON.parse(text) as RawReply;
  return {
    streams: raw.streams.map(([stream, agent, delivery, lastSeq, messages]) => ({
      stream,
      agent,
      delivery,
      lastSeq,
      messages: (messages ?? []).map(readMessage),
    })),
    stale: raw.stale.map(([stream, delivery]) => ({ stream, delivery })),
    sent: new Map(raw.sent),
    lost: new Set(raw.lost),
    replies: raw.replies.map(([id, reply, error]) => ({ id, reply, error })),
    dueInMs: raw.dueInMs,
  };
}

function readMessage([
  id,
  seq,
  from,
  type,
  conversation,
  payload,
  wantsReply,
  failures,
  atMs,
  checkpoints,
]: MessageRow): HandedMessage {
  return {
    id,
    seq,
    from,
    type,
    conversation,
    payload,
    wantsReply,
    failures,
    atMs,
    checkpoints: checkpoints ?? [],
  };
}

/** The batches of a call, as goalpost.agent_exchange takes them: JSON texts, null for none. */
export interface MailBatch {
  readonly reports: string | null;
  readonly notes: string | null;
  readonly values: string | null;
  readonly sends: string | null;
  readonly payloads: string | null;
  readonly marks: string | null;
  readonly marked: string | null;
}

export function encodeParcels(parcels: readonly Parcel[]): MailBatch {
  const reports = new Map<number, StreamReport>();
  const notes: MessageNote[] = [];
  const sends: OutgoingMail[] = [];
  const marks: Mark[] = [];
  for (const { report, note, sends: more, mark } of parcels) {
    if (report) {
      // Of a stream the last report says all that the earlier ones said.
      reports.set(report.stream, report);
    }
    if (note) {
      notes.push(note);
    }
    if (more) {
      sends.push(...more);
    }
    if (mark) {
      marks.push(mark);
    }
  }
  return {
    reports: list([...reports.values()], (r) =>
      JSON.stringify([r.stream, r.delivery, r.doneSeq, r.word, r.delayMs]),
    ),
    notes: list(notes, (n) => JSON.stringify([n.stream, n.delivery, n.id, n.word, n.marked])),
    values: list(notes, (n) => n.value),
    sends: list(sends, encodeSend),
    payloads: list(sends, (s) => s.payload),
    marks: list(marks, (m) => JSON.stringify([m.stream, m.delivery, m.id, m.key])),
    marked: list(marks, (m) => m.value),
  };
}

function encodeSend(mail: OutgoingMail): string {
  return JSON.stringify([
    mail.id,
    mail.to,
    mail.from,
    mail.type,
    mail.conversation,
    mail.wantsReply,
    mail.asker,
    mail.replyRun,
    mail.replySignal,
    mail.held?.stream ?? null,
    mail.held?.delivery ?? null,
  ]);
}

function list<T>(all: readonly T[], encode: (one: T) => string): string | null {
  return all.length === 0 ? null : `[${all.map(encode).join(",")}]`;
}

/** About how much text a parcel is. */
export function sizeOf({ note, sends, mark }: Parcel): number {
  const payloads = sends?.reduce((sum, { payload }) => sum + payload.length, 0) ?? 0;
  return payloads + (note?.value.length ?? 0) + (mark?.value.length ?? 0);
}
