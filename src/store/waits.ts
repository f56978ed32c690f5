import type { Queryable } from "../core/driver.ts";
import type { Json } from "../core/json.ts";
import type { NodeSpec } from "../core/shape.ts";
import { parse } from "./json-text.ts";
import { repeatOnConflict } from "./repeat.ts";

/** What a suspended task waits for. */
export interface WaitRecord {
  readonly kind: "sleep" | "signal" | "approval" | "child";
  /** The name of the signal, of the child's workflow, or of the tool; null for others. */
  readonly name: string | null;
  readonly since: Date;
  /** When the time is over; null: as long as it takes. */
  readonly dueAt: Date | null;
  /** The child's run. */
  readonly runId: string | null;
  /** The call of a tool that has to be approved; null for others. */
  readonly call: ToolCallRecord | null;
}

/** A call of a tool with a side effect, as a model asks for it. */
export interface ToolCallRecord {
  /** For the `call` of `gp.runs.approve` and `reject`. */
  readonly id: string;
  readonly tool: string;
  readonly args: Json;
}

/** Whether a task that needs approval has it. */
export interface ApprovalRecord {
  /** `required` until the task is reached, then `waiting` until somebody decides. */
  readonly status: "required" | "waiting" | "approved" | "rejected";
  readonly by: string | null;
  readonly at: Date | null;
  /** What was said with the approval. */
  readonly note: string | null;
  /** Why it was rejected. */
  readonly reason: string | null;
}

/** What is told of a task's waiting. */
export interface TaskWaits {
  /** What it waits for while it is suspended. */
  readonly waitingFor: readonly WaitRecord[];
  /** Null for tasks that need no approval. */
  readonly approval: ApprovalRecord | null;
}

type WaitRow = {
  task: string;
  key: string;
  kind: WaitRecord["kind"];
  name: string | null;
  state: "waiting" | "approved" | "rejected";
  open: boolean;
  created_at: Date;
  due_at: Date | null;
  child_run_id: string | null;
  by: string | null;
  note: string | null;
  answered_at: Date | null;
  asked: string | null;
};

// A task to be decomposed is approved of before it is planned, by another node.
const GET_WAITS = `select regexp_replace(s.name, '^/plan/', '') as task, w.key, w.kind, w.name, w.state, w.created_at,
    w.due_at, w.child_run_id, w.by, w.note, w.answered_at, case when w.kind = 'approval' then w.answer::text end as asked,
    w.awaited and w.state = 'waiting' and t.status = 'suspended' as open
  from goalpost.waits w
  join goalpost.tasks t on t.run_id = w.run_id and t.position = w.position and t.item = w.item
  join goalpost.steps s on s.definition_id = t.definition_id and s.position = t.position
  where w.run_id = $1::uuid and (w.kind = 'approval' or w.state = 'waiting' and w.awaited)
  order by w.position, w.item, w.created_at, w.key`;

/** Adds to tasks what they wait for. */
export async function getWaits(
  db: Queryable,
  runId: string,
): Promise<(task: string, spec: NodeSpec) => TaskWaits> {
  const rows = await db.query<WaitRow>(GET_WAITS, [runId]);
  const byTask = new Map<string, WaitRow[]>();
  for (const row of rows) {
    byTask.set(row.task, [...(byTask.get(row.task) ?? []), row]);
  }
  return (task, spec) => {
    const waits = byTask.get(task) ?? [];
    return {
      waitingFor: waits.filter((row) => row.open).map(toWait),
      approval: toApproval(
        waits.find((row) => row.kind === "approval" && !isCall(row)),
        spec,
      ),
    };
  };
}

function toWait(row: WaitRow): WaitRecord {
  const { kind, name, created_at: since, due_at: dueAt, child_run_id: runId } = row;
  const id = row.key.slice(CALL_KEY.length);
  const call = isCall(row) ? { id, tool: name ?? "", args: parse(row.asked) } : null;
  return { kind, name, since, dueAt, runId, call };
}

/** What comes before the id of a call in the key of its wait. */
const CALL_KEY = "/call/";

function isCall({ key }: WaitRow): boolean {
  return key.startsWith(CALL_KEY);
}

function toApproval(row: WaitRow | undefined, spec: NodeSpec): ApprovalRecord | null {
  if (!row) {
    return spec.approval ? { status: "required", by: null, at: null, note: null, reason: null } : null;
  }
  return approvalOf(row);
}

/** A decision, or that there is none yet. */
export function approvalOf(row: {
  readonly state: "waiting" | "approved" | "rejected";
  readonly by: string | null;
  readonly note: string | null;
  readonly answered_at: Date | null;
}): ApprovalRecord {
  const { state: status, by, answered_at: at, note } = row;
  const rejected = status === "rejected";
  return { status, by, at, note: rejected ? null : note, reason: rejected ? note : null };
}

const SIGNAL = "select goalpost.signal_run($1::uuid, $2, $3::json, $4::timestamptz) as status";

/** Sends a signal; returns the run's status before. `payload` is JSON text. */
export async function signalRun(
  db: Queryable,
  runId: string,
  signal: { name: string; payload: string; now: Date | null },
): Promise<string | null> {
  const [row] = await repeatOnConflict(() =>
    db.query<{ status: string | null }>(SIGNAL, [runId, signal.name, signal.payload, signal.now]),
  );
  return row?.status ?? null;
}

const DECIDE =
  "select goalpost.decide_approval($1::uuid, $2, $3, $4, $5, $6, $7::json, $8::timestamptz)::text as found";

export interface Decision {
  readonly verdict: "approved" | "rejected";
  readonly by: string;
  readonly note: string | null;
  /** JSON text of the args to use instead of the planned ones, or null. */
  readonly args: string | null;
  readonly now: Date | null;
}

/** What a decision found. */
export interface Decided {
  readonly done: boolean;
  readonly taskStatus: string;
  /** State of the approval; null if the task was never parked for one. */
  readonly state: "waiting" | "approved" | "rejected" | null;
  readonly by: string | null;
  readonly at: string | null;
  /** Where it could be one of several calls of tools: their ids, and the tools. */
  readonly open: readonly (readonly [id: string, tool: string])[] | null;
}

/** Approves or rejects a task; undefined if the run has no such task. */
export async function decideApproval(
  db: Queryable,
  task: { runId: string; taskId: string; call?: string | undefined },
  decision: Decision,
): Promise<Decided | undefined> {
  const { verdict, by, note, args, now } = decision;
  const [row] = await repeatOnConflict(() =>
    db.query<{ found: string | null }>(DECIDE, [
      task.runId,
      task.taskId,
      task.call ?? null,
      verdict,
      by,
      note,
      args,
      now,
    ]),
  );
  if (!row?.found) {
    return undefined;
  }
  const [done, taskStatus, state, decidedBy, at, open] = JSON.parse(row.found) as [
    boolean,
    string,
    Decided["state"],
    string | null,
    string | null,
    Decided["open"],
  ];
  return { done, taskStatus, state, by: decidedBy, at, open };
}
