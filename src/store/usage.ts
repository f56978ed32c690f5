import { fromNanoUsd } from "../core/budget.ts";
import type { Queryable } from "../core/driver.ts";
import { NO_USAGE, type Usage } from "../core/usage.ts";
import { read, repeatOnConflict } from "./repeat.ts";

/** Sums as the database writes them, which JavaScript's numbers might not hold. */
type Sums = {
  input_tokens: string;
  cache_read_tokens: string;
  cache_write_tokens: string;
  output_tokens: string;
  reasoning_tokens: string;
  calls: string;
  cost_nano_usd: string | null;
  estimated: boolean;
};

const SUMS = `coalesce(sum(c.input_tokens), 0)::text as input_tokens,
  coalesce(sum(c.cache_read_tokens), 0)::text as cache_read_tokens,
  coalesce(sum(c.cache_write_tokens), 0)::text as cache_write_tokens,
  coalesce(sum(c.output_tokens), 0)::text as output_tokens,
  coalesce(sum(c.reasoning_tokens), 0)::text as reasoning_tokens, count(*)::text as calls,
  case when count(*) = count(c.cost_nano_usd) then coalesce(sum(c.cost_nano_usd), 0)::text end as cost_nano_usd,
  coalesce(bool_or(c.estimated or c.price_source = 'estimate'), false) as estimated`;

function toUsage(sums: Sums): Usage {
  return {
    inputTokens: Number(sums.input_tokens),
    cacheReadTokens: Number(sums.cache_read_tokens),
    cacheWriteTokens: Number(sums.cache_write_tokens),
    outputTokens: Number(sums.output_tokens),
    reasoningTokens: Number(sums.reasoning_tokens),
    calls: Number(sums.calls),
    costUsd: sums.cost_nano_usd === null ? null : fromNanoUsd(sums.cost_nano_usd),
    estimated: sums.estimated,
  };
}

function add(a: Sums, b: Sums): Sums {
  const sum = (x: string, y: string): string => (BigInt(x) + BigInt(y)).toString();
  return {
    input_tokens: sum(a.input_tokens, b.input_tokens),
    cache_read_tokens: sum(a.cache_read_tokens, b.cache_read_tokens),
    cache_write_tokens: sum(a.cache_write_tokens, b.cache_write_tokens),
    output_tokens: sum(a.output_tokens, b.output_tokens),
    reasoning_tokens: sum(a.reasoning_tokens, b.reasoning_tokens),
    calls: sum(a.calls, b.calls),
    cost_nano_usd:
      a.cost_nano_usd === null || b.cost_nano_usd === null ? null : sum(a.cost_nano_usd, b.cost_nano_usd),
    estimated: a.estimated || b.estimated,
  };
}

/** What one model was used. */
export interface ModelUsage extends Usage {
  readonly provider: string;
  readonly model: string;
}

/** What a run and the runs that it led to used, in all and by model. */
export interface RunUsage extends Usage {
  readonly models: readonly ModelUsage[];
}

type ModelSums = Sums & { provider: string; model: string };

const OF_RUN = `select provider, model, input_tokens::text, cache_read_tokens::text, cache_write_tokens::text,
  output_tokens::text, reasoning_tokens::text, calls::text, cost_nano_usd::text, estimated
  from goalpost.usage_of_run($1::uuid)`;

/** What a run and all below it used. */
export async function usageOfRun(db: Queryable, runId: string): Promise<RunUsage> {
  // It may settle what nobody else will.
  const rows = await repeatOnConflict(() => read<ModelSums>(db, OF_RUN, [runId]));
  const [first, ...others] = rows;
  const total = first ? toUsage(others.reduce<Sums>(add, first)) : NO_USAGE;
  const models = rows.map((row) => ({ provider: row.provider, model: row.model, ...toUsage(row) }));
  return { ...total, models };
}

const OF_REQUEST = `select ${SUMS} from goalpost.llm_calls c where c.request_id = $1 and c.ended_at is not null`;

/** What the calls of one request used. */
export async function usageOfRequest(db: Queryable, requestId: string): Promise<Usage> {
  const [row] = await read<Sums>(db, OF_REQUEST, [requestId]);
  return row ? toUsage(row) : NO_USAGE;
}

/** What usage is summed up by. */
export type UsageKey = "model" | "workflow" | "task" | "label" | "instance" | "day" | "provider";

/** The sum of one group: the keys that were asked for, and what was used. */
export interface UsageRow extends Usage, Partial<Readonly<Record<UsageKey, string | null>>> {}

const SUMMARY = `select case when 'provider' = any($3::text[]) then c.provider end as provider,
    case when 'model' = any($3) then c.model end as model,
    case when 'workflow' = any($3) then c.workflow end as workflow,
    case when 'task' = any($3) then c.task end as task,
    case when 'instance' = any($3) then c.instance end as instance,
    case when 'day' = any($3) then to_char(c.started_at at time zone 'UTC', 'YYYY-MM-DD') end as day,
    l.label, ${SUMS}
  from goalpost.llm_calls c
  left join lateral (
    select e.key || '=' || e.value as label from jsonb_each_text(c.labels) e
    where 'label' = any($3) and e.key = coalesce($4, e.key)) l on true
  where c.ended_at is not null and c.started_at >= $1::timestamptz and c.started_at < $2::timestamptz
  group by 1, 2, 3, 4, 5, 6, 7
  order by 6, sum(c.cost_nano_usd) desc nulls last, count(*) desc, 1, 2, 3, 4, 5, 7`;

/** Which calls are summed up, and how. */
export interface SummaryFilter {
  readonly since: Date | null;
  readonly until: Date | null;
  readonly groupBy: readonly UsageKey[];
  readonly label: string | null;
}

/** Sums of the calls that were begun in a stretch of time and have ended. */
export async function summarizeUsage(db: Queryable, filter: SummaryFilter): Promise<UsageRow[]> {
  const { since, until, groupBy, label } = filter;
  const values = [since?.toISOString() ?? "-infinity", until?.toISOString() ?? "infinity", groupBy, label];
  const rows = await read<Sums & Record<UsageKey, string | null>>(db, SUMMARY, values);
  if (rows.length === 0 && groupBy.length === 0) {
    return [NO_USAGE];
  }
  return rows.map((row) => ({
    ...Object.fromEntries(groupBy.map((key) => [key, row[key]])),
    ...toUsage(row),
  }));
}
