import { createHash } from "node:crypto";
import type { Estimates } from "./core/estimates.ts";
import type { Dependency, TaskSpec, ValidTaskGraph } from "./core/goal.ts";
import type { ModelCalls } from "./core/model-calls.ts";
import type { Decision, ModelCandidate, OptimizedGraph, OptimizeLevel, StepFacts } from "./core/optimizer.ts";
import { isStep, mayRunTwice, type StepMap } from "./core/step.ts";
import { toTree } from "./core/task-tree.ts";
import { NOTHING_KNOWN } from "./learn/snapshot.ts";
import type { Learning } from "./learning.ts";
import { callable } from "./model-candidates.ts";
import { optimize } from "./optimize/optimize.ts";
import type { Dispatch } from "./plan/compile.ts";

/** A graph as it joins its run, and what was decided about it. */
export interface OptimizedPlan {
  readonly graph: ValidTaskGraph;
  readonly dispatch: Dispatch;
  readonly decisions: readonly Decision[];
  readonly level: OptimizeLevel;
  readonly snapshotId: string;
  /** What is added to the run's key, in milliseconds. */
  readonly runKeyDelayMs: number;
}

export interface OptimizeParts {
  readonly level: OptimizeLevel;
  readonly learning: Learning | undefined;
  readonly steps: StepMap;
  readonly models: Pick<ModelCalls, "usual">;
  /** Tasks that can run at once. */
  readonly slots?: number | undefined;
}

const SHAPE_CHARS = 12;

/** Decides how a graph is dispatched, by one snapshot of what is known. A graph that gains nothing stays as it is. */
export async function optimizePlan(graph: ValidTaskGraph, parts: OptimizeParts): Promise<OptimizedPlan> {
  const { level, learning, steps } = parts;
  const shape = shapeOf(graph.tasks);
  const asIs = {
    graph,
    dispatch: { shape, hints: new Map(), mergedInto: new Map() },
    decisions: [],
    level: "basic" as const,
    snapshotId: NOTHING_KNOWN.snapshotId,
    runKeyDelayMs: 0,
  };
  if (level === "basic" && !declaresEffects(graph.tasks, steps)) {
    // The order by the longest way left is made in any case, and nothing else can come of it.
    return asIs;
  }
  const estimates = await knownOf(graph.tasks, { ...parts, shape });
  const models = await modelsOf(graph.tasks, parts);
  const past = level === "aggressive" ? await learning?.pastOf(shape) : undefined;
  const optimized = optimize(graph, estimates, {
    level,
    slots: parts.slots,
    past,
    stepInfo: (step) => ({ ...factsOf(steps, step), usesModel: models.has(step) }),
    models: (step) => models.get(step) ?? [],
  });
  const mergedInto = mergesOf(graph.tasks, optimized.graph);
  const { hints, runKeyDelayMs } = optimized.graph;
  const usesRanks = optimized.graph.level !== "basic";
  return {
    graph: {
      ...graph,
      tasks: linked(usesRanks ? relaxed(graph.tasks, optimized.graph) : graph.tasks, mergedInto),
    },
    dispatch: { shape, hints: usesRanks ? hints : new Map(), mergedInto },
    decisions:
      level === "basic" ? optimized.decisions.filter(({ kind }) => kind === "merge") : optimized.decisions,
    level: optimized.graph.level,
    snapshotId: learning ? estimates.snapshotId : asIs.snapshotId,
    runKeyDelayMs,
  };
}

/** Equal for graphs with the same tasks: ids, steps, and what waits for what. */
function shapeOf(tasks: readonly TaskSpec[]): string {
  const hash = createHash("sha256");
  for (const { spec, dependencies } of toTree(tasks).tasks) {
    hash.update(JSON.stringify([spec.id, spec.step ?? null, dependencies.map(({ id }) => id)]));
  }
  return hash.digest("hex").slice(0, SHAPE_CHARS);
}

async function knownOf(
  tasks: readonly TaskSpec[],
  { level, learning, shape }: OptimizeParts & { readonly shape: string },
): Promise<Estimates> {
  if (level === "basic" || !learning) {
    return NOTHING_KNOWN;
  }
  const leaves = toTree(tasks).tasks.map(({ spec }) => ({ step: spec.step ?? spec.id, id: spec.id }));
  return learning.snapshot({ steps: [...new Set(leaves.map(({ step }) => step))], shape, tasks: leaves });
}

