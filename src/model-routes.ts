import { adviseModels } from "./advised-models.ts";
import type { Clock } from "./core/clock.ts";
import type { Driver } from "./core/driver.ts";
import type { Logger } from "./core/logger.ts";
import type {
  CascadeStart,
  ModelRouting,
  Route,
  RouteOutcome,
  RouteQuestion,
  TokenCounts,
} from "./core/model-routing.ts";
import type { Lesson } from "./fleet/guidance.ts";
import { startCascade } from "./learn/cascade-rule.ts";
import {
  drawModel,
  type ModelArm,
  orderOfOthers,
  QUALITY_KEEP,
  type RouteSituation,
  weighModels,
} from "./learn/model-router.ts";
import {
  type Discounts,
  keepChoice,
  type ModelStats,
  type Rated,
  type Rating,
  rateAnswer,
  readBudgetLeft,
  readModelStats,
  recordOutcomes,
} from "./store/model-stats.ts";

/** Costs and times change with versions of models, availability within minutes. */
const DISCOUNTS: Discounts = { quality: QUALITY_KEEP, cost: 0.99, availability: 0.8 };
/** Milliseconds that outcomes are collected for before they are written. */
const COLLECT_MS = 500;
/** Milliseconds that what was read is taken for true: other instances learn, too. */
const FRESH_MS = 2000;
/** Outcomes kept while the database is away. */
const MAX_KEPT = 10_000;

export interface ModelRoutesOptions {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A number in [0, 1). */
  readonly random: () => number;
  /** What other databases learned of models on a kind of work. Default: nothing. */
  readonly advice?: ((kind: string) => readonly Lesson[]) | undefined;
}

/**
 * Chooses models by what all instances on the database have learned. Choices cost two statements each; what comes of them
 * is collected, and written when nobody waits for it.
 */
