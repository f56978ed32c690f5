import type { Decision, DispatchHint, ModelCandidate } from "../core/optimizer.ts";
import type { PlannedTasks } from "./candidate.ts";
import { nodeTimes } from "./draw-times.ts";
import type { TaskTime } from "./known-times.ts";
import { earliestStarts, upwardRanks } from "./ranks.ts";
import type { Settings } from "./settings.ts";
import { isLeaf, stepOf } from "./task-facts.ts";

/** The quality of a model counts from so many judged answers on. */
const LEAST_SAMPLES = 10;
/** Standard errors that are taken off a model's share of good answers. */
const CAUTION = 1.28;
/** The slack has to hold the extra time so many times: run times are guesses. */
const SAFETY = 2;
/** Tasks that are looked at, those that save most first: each costs a pass through the graph. */
const MAX_TASKS = 200;

export interface ChosenModels {
  readonly models: ReadonlyMap<string, NonNullable<DispatchHint["model"]>>;
  readonly decisions: readonly Decision[];
}

/** A cheaper model for one task. */
interface Offer {
  readonly task: number;
  readonly cheap: ModelCandidate;
  readonly usual: ModelCandidate;
  readonly savesUsd: number;
}

/**
 * Chooses models for tasks that leave theirs open. Off the critical path a slower cheap model is free: it is taken where
 * the slack holds the extra time twice, and only if its share of good answers is, cautiously judged, at the floor. On
 * the critical path the model stays. The slack is computed again after each choice.
 */
export function chooseModels(
  { tree, graph }: PlannedTasks,
  times: readonly TaskTime[],
  settings: Settings,
): ChosenModels {
  const expected = Float64Array.from(times, ({ meanMs }) => meanMs);
  const models = new Map<string, NonNullable<DispatchHint["model"]>>();
  const chosen: Offer[] = [];
  for (const offer of findOffers(tree, settings)) {
    const extraMs = Math.max(0, offer.cheap.meanMs - offer.usual.meanMs);
    const slower = expected.slice();
    slower[offer.task] = (slower[offer.task] as number) + SAFETY * extraMs;
    if (extraMs === 0 || lengthOf(graph, slower) <= lengthOf(graph, expected)) {
      expected[offer.task] = (expected[offer.task] as number) + extraMs;
      const { provider, model } = offer.cheap;
      models.set(tree.tasks[offer.task]?.spec.id ?? "", { provider, model });
      chosen.push(offer);
    }
  }
  return {
    models,
    decisions: chosen.map((offer) => modelDecision(tree.tasks[offer.task]?.spec.id ?? "", offer)),
  };
}

/** The longest way through the graph. */
function lengthOf(graph: PlannedTasks["graph"], times: Float64Array): number {
  return upwardRanks(graph, nodeTimes(graph, times)).reduce((most, rank) => Math.max(most, rank), 0);
}

/** Milliseconds by which each task may take longer without the longest way getting longer, and how long that is. */
export function slackOf(
  { graph, tree }: PlannedTasks,
  times: ArrayLike<number>,
): { readonly slack: Float64Array; readonly length: number } {
  const timesMs = nodeTimes(graph, times);
  const [starts, ranks] = [earliestStarts(graph, timesMs), upwardRanks(graph, timesMs)];
  const length = ranks.reduce((most, rank) => Math.max(most, rank), 0);
  const slack = Float64Array.from(tree.tasks, (_, task) => {
    const node = graph.entryOf[task] as number;
    return length - (starts[node] as number) - (ranks[node] as number);
  });
  return { slack, length };
}

function findOffers(tree: PlannedTasks["tree"], settings: Settings): Offer[] {
  const offers = tree.tasks.flatMap(({ spec }, task): Offer[] => {
    const step = stepOf(spec);
    const candidates = isLeaf(spec) && settings.stepInfo(step)?.usesModel ? settings.models(step) : [];
    const usual = candidates.find(({ isDefault }) => isDefault);
    if (!usual || usual.costUsd === null) {
      return [];
    }
    const cheaper = candidates
      .filter((candidate) => isGood(candidate, settings.qualityFloor) && savingOf(candidate, usual) > 0)
      .sort((one, other) => savingOf(other, usual) - savingOf(one, usual));
    const cheap = cheaper[0];
    return cheap ? [{ task, cheap, usual, savesUsd: savingOf(cheap, usual) }] : [];
  });
  return offers
    .sort((one, other) => other.savesUsd - one.savesUsd || one.task - other.task)
    .slice(0, MAX_TASKS);
}

function savingOf({ costUsd }: ModelCandidate, usual: ModelCandidate): number {
  return costUsd === null || usual.costUsd === null || !(costUsd >= 0) ? 0 : usual.costUsd - costUsd;
}

function isGood({ quality, samples, meanMs }: ModelCandidate, floor: number): boolean {
  const error = Math.sqrt((quality * (1 - quality)) / (samples + 1));
  return samples >= LEAST_SAMPLES && Number.isFinite(meanMs) && quality - CAUTION * error >= floor;
}

function modelDecision(taskId: string, { cheap, usual }: Offer): Decision {
  return {
    kind: "model",
    tasks: [taskId],
    change: `"${taskId}" asks ${cheap.provider}/${cheap.model} instead of ${usual.provider}/${usual.model}`,
    reason: `it is off the critical path, and ${Math.round(cheap.quality * 100)} % of that model's answers to such tasks were good`,
    samples: cheap.samples,
    adopted: true,
    predicted: { costUsd: { before: usual.costUsd ?? 0, after: cheap.costUsd ?? 0 } },
  };
}

/** What a cascade would cost: the cheap model first, and the usual one where its answer is refused. */
export function weighCascades(tree: PlannedTasks["tree"], settings: Settings): Decision[] {
  const byStep = new Map<string, string[]>();
  for (const { spec } of tree.tasks) {
    const facts = isLeaf(spec) ? settings.stepInfo(stepOf(spec)) : undefined;
    if (facts?.usesModel && facts.verified) {
      byStep.set(stepOf(spec), [...(byStep.get(stepOf(spec)) ?? []), spec.id]);
    }
  }
  return [...byStep].flatMap(([step, tasks]): Decision[] => {
    const candidates = settings.models(step);
    const usual = candidates.find(({ isDefault }) => isDefault);
    const cheap = candidates
      .filter(({ samples }) => samples >= LEAST_SAMPLES)
      .sort((one, other) => (one.costUsd ?? Infinity) - (other.costUsd ?? Infinity))[0];
    if (!usual || usual.costUsd === null || !cheap || cheap.costUsd === null || cheap === usual) {
      return [];
    }
    const after = cheap.costUsd + (1 - cheap.quality) * usual.costUsd;
    return [
      {
        kind: "cascade",
        tasks,
        change: `"${step}" asks ${cheap.provider}/${cheap.model} first, and ${usual.provider}/${usual.model} where that answer is refused`,
        reason:
          after < usual.costUsd
            ? "what it returns is checked, and the cheap answers are good often enough; the router of model calls decides"
            : "the cheap answers are refused too often to save anything",
        samples: cheap.samples,
        adopted: false,
        predicted: { costUsd: { before: usual.costUsd, after } },
      },
    ];
  });
}
