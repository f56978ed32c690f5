import { encodeBudget } from "../core/budget.ts";
import type { ErrorRecord } from "../core/error-record.ts";
import type { Json } from "../core/json.ts";
import type { Budget } from "../core/llm.ts";

/** Which task, and which hand-out of it. */
export interface TaskKey {
  readonly runId: string;
  readonly position: number;
  readonly item: number;
  readonly delivery: number;
  /** The run was compact when the task was taken: see compact-runs.ts. Default false. */
  readonly compact?: boolean;
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
  /** The input's JSON text: functions may change the input that they are given. */
  readonly inputText: string;
  /** Only where a task of the hand-out plans; they can hold a whole graph. */
  readonly settings: Json;
  readonly workflow: string;
  readonly source: "static" | "dynamic" | "planned";
  /** It has a limit, or its transitions are recorded: reports on its tasks say so. */
  readonly extras: boolean;
}

/** A run that is final. */
export interface FinishedRun {
  readonly id: string;
  readonly status: "completed" | "failed" | "cancelled";
  readonly output: Json;
  readonly error: ErrorRecord | null;
  /** Whether a call was made on its account, or on that of a run below it. */
  readonly billed: boolean;
}

/** What goalpost.beat tells an instance. */
export interface FleetView {
  /** The shared lanes that it serves, as far as runs were ever stored in them. */
  readonly lanes: readonly string[];
  /** The other instances that have not said goodbye; null if it did not ask. */
  readonly others: readonly Sighted[] | null;
  /** Workers that are gone and still have tasks to their name; null if it did not ask. */
  readonly leftBehind: readonly string[] | null;
}

/** Another instance, as one look saw it. */
export interface Sighted {
  readonly worker: string;
  readonly beat: string;
  /** It had a session lock, and that is gone. */
  readonly lockGone: boolean;
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
  /** Null unless the call carried a beat. */
  readonly fleet: FleetView | null;
}

type ChildRow = [string, FinishedRun["status"], Json, ErrorRecord | null, boolean];
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
type RunRow = [string, Json, Json, string, RunInfo["source"], boolean];

interface RawReply {
  readonly tasks: readonly TaskRow[] | null;
  readonly values: readonly [string, number, Json][] | null;
  readonly runs: readonly RunRow[] | null;
  readonly refused: readonly [number, string][] | null;
  readonly stale: readonly number[] | null;
  readonly over:
    | readonly [string, FinishedRun["status"], Json, ErrorRecord | null, boolean, boolean][]
    | null;
  readonly dueInMs: number | null;
  readonly fleet: RawFleet | null;
}

interface RawFleet {
  readonly lanes: readonly string[] | null;
  readonly others: readonly [string, string, boolean][] | null;
  readonly leftBehind: readonly string[] | null;
}

/** The key of a dependency's output. */
export function valueKey(runId: string, position: number): string {
  return `${runId}/${position}`;
}

/** What is known of a run without being told. */
export type ToldRun = Pick<RunInfo, "id" | "workflow" | "source" | "extras" | "inputText">;

/** What a worker has told in a call and is not told again: runs that it knows, and outputs by {@link valueKey}. */
export interface Told {
  readonly runs: ReadonlyMap<string, ToldRun>;
  readonly outputs: ReadonlyMap<string, string>;
}

const NOTHING_TOLD: Told = { runs: new Map(), outputs: new Map() };

/** Reads the text that goalpost.exchange answers with. */
export function parseReply(text: string, told: Told = NOTHING_TOLD): Reply {
  return complete(readReply(text), told);
}

/** Adds what the call itself told of the runs whose tasks it was given. */
function complete(reply: Reply, told: Told): Reply {
  if (reply.tasks.length === 0) {
    return reply;
  }
  const runs = new Map(reply.runs);
  for (const { runId } of reply.tasks) {
    const known = told.runs.get(runId);
    // A map's item may have been told of its run without the input.
    if (known && (!runs.has(runId) || runs.get(runId)?.inputText === "null")) {
      const { workflow, source, extras, inputText } = known;
      const settings = runs.get(runId)?.settings ?? null;
      runs.set(runId, {
        id: runId,
        input: JSON.parse(inputText) as Json,
        inputText,
        settings,
        workflow,
        source,
        extras,
      });
    }
  }
  const values = new Map(reply.values);
  for (const [key, output] of told.outputs) {
    if (!values.has(key) && runs.has(key.slice(0, key.indexOf("/")))) {
      values.set(key, JSON.parse(output) as Json);
    }
  }
  return { ...reply, runs, values };
}

