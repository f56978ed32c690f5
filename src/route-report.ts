import { isGoalpostError } from "./core/errors.ts";
import type { ModelRef } from "./core/llm.ts";
import type { RoutingMode } from "./core/routing-options.ts";
import { type Standing, type WeighedArm, weighModels } from "./learn/model-router.ts";
import { questionOf } from "./llm/choose-models.ts";
import type { LlmParts } from "./llm/llm-parts.ts";
import { resolveRouting } from "./llm/routing-options.ts";
import { routableModels } from "./llm/select-model.ts";
import { toArms } from "./model-routes.ts";
import type { ModelStats } from "./store/model-stats.ts";

/** What is known of a model on one kind of work. */
export interface RouteModel extends ModelRef {
  /** Judged answers so far. */
  readonly samples: number;
  /** Mean of what is believed of its quality, 0 to 1, and what it lies between with 90 %. */
  readonly quality: number;
  readonly qualityLow: number;
  readonly qualityHigh: number;
  /** Mean US dollars of a request, a guess as long as there was none; null if the price is unknown. */
  readonly costUsd: number | null;
  /** Median milliseconds of an answer, and what 95 % stay below if they spread like a lognormal; null if there was none. */
  readonly durationMs: number | null;
  readonly durationP95Ms: number | null;
  /** The share of recent requests that its provider served. */
  readonly availability: number;
  /** Whether its answers reach the floor. */
  readonly standing: Standing;
  /** How likely the next request is given to it, with what nobody waits for and no budget presses. */
  readonly propensity: number;
  /** Why, in one sentence. */
  readonly reason: string;
}

/** How requests of one kind are given to models, and why. */
export interface RouteReport {
  /** A taskType, or `step:NAME` of requests that have none. */
  readonly kind: string;
  readonly mode: RoutingMode;
  /** Judged answers of all models. */
  readonly samples: number;
  /** What is chosen most; null if no model of a configured provider may be. */
  readonly choice: (ModelRef & { readonly reason: string }) | null;
  /** In the order of the table; those that are not in it (any more) last. */
  readonly models: readonly RouteModel[];
}

/** How far the 95 % of a normal distribution are from its middle, in standard deviations. */
const Z95 = 1.645;
const INTERVAL = [0.05, 0.95] as const;

/** Explains what is chosen for each kind of work, from what is known of it. */
export function reportRoutes(
  parts: LlmParts,
  stats: readonly ModelStats[],
  kinds: readonly string[],
): RouteReport[] {
  return kinds.map((kind) =>
    reportOf(
      parts,
      kind,
      stats.filter((one) => one.kind === kind),
    ),
  );
}

function reportOf(parts: LlmParts, kind: string, stats: readonly ModelStats[]): RouteReport {
  const options = resolveRouting(parts.options.routing, undefined);
  const table = tableOf(parts, kind);
  const known = stats.filter((one) => !table.some((ref) => isSame(ref, one)));
  const place = { requestId: null, runId: null, labels: null, step: undefined, offCriticalPath: true };
  const question = questionOf(parts, { messages: [], taskType: kind }, { ...place, models: table });
  const now = parts.clock.now();
  const situation = { effectFree: true, offCriticalPath: true, budgetLeft: 1 };
  const weighed =
    table.length > 0 ? weighModels(toArms(stats, question, now), options, situation) : { arms: [], best: 0 };
  const byTable = options.mode === "table";
  const best = weighed.arms[byTable ? 0 : weighed.best];
  const others = toArms(stats, { ...question, models: known }, now);
  const apart = others.length > 0 ? weighModels(others, options, situation).arms : [];
  const all = [
    ...weighed.arms.map((one, index) => ({
      ...one,
      propensity: byTable ? Number(index === 0) : one.propensity,
      reason: byTable ? reasonByTable(index) : reasonOf(one, best, options.floor),
    })),
    ...apart.map((one) => ({ ...one, propensity: 0, reason: "it is not in the table of models" })),
  ];
  const models = all.map((one) => toModel(one, stats));
  const { provider = "", model = "" } = best?.arm ?? {};
  const why = models.find((one) => one.provider === provider && one.model === model)?.reason ?? "";
  return {
    kind,
    mode: options.mode,
    samples: stats.reduce((sum, { samples }) => sum + samples, 0),
    choice: best ? { provider, model, reason: why } : null,
    models,
  };
}

/** A kind without a provider can be reported all the same. */
function tableOf(parts: LlmParts, kind: string): readonly ModelRef[] {
  try {
    return routableModels(parts, { taskType: kind });
  } catch (error) {
    if (isGoalpostError(error) && (error.code === "INVALID_INPUT" || error.code === "NO_PROVIDER")) {
      return [];
    }
    throw error;
  }
}

function reasonByTable(index: number): string {
  return index === 0
    ? 'it is the table\'s choice, and llm.routing is "table"'
    : 'it would be weighed if llm.routing were "learned"';
}

function reasonOf(one: WeighedArm, best: WeighedArm | undefined, floor: number): string {
  const { arm, standing, away, utility, price, posterior } = one;
  const judged = arm.successes + arm.failures;
  const numbers =
    `quality ${posterior.mean.toFixed(2)} from ${judged.toFixed(0)} judged answers, less ${price.toFixed(3)} for cost and ` +
    `time, is ${utility.toFixed(3)}`;
  if (standing === "below") {
    return `its answers are below the floor of ${floor}: ${numbers}`;
  }
  if (away) {
    return `its provider did not serve most of the recent requests; ${numbers}`;
  }
  return one === best
    ? `the best: ${numbers}`
    : `${numbers}, against ${best?.utility.toFixed(3)} of the best`;
}

function toModel(
  { arm, posterior, standing, propensity, reason }: WeighedArm & { readonly reason: string },
  stats: readonly ModelStats[],
): RouteModel {
  const { provider, model, costUsd, durationMs, availability } = arm;
  const known = stats.find((one) => isSame(one, arm));
  const [low, high] = INTERVAL;
  return {
    provider,
    model,
    samples: known?.samples ?? 0,
    quality: posterior.mean,
    qualityLow: posterior.quantile(low),
    qualityHigh: posterior.quantile(high),
    costUsd,
    durationMs,
    durationP95Ms: known && durationMs !== null ? durationMs * Math.exp(Z95 * spreadOf(known)) : null,
    availability,
    standing,
    propensity,
    reason,
  };
}

/** Standard deviation of the logarithm. */
function spreadOf({ calls, logMs, logMsSquares }: ModelStats): number {
  return Math.sqrt(Math.max(0, logMsSquares / calls - (logMs / calls) ** 2));
}

function isSame(a: ModelRef, b: ModelRef): boolean {
  return a.provider === b.provider && a.model === b.model;
}
