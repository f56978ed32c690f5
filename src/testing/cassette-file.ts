import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { isObject } from "../core/json.ts";
import { GoalpostError } from "../index.ts";
import type { CassetteRequest } from "./cassette-key.ts";

/** Bytes, as a text if they are one. */
export type StoredBytes = string | { readonly base64: string };

/** A piece of a streamed answer. */
export interface Chunk {
  /** Milliseconds from the request until it came. */
  readonly atMs: number;
  readonly data: StoredBytes;
}

/** An answer as it is recorded. */
export interface CassetteResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** All of it; null if there is none. */
  readonly body?: StoredBytes | null | undefined;
  /** Of a stream: as it came, piece by piece. */
  readonly chunks?: readonly Chunk[] | undefined;
  /** Of a stream that did not come to its end: the connection broke, or the reader had enough. */
  readonly end?: "broken" | "cancelled" | undefined;
}

/** One exchange: a line of the file. */
export interface Exchange {
  readonly key: string;
  readonly req: CassetteRequest;
  readonly res: CassetteResponse;
}

/** What tells requests apart, short enough to be found by eye. */
export function toKey(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

export function storeBytes(bytes: Uint8Array): StoredBytes {
  const buffer = Buffer.from(bytes);
  const text = buffer.toString("utf8");
  return Buffer.from(text, "utf8").equals(buffer) ? text : { base64: buffer.toString("base64") };
}

export function toBytes(stored: StoredBytes): Buffer {
  return typeof stored === "string" ? Buffer.from(stored, "utf8") : Buffer.from(stored.base64, "base64");
}

/** The exchanges of a file; undefined if there is none. @throws INVALID_INPUT if it is no cassette */
export function readCassette(path: string): Exchange[] | undefined {
  if (!existsSync(path)) {
    return undefined;
  }
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.flatMap((line, index) => (line.trim() === "" ? [] : [readLine(line, `${path}:${index + 1}`)]));
}

function readLine(line: string, place: string): Exchange {
  let entry: unknown;
  try {
    entry = JSON.parse(line);
  } catch (error) {
    throw broken(place, `it is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const problem = findProblem(entry);
  if (problem) {
    throw broken(place, problem);
  }
  return entry as Exchange;
}

function findProblem(entry: unknown): string | undefined {
  if (!isObject(entry) || !isObject(entry.req) || !isObject(entry.res)) {
    return "it must be { key, req, res }";
  }
  const { req, res } = entry;
  if (typeof req.method !== "string" || typeof req.path !== "string" || req.body === undefined) {
    return "req must be { method, path, body, headers }";
  }
  if (typeof res.status !== "number" || !isObject(res.headers)) {
    return "res must be { status, headers, body } or { status, headers, chunks }";
  }
  const whole = res.body === null || isStoredBytes(res.body);
  const streamed =
    Array.isArray(res.chunks) &&
    res.chunks.every(
      (chunk) => isObject(chunk) && typeof chunk.atMs === "number" && isStoredBytes(chunk.data),
    );
  return whole || streamed ? undefined : "res needs a body, or chunks of { atMs, data }";
}

function isStoredBytes(value: unknown): value is StoredBytes {
  return typeof value === "string" || (isObject(value) && typeof value.base64 === "string");
}

function broken(place: string, problem: string): GoalpostError {
  return new GoalpostError(
    "INVALID_INPUT",
    `the cassette ${place} cannot be read: ${problem}. Delete the file and record it again with GOALPOST_RECORD=1.`,
  );
}

/** Replaces the file as a whole: whoever reads it sees the old one or the new one. */
export async function writeCassette(path: string, exchanges: readonly Exchange[]): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const draft = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await writeFile(draft, exchanges.map((exchange) => `${JSON.stringify(exchange)}\n`).join(""));
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
}
