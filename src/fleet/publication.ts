import { type Evidence, keyText, readEvidence, within } from "./evidence.ts";

/** The channels of the hub's database: what sources publish, and what the hub answers to all of them. */
export const UP_CHANNEL = "learning:up";
export const DOWN_CHANNEL = "learning:down";

/** What both channels speak. Another number is not understood, and ignored. */
export const FORMAT = 1;

/** The most that one message may hold. */
export const MAX_MESSAGE_BYTES: number = 4 * 1024 * 1024;
/** Kinds of work in one publication; more go into the next one. */
export const MAX_ENTRIES = 500;

/** What a database publishes: all that it knows of some kinds of work (see `evidenceJson`). */
export interface Publication {
  readonly format: number;
  /** The id of the database. */
  readonly source: string;
  /** Counts its publications, from 1. */
  readonly seq: number;
  readonly evidence: readonly object[];
}

/** A publication as it was read, and why parts of it are not believed. */
export interface ReadPublication {
  readonly source: string;
  readonly seq: number;
  readonly evidence: readonly Evidence[];
  readonly ignored: readonly string[];
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function isUuid(value: unknown): value is string {
  return typeof value === "string" && UUID.test(value);
}

/** Reads what somebody else sent. A text is the reason why all of it is ignored. */
export function readPublication(payload: unknown): ReadPublication | string {
  const { format, source, seq, evidence } = (payload ?? {}) as Partial<Record<keyof Publication, unknown>>;
  if (format !== FORMAT) {
    return "a format that is not understood";
  }
  if (!isUuid(source)) {
    return "no source";
  }
  if (!(Number.isSafeInteger(seq) && within(seq, 1, Number.MAX_SAFE_INTEGER))) {
    return "a sequence number that is none";
  }
  if (!Array.isArray(evidence) || evidence.length > MAX_ENTRIES) {
    return "too many entries, or none";
  }
  const believed = new Map<string, Evidence>();
  const ignored: string[] = [];
  for (const value of evidence as unknown[]) {
    const read = readEvidence(value);
    if (typeof read === "string") {
      ignored.push(read);
    } else {
      believed.set(keyText(read), read);
    }
  }
  return { source, seq, evidence: [...believed.values()], ignored };
}
