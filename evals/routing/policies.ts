import type { ResolvedRouting } from "../../src/core/routing-options.ts";
import { drawModel, type ModelArm, QUALITY_KEEP, weighModels } from "../../src/learn/model-router.ts";
import { drawBeta } from "./random.ts";
import type { Question } from "./streams.ts";

/** Chooses a model for each question, and is told whether that was right. */
export interface Policy {
  choose(question: Question): number;
  learn(question: Question, model: number): void;
}

/** What a policy is made with. */
export interface Market {
  /** What each model costs, the dearest 1. */
  readonly costs: readonly number[];
  /** The price of money. */
  readonly lambda: number;
  readonly random: () => number;
}

interface Record {
  successes: number;
  failures: number;
}

/** Always the same. */
export function always(model: number): Policy {
  return { choose: () => model, learn: () => undefined };
}

/** Of each kind the model that is the best in hindsight: what no policy by kind can beat where nothing changes. */
export function bestPerKind(questions: readonly Question[], { costs, lambda }: Market): Policy {
  const sums = new Map<string, number[]>();
  for (const { kind, right } of questions) {
    const sum = sums.get(kind) ?? costs.map(() => 0);
    right.forEach((is, model) => {
      sum[model] = (sum[model] ?? 0) + Number(is) - lambda * (costs[model] ?? 0);
    });
    sums.set(kind, sum);
  }
  const best = new Map([...sums].map(([kind, sum]) => [kind, sum.indexOf(Math.max(...sum))]));
  return { choose: ({ kind }) => best.get(kind) ?? 0, learn: () => undefined };
}

/** Thompson sampling as in textbooks: flat priors, nothing is forgotten, nothing is forced. */
export function plainThompson({ costs, lambda, random }: Market): Policy {
  const recordsOf = recordsByKind(costs.length);
  return {
    choose({ kind }) {
      const drawn = recordsOf(kind).map(
        ({ successes, failures }, model) =>
          drawBeta(1 + successes, 1 + failures, random) - lambda * (costs[model] ?? 0),
      );
      return drawn.indexOf(Math.max(...drawn));
    },
    learn: ({ kind, right }, model) => add(recordsOf(kind)[model], right[model] === true),
  };
}

/** Ours, with what it does to the records as the database does it. */
export function learned({ costs, lambda, random }: Market, options: Partial<ResolvedRouting> = {}): Policy {
  const recordsOf = recordsByKind(costs.length);
  const resolved: ResolvedRouting = {
    mode: "learned",
    floor: 0.3,
    lambda,
    priceOfQualityUsd: null,
    mu: 0,
    exploration: 0.02,
    strict: false,
    ...options,
  };
  const situation = { effectFree: true, offCriticalPath: true, budgetLeft: 1 };
  return {
    choose({ kind }) {
      const arms = recordsOf(kind).map(
        (record, model): ModelArm => ({
          provider: "eval",
          model: `${model}`,
          ...record,
          costUsd: costs[model] ?? null,
          durationMs: null,
          availability: 1,
          sinceAwayMs: null,
        }),
      );
      return drawModel(weighModels(arms, resolved, situation), random());
    },
    learn({ kind, right }, model) {
      const records = recordsOf(kind);
      for (const record of records) {
        record.successes *= QUALITY_KEEP;
        record.failures *= QUALITY_KEEP;
      }
      add(records[model], right[model] === true);
    },
  };
}

function recordsByKind(models: number): (kind: string) => Record[] {
  const kinds = new Map<string, Record[]>();
  return (kind) => {
    const records = kinds.get(kind) ?? Array.from({ length: models }, () => ({ successes: 0, failures: 0 }));
    kinds.set(kind, records);
    return records;
  };
}

function add(record: Record | undefined, right: boolean): void {
  if (record) {
    record.successes += Number(right);
    record.failures += Number(!right);
  }
}