/** Where the choice of a model is learned, each request makes it by itself. */
async function modelsOf(
  tasks: readonly TaskSpec[],
  { level, learning, models }: OptimizeParts,
): Promise<ReadonlyMap<string, readonly ModelCandidate[]>> {
  if (level === "basic" || !learning) {
    return new Map();
  }
  const known = await learning.modelsOf([...stepsOf(tasks)]);
  if (known.size === 0) {
    return known;
  }
  const usual = await models.usual();
  return usual.isLearned ? new Map() : callable(known, usual);
}

function stepsOf(tasks: readonly TaskSpec[]): Set<string> {
  return new Set(toTree(tasks).tasks.map(({ spec }) => spec.step ?? spec.id));
}

function declaresEffects(tasks: readonly TaskSpec[], steps: StepMap): boolean {
  return tasks.some(
    (task) =>
      task.effects !== undefined ||
      factsOf(steps, task.step ?? task.id)?.effectFree === true ||
      declaresEffects(task.subtasks ?? [], steps),
  );
}

function factsOf(steps: StepMap, name: string): StepFacts | undefined {
  const step = Object.hasOwn(steps, name) ? steps[name] : undefined;
  return isStep(step)
    ? {
        timeoutGiven: step.timeoutMs !== undefined,
        approval: step.approval === true,
        verified: step.output !== undefined,
        effectFree: step.effectFree === true,
        idempotent: mayRunTwice(step),
      }
    : undefined;
}

/** A merged task takes the output of the other; one that may fail without the run keeps a life of its own. */
function mergesOf(tasks: readonly TaskSpec[], { mergedInto }: OptimizedGraph): Map<string, string> {
  const own = new Set(tasks.flatMap(({ id, onExhausted = "fail" }) => (onExhausted === "fail" ? [] : [id])));
  return new Map([...mergedInto].filter(([id, other]) => !own.has(id) && !own.has(other)));
}

/** A task that another one stands for waits for that. */
function linked(tasks: readonly TaskSpec[], mergedInto: ReadonlyMap<string, string>): readonly TaskSpec[] {
  return tasks.map((task) => {
    const other = mergedInto.get(task.id);
    return other === undefined ? task : { ...task, dependsOn: [...(task.dependsOn ?? []), other] };
  });
}

/**
 * The tasks of the plan, without the order that the optimizer found needless. Order that is implied by other order stays:
 * what a step is given does not change by it.
 */
function relaxed(tasks: readonly TaskSpec[], optimized: OptimizedGraph): readonly TaskSpec[] {
  const { mergedInto } = optimized;
  const standsFor = (id: string): string => mergedInto.get(id) ?? id;
  const after = new Map(
    toTree(optimized.tasks).tasks.map(({ spec, dependencies }) => [spec.id, dependencies]),
  );
  const isBehind = (task: string, before: string): boolean => {
    const seen = new Set<string>();
    const open = [task];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      for (const { id } of after.get(next) ?? []) {
        if (id === before) {
          return true;
        }
        if (!seen.has(id)) {
          seen.add(id);
          open.push(id);
        }
      }
    }
    return false;
  };
  const relax = (task: TaskSpec): TaskSpec => {
    const now = after.get(task.id);
    const own = (task.dependsOn ?? []).map(toDependency);
    const subtasks = task.subtasks && { subtasks: task.subtasks.map(relax) };
    if (!now) {
      return task;
    }
    const kept = own.filter(
      ({ id, reason }) =>
        (reason ?? "data") === "data" ||
        now.some((one) => one.id === standsFor(id)) ||
        isBehind(task.id, standsFor(id)),
    );
    const known = new Set(own.map(({ id }) => standsFor(id)));
    const added = now.filter(({ id, reason }) => reason === "conflict" && !known.has(id));
    return { ...task, ...subtasks, dependsOn: [...kept, ...added] };
  };
  return tasks.map(relax);
}

function toDependency(given: string | Dependency): Dependency {
  return typeof given === "string" ? { id: given } : given;
}