function readReply(text: string): Reply {
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
    runs: readRuns(raw.runs ?? []),
    refused: new Map(raw.refused ?? []),
    stale: new Set(raw.stale ?? []),
    over: (raw.over ?? []).map(([id, status, output, error, owned, billed]) => ({
      id,
      status,
      output,
      error,
      owned,
      billed,
    })),
    dueInMs: raw.dueInMs,
    fleet: raw.fleet ? parseFleet(raw.fleet) : null,
  };
}

function readWait([key, kind, name, state, answer, by, note, child]: WaitRow, order: number): StoredWait {
  return { key, kind, name, state, order, answer, by, note, child: child && readChild(child) };
}

function readChild([id, status, output, error, billed]: ChildRow): FinishedRun {
  return { id, status, output, error, billed };
}

function parseFleet({ lanes, others, leftBehind }: RawFleet): FleetView {
  return {
    lanes: lanes ?? [],
    others: others?.map(([worker, beat, lockGone]) => ({ worker, beat, lockGone })) ?? null,
    leftBehind,
  };
}

/** A run is there again where tasks differ in what they need of it. */
function readRuns(rows: readonly RunRow[]): Map<string, RunInfo> {
  const runs = new Map<string, RunInfo>();
  for (const [id, input, settings, workflow, source, extras] of rows) {
    const known = runs.get(id);
    runs.set(id, {
      id,
      input: input ?? known?.input ?? null,
      inputText: input === null ? (known?.inputText ?? "null") : JSON.stringify(input),
      settings: settings ?? known?.settings ?? null,
      workflow,
      source,
      extras,
    });
  }
  return runs;
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
  /** Unique for the workflow: the run is not stored if another one has it. Default: none. */
  readonly idempotencyKey?: string | null;
  readonly inputHash: string | null;
  readonly deadlineMs: number | null;
  /** Milliseconds until the run starts. */
  readonly delayMs?: number;
  /** Milliseconds that it stands behind its start in the order of runs. Default 0. */
  readonly keyDelayMs?: number;
  /** Tasks of the run that may run at once; null for any number. */
  readonly maxParallel?: number | null;
  /** Transitions are written to goalpost.events. */
  readonly traced?: boolean;
  /** Maps are among its first tasks. */
  readonly beginsWithMap?: boolean;
  readonly labels: Json;
  /** What its calls may cost. Default: anything. */
  readonly budget?: Budget | null;
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
  /** It belongs to a run that needs more than the usual: see goalpost.exchange. */
  readonly extras: boolean;
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
    row.idempotencyKey ?? null,
    row.inputHash,
    row.maxParallel ?? null,
    row.deadlineMs,
    row.labels,
    row.delayMs ?? 0,
    row.traced ?? false,
    encodeBudget(row.budget),
    row.keyDelayMs ?? 0,
  ]);
  const planned = row.shape !== null || row.settings !== null;
  const shape = planned ? `[${JSON.stringify(row.settings)},${row.shape ?? "null"}]` : null;
  const extras =
    Boolean(row.maxParallel) || row.traced === true || row.beginsWithMap === true || Boolean(row.budget);
  return { head, payload: row.input, shape, extras };
}

export type Outcome = "completed" | "skipped" | "retry" | "failed" | "released" | "suspended";

export interface Report {
  readonly task: TaskKey;
  readonly outcome: Outcome;
  /** JSON text of the output, the error, or what the task waits for. */
  readonly payload: string;
  /** What belongs to the outcome: see migrations/functions/settle.sql. */
  readonly number: number;
  /** JSON text of the shape that the run grows by, or null. */
  readonly shape: string | null;
  /** As in {@link RunInfo}. */
  readonly extras: boolean;
  /** The task's run; absent if it is not known. */
  readonly run?: RunInfo | undefined;
}

/** A report as an element of _reports. */
export function encodeReport(report: Report): BatchRow {
  const { runId, position, item, delivery } = report.task;
  const head = `["${runId}",${position},${item},${delivery},"${report.outcome}",${report.number}]`;
  return { head, payload: report.payload, shape: report.shape, extras: report.extras };
}

/** A checkpoint as an element of _marks. `value` is JSON text. */
export function encodeMark(task: TaskKey, key: string, value: string): BatchRow {
  const head = `["${task.runId}",${task.position},${task.item},${task.delivery},${JSON.stringify(key)},0]`;
  return { head, payload: value, shape: null, extras: false };
}

/** That the function of a task has begun, as an element of _marks. */
export function encodeStarted(task: TaskKey): BatchRow {
  const head = `["${task.runId}",${task.position},${task.item},${task.delivery},"",1]`;
  return { head, payload: "null", shape: null, extras: true };
}

/** Reports are settled in the order in which tasks are locked. */
export function compareTasks(a: TaskKey, b: TaskKey): number {
  return (a.runId < b.runId ? -1 : a.runId > b.runId ? 1 : 0) || a.position - b.position || a.item - b.item;
}
