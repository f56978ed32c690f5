import type { Queryable } from "./core/driver.ts";
import { Summary } from "./core/summary.ts";
import type { Evidence, EvidenceKey, RetryCount } from "./fleet/evidence.ts";
import { BOUNDS } from "./fleet/evidence.ts";
import type { Statistics } from "./fleet/result-aggregator.ts";
import type { Stamp } from "./fleet/source-store.ts";
import { kindKey, modelKey } from "./learn/stat-key.ts";

/** The most that are published: those with the most samples. */
const MOST_KINDS = 5000;

// Steps, and steps by the model that they call, of any size of input: what names alone tell apart. A task of a graph is
// no other database's.
const STAMPS = `select level, step, key, md5(summary::text) as stamp from goalpost.step_stats
  where origin = '' and summary is not null
    and (level = 'kind' or (level = 'model' and starts_with(key, 'model/' || step || '/any/')))
  order by samples desc, key limit ${MOST_KINDS}`;
const SUMMARIES = `select key, summary::text as summary from goalpost.step_stats
  where origin = '' and summary is not null and key = any($1::text[])`;

/** What the workers of a database have seen, as it is published. */
export const stepStatistics: Statistics = {
  async stamps(db: Queryable): Promise<Stamp[]> {
    const rows = await db.query<{ level: string; step: string; key: string; stamp: string }>(STAMPS);
    return rows.flatMap(({ level, step, key, stamp }) => {
      const model = level === "kind" ? "" : key.slice(modelKey(step, "").text.length);
      // A step that calls no model is told of as such.
      return level === "model" && model === "" ? [] : [{ topic: "step" as const, kind: step, model, stamp }];
    });
  },

  async load(db: Queryable, keys: readonly EvidenceKey[]): Promise<Evidence[]> {
    const byText = new Map(keys.map((key) => [statKey(key), key]));
    const rows = await db.query<{ key: string; summary: string }>(SUMMARIES, [[...byText.keys()]]);
    return rows.flatMap(({ key: text, summary }) => {
      const key = byText.get(text);
      const read = Summary.fromJson(JSON.parse(summary));
      return key && read ? [toEvidence(key, read)] : [];
    });
  },
};

function statKey({ kind, model }: EvidenceKey): string {
  return (model === "" ? kindKey(kind) : modelKey(kind, model)).text;
}

function toEvidence({ topic, kind, model }: EvidenceKey, summary: Summary): Evidence {
  const { sums, first, retries, tries } = summary;
  const counted = [...retries].map(([code, tally]) => toCount(code, tally));
  const successes = counted.reduce((sum, { completed }) => sum + completed, first.completed);
  return {
    topic,
    kind,
    model,
    samples: summary.count,
    logMean: summary.mean,
    logVariance: summary.variance,
    times: summary.times,
    successes,
    failures: tries - successes,
    costUsd: sums.priced > 0 ? { samples: sums.priced, mean: sums.costUsd / sums.priced } : null,
    inputTokens: sums.inputTokens / Math.max(1, tries),
    outputTokens: sums.outputTokens / Math.max(1, tries),
    retries: counted.slice(0, BOUNDS.retries),
    lastAt: sums.lastAt,
  };
}

function toCount(code: string, { completed, failed }: { completed: number; failed: number }): RetryCount {
  return { code, tries: completed + failed, completed };
}
