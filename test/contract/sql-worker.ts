import { randomUUID } from "node:crypto";
import type { Queryable } from "../../src/core/driver.ts";
import {
  type BatchRow,
  type ClaimedTask,
  encodeBatch,
  encodeMark,
  encodeReport,
  encodeStart,
  type Outcome,
  parseReply,
  type Reply,
} from "../../src/engine/protocol.ts";
import { type AnyWorkflow, workflow } from "../../src/index.ts";
import { ensureDefinition } from "../../src/store/definitions.ts";

export interface SqlReport {
  readonly task: ClaimedTask;
  readonly outcome: Outcome;
  readonly payload?: unknown;
  readonly delayMs?: number;
  /** JSON text of what the run grows by. */
  readonly shape?: string | null;
}

export interface SqlMark {
  readonly task: ClaimedTask;
  readonly key: string;
  readonly value: unknown;
}

export interface Call {
  /** How many tasks may be handed out. Default: none. */
  readonly room?: number;
  readonly starts?: readonly BatchRow[];
  readonly reports?: readonly SqlReport[];
  readonly marks?: readonly SqlMark[];
  readonly closed?: readonly number[];
  /** The call's number. Default: the next one. */
  readonly seq?: number;
}

/** A → b and c → d. */
export const diamond: AnyWorkflow = workflow("sql_diamond")
  .step("a", () => 0)
  .step("b", { after: ["a"] }, () => 0)
  .step("c", { after: ["a"] }, () => 0)
  .step("d", { after: ["b", "c"] }, () => 0);

const EXCHANGE = `select goalpost.exchange(_worker => $1::uuid, _seq => $2::bigint, _room => $3::int,
  _lanes => $4::text[], _poll => true, _extras => true, _closed => $5::bigint[],
  _starts => $6::json, _start_inputs => $7::json, _start_plans => $8::json,
  _reports => $9::json, _payloads => $10::json, _shapes => $11::json,
  _marks => $12::json, _values => $13::json, _beat => null, _now => null) as reply`;

/** Speaks to the database as a worker does, one call at a time and as the test says. */
export class SqlWorker {
  readonly id: string = randomUUID();
  readonly lane: string;
  readonly #db: Queryable;
  #seq = 0;

  constructor(db: Queryable, lane: string = randomUUID()) {
    this.#db = db;
    this.lane = lane;
  }

  /** The number of the last call. */
  get seq(): number {
    return this.#seq;
  }

  async exchange(call: Call = {}): Promise<Reply> {
    this.#seq = call.seq ?? this.#seq + 1;
    const reports = (call.reports ?? []).map(({ task, outcome, payload = null, delayMs = 0, shape = null }) =>
      encodeReport({
        task,
        outcome,
        payload: JSON.stringify(payload),
        number: delayMs,
        shape,
        extras: true,
      }),
    );
    const marks = (call.marks ?? []).map(({ task, key, value }) =>
      encodeMark(task, key, JSON.stringify(value)),
    );
    const [row] = await this.#db.query<{ reply: string }>(EXCHANGE, [
      this.id,
      this.#seq,
      call.room ?? 0,
      [this.lane],
      call.closed?.map(String) ?? null,
      ...encodeBatch(call.starts ?? []),
      ...encodeBatch(reports),
      ...encodeBatch(marks).slice(0, 2),
    ]);
    return parseReply(row?.reply ?? "{}");
  }

  /** Completes tasks, and takes up to `room` others. */
  complete(tasks: readonly ClaimedTask[], payload: unknown, room = 0): Promise<Reply> {
    return this.exchange({ room, reports: tasks.map((task) => ({ task, outcome: "completed", payload })) });
  }

  /** Stores a run in this worker's lane; returns its id. */
  async start(of?: AnyWorkflow): Promise<string> {
    const { runId, row } = await this.prepare(of);
    await this.exchange({ starts: [row] });
    return runId;
  }

  /** A run to be stored in this worker's lane. */
  async prepare(of: AnyWorkflow = diamond): Promise<{ runId: string; row: BatchRow }> {
    const runId = randomUUID();
    const { name, hash, shape } = of;
    const definitionId = await ensureDefinition(this.#db, { name, hash, shape, source: "static" });
    const row = encodeStart({
      id: runId,
      definitionId,
      workflow: name,
      source: "static",
      execution: "distributed",
      lane: this.lane,
      priority: 0,
      owner: this.id,
      inputHash: null,
      deadlineMs: null,
      labels: null,
      input: "null",
      settings: null,
      shape: null,
    });
    return { runId, row };
  }

  /** Claims one task. */
  async claim(): Promise<ClaimedTask> {
    const [task] = (await this.exchange({ room: 1 })).tasks;
    if (!task) {
      throw new Error("there was nothing to claim");
    }
    return task;
  }
}
