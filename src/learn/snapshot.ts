import { createHash } from "node:crypto";
import type { Queryable } from "../core/driver.ts";
import type { Estimate, EstimateKey, Estimates } from "../core/estimates.ts";
import { Summary } from "../core/summary.ts";
import { estimateOf, type Level, UNKNOWN } from "./estimate.ts";
import { GLOBAL, kindKey, modelKey, type StatKey, taskKey } from "./stat-key.ts";
import { readRows, readSpreads, type Spread, type StatRow } from "./stats-table.ts";

const LEAST_K = 1;
const MOST_K = 50;
/** k where the spread between kinds cannot be told yet. */
const DEFAULT_K = 5;

/** How much what is more general counts beside the samples of one kind of work. */
export function shrinkage({ within, between }: Pick<Spread, "within" | "between">): number {
  const k = between > 0 ? within / between : MOST_K;
  return Math.min(MOST_K, Math.max(LEAST_K, k));
}

/** No statistics: every answer is the default. */
export const NOTHING_KNOWN: Estimates = { snapshotId: "none", of: () => UNKNOWN };

/** What a snapshot is asked about. */
export interface SnapshotWish {
  readonly steps: readonly string[];
  /** The shape of the graph that is planned: tasks are asked for by their ids in it. */
  readonly shape?: string | undefined;
  /** Step and id of its tasks. */
  readonly tasks?: readonly { readonly step: string; readonly id: string }[] | undefined;
  /** Models that may be asked for, "provider/model". */
  readonly models?: readonly string[] | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Reads what is known of some steps, at one moment: the answers stay the same whatever is learned after. */
export async function readSnapshot(driver: Queryable, wish: SnapshotWish): Promise<Estimates> {
  const keys: StatKey[] = [GLOBAL, ...wish.steps.map(kindKey)];
  for (const step of wish.steps) {
    keys.push(...(wish.models ?? []).map((model) => modelKey(step, model)));
  }
  if (wish.shape !== undefined) {
    keys.push(...(wish.tasks ?? []).map(({ step, id }) => taskKey(step, `${wish.shape}/${id}`)));
  }
  const rows = await readRows(
    driver,
    keys.map(({ text }) => text),
  );
  if (rows.length === 0) {
    return NOTHING_KNOWN;
  }
  const byTask = await readSpreads(driver, { level: "step", steps: wish.steps });
  const byModel = await readSpreads(driver, { level: "model", steps: wish.steps });
  const kinds = await readSpreads(driver, { level: "kind", steps: null });
  return makeSnapshot(wish, { rows, byTask, byModel, kinds });
}

interface Known {
  readonly rows: readonly StatRow[];
  readonly byTask: readonly Spread[];
  readonly byModel: readonly Spread[];
  /** Of each kind on its own: what is within it. */
  readonly kinds: readonly Spread[];
}

/** A snapshot of rows that were read. */
export function makeSnapshot({ shape, now }: Pick<SnapshotWish, "shape" | "now">, known: Known): Estimates {
  const summaries = new Map<string, Summary>();
  for (const { key, summary } of known.rows) {
    const other = summaries.get(key);
    summaries.set(key, other ? Summary.merge(other, summary) : summary);
  }
  const ks = {
    step: new Map(known.byTask.map((spread) => [spread.step, shrinkage(spread)])),
    model: new Map(known.byModel.map((spread) => [spread.step, shrinkage(spread)])),
    kind: kindShrinkage(known.kinds, summaries),
  };
  const day = Math.floor(now / 86_400_000);
  const answers = new Map<string, Estimate>();
  const level = (name: Level["name"], key: StatKey, k: number): Level[] => {
    const summary = summaries.get(key.text);
    return summary ? [{ name, summary, k }] : [];
  };
  const estimate = ({ step, task, model, sizeBucket }: EstimateKey): Estimate => {
    const modelK = ks.model.get(step) ?? DEFAULT_K;
    const specific =
      model === undefined
        ? task === undefined || shape === undefined
          ? []
          : level("step", taskKey(step, `${shape}/${task}`), ks.step.get(step) ?? DEFAULT_K)
        : [
            ...(sizeBucket === undefined ? [] : level("model", modelKey(step, model, sizeBucket), modelK)),
            ...level("model", modelKey(step, model), modelK),
          ];
    return estimateOf(
      [...specific, ...level("kind", kindKey(step), ks.kind), ...level("global", GLOBAL, 1)],
      now,
    );
  };
  return {
    snapshotId: idOf(summaries, day),
    of(key) {
      const text = JSON.stringify([key.step, key.task, key.model, key.sizeBucket]);
      const answer = answers.get(text) ?? estimate(key);
      answers.set(text, answer);
      return answer;
    },
  };
}

function kindShrinkage(kinds: readonly Spread[], summaries: ReadonlyMap<string, Summary>): number {
  const within = kinds.map((kind) => kind.within);
  const means = [...summaries].flatMap(([key, { count, mean }]) =>
    key.startsWith("kind/") && count > 0 ? [mean] : [],
  );
  if (within.length === 0 || means.length < 2) {
    return DEFAULT_K;
  }
  const middle = means.reduce((sum, mean) => sum + mean, 0) / means.length;
  const between = means.reduce((sum, mean) => sum + (mean - middle) ** 2, 0) / (means.length - 1);
  return shrinkage({ within: within.reduce((sum, one) => sum + one, 0) / within.length, between });
}

function idOf(summaries: ReadonlyMap<string, Summary>, day: number): string {
  const hash = createHash("sha256").update(String(day));
  for (const [key, summary] of [...summaries].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(key).update(JSON.stringify(summary.toJson()));
  }
  return hash.digest("hex").slice(0, 16);
}
