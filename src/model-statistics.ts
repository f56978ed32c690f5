import type { Queryable } from "./core/driver.ts";
import { Sketch } from "./core/sketch.ts";
import type { Evidence, EvidenceKey } from "./fleet/evidence.ts";
import type { Statistics } from "./fleet/result-aggregator.ts";
import type { Stamp } from "./fleet/source-store.ts";

/** The most that are published: those that were asked the most. */
const MOST_MODELS = 2000;

const STAMPS = `select kind, provider || '/' || model as model, md5(m::text) as stamp from goalpost.model_stats m
  where calls > 0 order by samples desc, kind, provider, model limit ${MOST_MODELS}`;
const ROWS = `select kind, provider || '/' || model as model, successes, failures, calls, priced, cost_usd as "costUsd",
    input_tokens as "inputTokens", output_tokens as "outputTokens", log_ms as "logMs", log_ms_squares as "logMsSquares",
    extract(epoch from changed_at)::float8 * 1000 as "lastAt"
  from goalpost.model_stats where calls > 0 and (kind, provider || '/' || model) in (
    select * from unnest($1::text[], $2::text[]))`;

interface ModelRow {
  readonly [column: string]: unknown;
  readonly kind: string;
  readonly model: string;
  readonly successes: number;
  readonly failures: number;
  readonly calls: number;
  readonly priced: number;
  readonly costUsd: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly logMs: number;
  readonly logMsSquares: number;
  readonly lastAt: number;
}

/** How models did on each kind of request, as it is published. */
export const modelStatistics: Statistics = {
  async stamps(db: Queryable): Promise<Stamp[]> {
    const rows = await db.query<{ kind: string; model: string; stamp: string }>(STAMPS);
    return rows.map((row) => ({ topic: "model", ...row }));
  },

  async load(db: Queryable, keys: readonly EvidenceKey[]): Promise<Evidence[]> {
    const rows = await db.query<ModelRow>(ROWS, [
      keys.map(({ kind }) => kind),
      keys.map(({ model }) => model),
    ]);
    return rows.map(toEvidence);
  },
};

function toEvidence(row: ModelRow): Evidence {
  const { kind, model, successes, failures, calls, priced, lastAt } = row;
  const logMean = row.logMs / calls;
  return {
    topic: "model",
    kind,
    model,
    samples: calls,
    logMean,
    logVariance: Math.max(0, row.logMsSquares / calls - logMean ** 2),
    times: new Sketch(),
    successes,
    failures,
    costUsd: priced > 0 ? { samples: priced, mean: row.costUsd / priced } : null,
    inputTokens: row.inputTokens / calls,
    outputTokens: row.outputTokens / calls,
    retries: [],
    lastAt,
  };
}

/** Statistics of steps and of models as one. */
export function together(steps: Statistics, models: Statistics): Statistics {
  return {
    stamps: async (db) => [...(await steps.stamps(db)), ...(await models.stamps(db))],
    load: async (db, keys) => {
      const of = (topic: string): EvidenceKey[] => keys.filter((key) => key.topic === topic);
      return [...(await steps.load(db, of("step"))), ...(await models.load(db, of("model")))];
    },
  };
}
