import type { ErrorRecord } from "../core/error-record.ts";
import type { Json } from "../core/json.ts";

/** Which task, and which hand-out of it. */
export interface TaskKey {
  readonly runId: string;
  readonly position: number;
  readonly item: number;
  readonly delivery: number;
}

/** A task handed to this worker. */
export interface ClaimedTask extends TaskKey {
  readonly failures: number;
  readonly definitionId: number;
  /** The element that a map item works on. */
  readonly itemInput: Json;
  /** What ctx.once stored in earlier tries. */
  readonly checkpoints: Readonly<Record<string, Json>>;
  /** What it waited for in earlier hand-outs, and still waits for. */
  readonly waits: readonly StoredWait[];
}

/** What a task waits for, as it is stored. */
export interface StoredWait {
  readonly key: string;
  readonly kind: "sleep" | "signal" | "approval" | "child";
  readonly name: string | null;
  readonly state: "waiting" | "answered" | "timed_out" | "approved" | "rejected";
  /** Answers count from 0 in the order in which they came. */
  readonly order: number;
  readonly answer: Json;
  readonly by: string | null;
  readonly note: string | null;
  /** How the child ended. */
  readonly child: FinishedRun | null;
}

/** What a task needs to know of its run. */
export interface RunInfo {
  readonly id: string;
  readonly input: Json;
  /** Only where a task of the hand-out plans; they can hold a whole graph. */
  readonly settings: Json;
  readonly workflow: string;
  readonly source: "static" | "dynamic" | "planned";
}

/** A run that is final. */
export interface FinishedRun {
  readonly id: string;
  readonly status: "completed" | "failed" | "cancelled";
  readonly output: Json;
  readonly error: ErrorRecord | null;
}

/** The answer of goalpost.exchange. */
export interface Reply {
  readonly tasks: readonly ClaimedTask[];
  /** Outputs of dependencies by {@link valueKey}. */
  readonly values: ReadonlyMap<string, Json>;
  readonly runs: ReadonlyMap<string, RunInfo>;
  /** Index of a refused report → the task's status now. */
  readonly refused: ReadonlyMap<number, string>;
  /** Indexes of checkpoints refused because the task is no longer held. */
  readonly stale: ReadonlySet<number>;
  readonly over: readonly (FinishedRun & {
    /** Whether this worker's instance started or adopted the run; the output of others is left out. */
    readonly owned: boolean;
  })[];
  /** Milliseconds until the next delayed task is due; null if there is none, or nobody looked. */
  readonly dueInMs: number | null;
}

type ChildRow = [string, FinishedRun["status"], Json, ErrorRecord | null];
type WaitRow = [
  string,
  StoredWait["kind"],
  string | null,
  StoredWait["state"],
  Json,
  string | null,
  string | null,
  ChildRow | null,
];
type TaskRow = [
  string,
  number,
  number,
  number,
  number,
  number,
  Json,
  Record<string, Json> | null,
  WaitRow[] | null,
];
type RunRow = [string, Json, Json, string, RunInfo["source"]];

interface RawReply {
  readonly tasks: readonly TaskRow[] | null;
  readonly values: readonly [string, number, Json][] | null;
  readonly runs: readonly RunRow[] | null;
  readonly refused: readonly [number, string][] | null;
  readonly stale: readonly number[] | null;
  readonly over: readonly [string, FinishedRun["status"], Json, ErrorRecord | null, boolean][] | null;
  readonly dueInMs: number | null;
}

/** The key of a dependency's output. */
export function valueKey(runId: string, position: number): string {
  return `${runId}/${position}`;
}

/** Reads the text that goalpost.exchange answers with. */
export function parseReply(text: string): Reply {
  const raw = JSON.parse(text) as RawReply;
  return {
    tasks: (raw.tasks ?? []).map(
      ([runId, position, item, delivery, failures, definitionId, itemInput, checkpoints, waits]) => ({
        runId,
        position,
        item,
        delivery,
        failures,
        definitionId,
        itemInput,
        checkpoints: checkpoints ?? {},
        waits: (waits ?? []).map(readWait),
      }),
    ),
    values: new Map(
      (raw.values ?? []).map(([runId, position, output]) => [valueKey(runId, position), output]),
    ),
    runs: new Map(
      (raw.runs ?? []).map(([id, input, settings, workflow, source]) => [
        id,
        { id, input, settings, workflow, source },
      ]),
    ),
    refused: new Map(raw.refused ?? []),
    stale: new Set(raw.stale ?? []),
    over: (raw.over ?? []).map(([id, status, output, error, owned]) => ({
      id,
      status,
      output,
      error,
      owned,
    })),
    dueInMs: raw.dueInMs,
  };
}