export class ModelRoutes implements ModelRouting {
  readonly #o: ModelRoutesOptions;
  readonly #read = new Map<string, { readonly at: number; readonly stats: readonly ModelStats[] }>();
  #outcomes: RouteOutcome[] = [];
  #stopTimer: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: ModelRoutesOptions) {
    this.#o = options;
  }

  async choose(question: RouteQuestion): Promise<Route> {
    const { models, options, kind, requestId, runId } = question;
    const [arms, situation] = await this.#look(question);
    const weighed = weighModels(arms, options, situation);
    const chosen = drawModel(weighed, this.#o.random());
    const refs = [chosen, ...orderOfOthers(weighed, chosen)].flatMap((index) => models[index] ?? []);
    const [model] = refs;
    const propensity = Math.min(1, weighed.arms[chosen]?.propensity ?? 1);
    const draw = { propensity, explored: chosen !== weighed.best };
    if (!model) {
      throw new RangeError("there is no model to choose from");
    }
    if (requestId === null) {
      return { kind, models: refs, draw: { model, ...draw } };
    }
    const kept = await keepChoice(this.#o.driver, { requestId, runId, kind, ...model, ...draw });
    const own = kept && models.find((ref) => ref.provider === kept.provider && ref.model === kept.model);
    if (!kept || !own) {
      return { kind, models: refs, draw: { model, ...draw } };
    }
    const others = refs.filter((ref) => ref !== own);
    return {
      kind,
      models: [own, ...others],
      draw: { model: own, propensity: kept.propensity, explored: kept.explored },
    };
  }

  async startOfCascade(question: RouteQuestion): Promise<CascadeStart> {
    const [arms, { budgetLeft }] = await this.#look(question);
    const stats = await this.#statsOf(question.kind);
    const steps = arms.map((arm) => {
      const { accepted = 0, rejected = 0 } = find(stats, arm) ?? {};
      return { ...arm, accepted, rejected };
    });
    return startCascade(steps, question.options, budgetLeft);
  }

  record(outcomes: readonly RouteOutcome[]): void {
    this.#outcomes.push(...outcomes);
    const tooMany = this.#outcomes.length - MAX_KEPT;
    if (tooMany > 0) {
      this.#outcomes.splice(0, tooMany);
      this.#o.logger.warn({ lost: tooMany }, "what came of requests could not be written for too long");
    }
    if (this.#outcomes.length > 0) {
      this.#stopTimer ??= this.#o.clock.timer(COLLECT_MS, () => void this.flush());
    }
  }

  /** Notes what a person thinks of an answer. */
  async rate(rating: Rating): Promise<Rated> {
    await this.flush();
    const rated = await rateAnswer(this.#o.driver, rating, QUALITY_KEEP);
    this.#read.clear();
    return rated;
  }

  /** What is known now, of a kind of work or of all. */
  async stats(kind: string | null): Promise<readonly ModelStats[]> {
    await this.flush();
    return readModelStats(this.#o.driver, kind === null ? null : [kind]);
  }

  /** Writes what was collected. Never fails: what could not be written is kept for the next time. */
  flush(): Promise<void> {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    await this.flush();
    this.#stopTimer?.();
  }

  async #write(): Promise<void> {
    const outcomes = this.#outcomes;
    this.#outcomes = [];
    if (outcomes.length === 0) {
      return;
    }
    try {
      await recordOutcomes(this.#o.driver, outcomes, DISCOUNTS);
      for (const { kind } of outcomes) {
        this.#read.delete(kind);
      }
    } catch (error) {
      this.#o.logger.warn(
        { error: String(error) },
        "what came of requests could not be written; trying again",
      );
      this.#outcomes.unshift(...outcomes);
      this.record([]);
    }
  }

  async #look(question: RouteQuestion): Promise<[ModelArm[], RouteSituation]> {
    const { kind, runId, labels, effectFree, offCriticalPath } = question;
    const noBudget = runId === null && labels === null;
    const [stats, budgetLeft] = await Promise.all([
      this.#statsOf(kind),
      noBudget ? 1 : readBudgetLeft(this.#o.driver, runId, labels),
    ]);
    const arms = toArms(stats, question, this.#o.clock.now());
    return [arms, { effectFree, offCriticalPath, budgetLeft }];
  }

  async #statsOf(kind: string): Promise<readonly ModelStats[]> {
    const now = this.#o.clock.now();
    const known = this.#read.get(kind);
    if (known && now - known.at < FRESH_MS) {
      return known.stats;
    }
    const own = await readModelStats(this.#o.driver, [kind]);
    const stats = adviseModels(kind, own, this.#o.advice?.(kind) ?? []);
    this.#read.set(kind, { at: now, stats });
    return stats;
  }
}

/** The models of a question with what is known of them. */
export function toArms(
  stats: readonly ModelStats[],
  { models, costUsd }: Pick<RouteQuestion, "models" | "costUsd">,
  now: number,
): ModelArm[] {
  const tokens = meanTokens(stats);
  return models.map((ref) => {
    const known = find(stats, ref);
    const served = known ? known.available + known.unavailable : 0;
    return {
      ...ref,
      successes: known?.successes ?? 0,
      failures: known?.failures ?? 0,
      costUsd: known && known.priced > 0 ? known.costUsd / known.priced : costUsd(ref, tokens),
      durationMs: known && known.calls > 0 ? Math.exp(known.logMs / known.calls) : null,
      availability: known && served > 0 ? known.available / served : 1,
      sinceAwayMs: known?.unavailableAt ? Math.max(0, now - known.unavailableAt.getTime()) : null,
    };
  });
}

/** What an answer of this kind takes, whoever gives it; undefined as long as there was none. */
function meanTokens(stats: readonly ModelStats[]): TokenCounts | undefined {
  const sum = (pick: (one: ModelStats) => number): number => stats.reduce((all, one) => all + pick(one), 0);
  const calls = sum((one) => one.calls);
  return calls > 0
    ? { input: sum((one) => one.inputTokens) / calls, output: sum((one) => one.outputTokens) / calls }
    : undefined;
}

function find(
  stats: readonly ModelStats[],
  { provider, model }: { readonly provider: string; readonly model: string },
): ModelStats | undefined {
  return stats.find((one) => one.provider === provider && one.model === model);
}
