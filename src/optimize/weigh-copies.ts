import type { Decision } from "../core/optimizer.ts";
import { type Candidate, makespans, meanOf } from "./candidate.ts";
import type { Draws } from "./choose-order.ts";
import type { TaskTime } from "./known-times.ts";
import type { Settings } from "./settings.ts";
import { isLeaf, needsApproval, stepOf } from "./task-facts.ts";

/** Beyond this share of busy slots a copy takes the place of other work. */
const MAX_UTILISATION = 0.8;
const LEAST_SAMPLES = 100;
/** Where the slowest are not so much slower than the rest, there is nothing to cut off. */
const LEAST_TAIL = 2;

export interface Hedges {
  /** By task id. */
  readonly hedgeAfterMs: ReadonlyMap<string, number>;
  readonly decisions: readonly Decision[];
}

/**
 * Second copies of idempotent tasks: after p95, so that at most one in twenty is started twice, where the slowest tries
 * are much slower than the middle (Dean and Barroso, 2013), and only while slots are idle.
 */
export function chooseHedges(
  candidate: Candidate,
  times: readonly TaskTime[],
  { draws, settings }: { readonly draws: Draws; readonly settings: Settings },
): Hedges {
  const tooBusy = utilisation(candidate, draws, settings) > MAX_UTILISATION;
  const hedgeAfterMs = new Map<string, number>();
  const byStep = new Map<string, { tasks: string[]; afterMs: number; samples: number }>();
  for (const [index, { spec }] of candidate.tree.tasks.entries()) {
    const estimate = times[index]?.estimate;
    const step = stepOf(spec);
    const mayRunTwice = isLeaf(spec) && settings.stepInfo(step)?.idempotent === true;
    if (!mayRunTwice || needsApproval(spec, settings.stepInfo) || !estimate || estimate.drift >= 1) {
      continue;
    }
    const { p95Ms, p99Ms, medianMs, samples } = estimate;
    if (samples >= LEAST_SAMPLES && p95Ms !== null && p99Ms !== null && p99Ms >= LEAST_TAIL * medianMs) {
      const afterMs = Math.round(p95Ms);
      const group = byStep.get(step) ?? { tasks: [], afterMs, samples };
      group.tasks.push(spec.id);
      byStep.set(step, group);
      if (!tooBusy) {
        hedgeAfterMs.set(spec.id, afterMs);
      }
    }
  }
  const decisions = [...byStep].map(
    ([step, { tasks, afterMs, samples }]): Decision => ({
      kind: "hedge",
      tasks,
      change: `a second copy of "${step}" starts after ${afterMs} ms`,
      reason: tooBusy
        ? "more than 80 % of the slots are busy: a copy would take the place of other work"
        : "the slowest tries take much longer than the middle; at most one in twenty is started twice",
      samples,
      adopted: !tooBusy,
    }),
  );
  return { hedgeAfterMs, decisions };
}

function utilisation(candidate: Candidate, { judging }: Draws, settings: Settings): number {
  const workMs = meanOf(
    judging.map((draw) =>
      candidate.graph.taskOf.reduce(
        (sum, task, node) =>
          sum + (task < 0 ? 0 : (draw[task] as number) * (candidate.graph.shareOf[node] as number)),
        0,
      ),
    ),
  );
  return workMs / Math.max(1e-9, settings.slots * meanOf(makespans(candidate, judging, settings)));
}

/**
 * What it would bring to carry chains out as one task each: what the hand-outs between them take. It is not done: each
 * task's result is committed before the next one starts, and a chain that is one task would be repeated as a whole.
 */
export function weighFusion(candidate: Candidate, draws: Draws, settings: Settings): Decision[] {
  const { tree } = candidate;
  const dependents = new Map<string, number>();
  for (const { dependencies } of tree.tasks) {
    for (const { id } of dependencies) {
      dependents.set(id, (dependents.get(id) ?? 0) + 1);
    }
  }
  const fused = tree.tasks.filter(({ spec, dependencies }) => {
    const before = tree.tasks[tree.byId.get(dependencies[0]?.id ?? "") ?? -1];
    return (
      dependencies.length === 1 &&
      before !== undefined &&
      dependents.get(before.spec.id) === 1 &&
      [spec, before.spec].every((one) => isLeaf(one) && !one.map && !needsApproval(one, settings.stepInfo))
    );
  });
  if (fused.length === 0) {
    return [];
  }
  const now = meanOf(makespans(candidate, draws.judging, settings));
  const free = meanOf(makespans(candidate, draws.judging, { ...settings, overheadMs: 0 }));
  return [
    {
      kind: "fuse",
      tasks: fused.map(({ spec }) => spec.id).slice(0, 20),
      change: `${fused.length} tasks would be carried out with the one before them`,
      reason: `it would save at most ${Math.round(now - free)} ms of handing out, and lose the retry and the stored result of each`,
      samples: 0,
      adopted: false,
      predicted: { makespanMs: { before: now, after: free } },
    },
  ];
}