function readWait([key, kind, name, state, answer, by, note, child]: WaitRow, order: number): StoredWait {
  return { key, kind, name, state, order, answer, by, note, child: child && readChild(child) };
}

function readChild([id, status, output, error]: ChildRow): FinishedRun {
  return { id, status, output, error };
}

/** A run to be stored; fields as goalpost.start_runs takes them. */
export interface StartRow {
  readonly id: string;
  /** Null if the run brings its own shape. */
  readonly definitionId: number | null;
  readonly workflow: string;
  readonly source: "static" | "dynamic" | "planned";
  readonly execution: "local" | "distributed";
  readonly lane: string;
  readonly priority: number;
  readonly owner: string;
  readonly inputHash: string | null;
  readonly deadlineMs: number | null;
  readonly labels: Json;
  /** JSON text. */
  readonly input: string;
  readonly settings: Json;
  /** JSON text of the private shape, or null. */
  readonly shape: string | null;
}

/** One element of a batch: small facts, what may be large, and what is mostly absent, as JSON texts. */
export interface BatchRow {
  readonly head: string;
  readonly payload: string;
  readonly shape: string | null;
}

/** The parallel arrays of a batch as goalpost.exchange takes them: heads, payloads, shapes; null for none. */
export function encodeBatch(rows: readonly BatchRow[]): [string | null, string | null, string | null] {
  if (rows.length === 0) {
    return [null, null, null];
  }
  const list = (pick: (row: BatchRow) => string): string => `[${rows.map(pick).join(",")}]`;
  const shapes = rows.some((row) => row.shape !== null) ? list((row) => row.shape ?? "null") : null;
  return [list((row) => row.head), list((row) => row.payload), shapes];
}

/** A run as an element of _starts. Smaller priorities are claimed first, hence the sign. */
export function encodeStart(row: StartRow): BatchRow {
  const head = JSON.stringify([
    row.id,
    row.definitionId,
    row.workflow,
    row.source,
    row.execution,
    row.lane,
    -row.priority,
    row.owner,
    null,
    null,
    row.id,
    null,
    row.inputHash,
    null,
    row.deadlineMs,
    row.labels,
  ]);
  const planned = row.shape !== null || row.settings !== null;
  const shape = planned ? `[${JSON.stringify(row.settings)},${row.shape ?? "null"}]` : null;
  return { head, payload: row.input, shape };
}

export type Outcome = "completed" | "retry" | "failed" | "released" | "suspended";

export interface Report {
  readonly task: TaskKey;
  readonly outcome: Outcome;
  /** JSON text of the output, the error, or what the task waits for. */
  readonly payload: string;
  readonly delayMs: number;
  /** JSON text of the shape that the run grows by, or null. */
  readonly shape: string | null;
}

/** A report as an element of _reports. */
export function encodeReport(report: Report): BatchRow {
  const { runId, position, item, delivery } = report.task;
  const head = `["${runId}",${position},${item},${delivery},"${report.outcome}",${report.delayMs}]`;
  return { head, payload: report.payload, shape: report.shape };
}

/** A checkpoint as an element of _marks. `value` is JSON text. */
export function encodeMark(task: TaskKey, key: string, value: string): BatchRow {
  const head = `["${task.runId}",${task.position},${task.item},${task.delivery},${JSON.stringify(key)},0]`;
  return { head, payload: value, shape: null };
}

/** Reports are settled in the order in which tasks are locked. */
export function compareTasks(a: TaskKey, b: TaskKey): number {
  return (a.runId < b.runId ? -1 : a.runId > b.runId ? 1 : 0) || a.position - b.position || a.item - b.item;
}
