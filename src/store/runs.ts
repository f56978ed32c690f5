import type { Queryable } from "../core/driver.ts";
import type { ErrorRecord } from "../core/error-record.ts";
import { GoalpostError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import { parse } from "./json-text.ts";
import { read } from "./repeat.ts";

export type RunStatus = "queued" | "running" | "paused" | "completed" | "failed" | "cancelled";
/** A run as it is stored, without its tasks. */
export interface RunSummary {
  readonly id: string;
  readonly workflow: string;
  readonly source: "static" | "dynamic" | "planned";
  readonly status: RunStatus;
  /** True for an unfinished local run whose instance is gone. */
  readonly ownerless: boolean;
  readonly input: Json;
  readonly output: Json;
  readonly error: ErrorRecord | null;
  readonly labels: Readonly<Record<string, string>>;
  /** Whether only the instance that started it carries it out, or any that has its code. */
  readonly execution: "local" | "distributed";
  /** The run whose task started this one. */
  readonly parentRunId: string | null;
  /** The run that this one was retried from. */
  readonly retryOf: string | null;
  readonly idempotencyKey: string | null;
  readonly createdAt: Date;
  readonly finishedAt: Date | null;
}

export type RunRow = {
  id: string;
  workflow: string;
  source: RunSummary["source"];
  status: RunStatus;
  ownerless: boolean;
  input: string;
  output: string | null;
  error: string | null;
  labels: string | null;
  execution: RunSummary["execution"];
  parent_run_id: string | null;
  retry_of: string | null;
  idempotency_key: string | null;
  created_at: Date;
  finished_at: Date | null;
};

export const RUN_COLUMNS = `r.id, r.workflow, r.source, r.status, r.input::text, r.output::text, r.error::text,
  r.labels::text, r.execution, r.parent_run_id, r.retry_of, r.idempotency_key, r.created_at, r.finished_at,
  r.execution = 'local' and r.finished_at is null and not exists (
    select 1 from goalpost.instances i where i.worker = r.owner and i.status = 'online') as ownerless`;

const GET_RUN = `select ${RUN_COLUMNS} from goalpost.runs r where r.id = $1::uuid`;

/** @throws RUN_NOT_FOUND */
export async function getRun(db: Queryable, id: string): Promise<RunSummary> {
  const [row] = isUuid(id) ? await read<RunRow>(db, GET_RUN, [id]) : [];
  if (!row) {
    throw new GoalpostError("RUN_NOT_FOUND", `there is no run "${id}" in this database`);
  }
  return toSummary(row);
}

const LAST_OF_GOAL = `select ${RUN_COLUMNS} from goalpost.runs r
  where r.input_hash = $1 and r.source = 'planned' order by r.created_at desc, r.id desc limit 1`;

/** The latest run of a goal. */
export async function lastRunOfGoal(db: Queryable, inputHash: string): Promise<RunSummary | undefined> {
  const [row] = await read<RunRow>(db, LAST_OF_GOAL, [inputHash]);
  return row && toSummary(row);
}

export function toSummary(row: RunRow): RunSummary {
  return {
    id: row.id,
    workflow: row.workflow,
    source: row.source,
    status: row.status,
    ownerless: row.ownerless,
    input: parse(row.input),
    output: parse(row.output),
    error: parse(row.error) as ErrorRecord | null,
    labels: (parse(row.labels) ?? {}) as Record<string, string>,
    execution: row.execution,
    parentRunId: row.parent_run_id,
    retryOf: row.retry_of,
    idempotencyKey: row.idempotency_key,
    createdAt: row.created_at,
    finishedAt: row.finished_at,
  };
}

const FINISHED = `select id, status, output::text, error::text, billed from goalpost.runs
  where id = any($1::uuid[]) and finished_at is not null`;

/** Which of the runs are final, and how they ended. */
export async function findFinished(
  db: Queryable,
  ids: readonly string[],
): Promise<
  {
    id: string;
    status: "completed" | "failed" | "cancelled";
    output: Json;
    error: ErrorRecord | null;
    billed: boolean;
  }[]
> {
  const rows = await db.query<{
    id: string;
    status: "completed" | "failed" | "cancelled";
    output: string | null;
    error: string | null;
    billed: boolean;
  }>(FINISHED, [ids]);
  return rows.map((row) => ({
    ...row,
    output: parse(row.output),
    error: parse(row.error) as ErrorRecord | null,
  }));
}

/** Anything else cannot be the id of a run, and PostgreSQL would refuse to compare it with one. */
export function isUuid(text: unknown): text is string {
  return typeof text === "string" && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
}
