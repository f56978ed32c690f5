import type { TaskSpec } from "goalpost";

/** A plan as it is compared: which steps, how often, and which of them wait for which. */
export interface StepGraph {
  /** The step of each task. */
  readonly steps: readonly string[];
  /** Pairs of indexes: the second waits for the first. */
  readonly edges: readonly (readonly [number, number])[];
}

/** Reads a plan, subtasks at any level; dependencies on a group count for each task in it. */
export function toStepGraph(tasks: readonly TaskSpec[]): StepGraph {
  const leaves: TaskSpec[] = [];
  const leavesOf = new Map<string, number[]>();
  const waits: { readonly task: TaskSpec; readonly inside: readonly number[] }[] = [];
  const read = (task: TaskSpec): number[] => {
    const inside = task.subtasks?.length ? task.subtasks.flatMap(read) : [leaves.push(task) - 1];
    leavesOf.set(task.id, inside);
    waits.push({ task, inside });
    return inside;
  };
  for (const task of tasks) {
    read(task);
  }
  const edges = waits.flatMap(({ task, inside }) =>
    dependenciesOf(task).flatMap((id) =>
      (leavesOf.get(id) ?? []).flatMap((from) => inside.map((to) => [from, to] as const)),
    ),
  );
  return { steps: leaves.map((leaf) => leaf.step ?? leaf.id), edges: unique(edges) };
}

function dependenciesOf(task: TaskSpec): string[] {
  const declared = (task.dependsOn ?? []).map((edge) => (typeof edge === "string" ? edge : edge.id));
  return [...new Set([...declared, ...refsIn(task.args), ...(task.map ? [task.map.over] : [])])];
}

function refsIn(value: unknown): string[] {
  if (typeof value !== "object" || value === null) {
    return [];
  }
  return "$ref" in value ? [String(value.$ref)] : Object.values(value).flatMap(refsIn);
}

function unique(edges: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  return [...new Map(edges.map((edge) => [edge.join(">"), edge])).values()];
}

/** F1 of the steps that a plan uses, each as often as it is used. */
export function nodeF1(gold: StepGraph, made: StepGraph): number {
  return f1(gold.steps, made.steps);
}

/**
 * F1 of the edges, each by the steps at its ends. What must come before what is compared, not how it is drawn: edges
 * that follow from others are left out of both.
 */
export function edgeF1(gold: StepGraph, made: StepGraph): number {
  const named = (graph: StepGraph): string[] =>
    reduce(graph).map(([from, to]) => `${graph.steps[from]} → ${graph.steps[to]}`);
  return f1(named(gold), named(made));
}

/** Of the steps that the gold plan uses, how many the plan uses. */
export function stepCoverage(gold: StepGraph, made: StepGraph): number {
  const wanted = new Set(gold.steps);
  return wanted.size === 0 ? 1 : [...wanted].filter((step) => made.steps.includes(step)).length / wanted.size;
}

/** How short the longest way through the plan is: the gold plan's by its own, at most 1. False order makes it small. */
export function parallelism(gold: StepGraph, made: StepGraph): number {
  const length = longestWay(made);
  return length === 0 ? 0 : Math.min(1, longestWay(gold) / length);
}

/** Tasks on the longest way; 0 for none, or a cycle. */
export function longestWay({ steps, edges }: StepGraph): number {
  const levels = steps.map(() => 1);
  for (let round = 0; round <= steps.length; round++) {
    let changed = false;
    for (const [from, to] of edges) {
      const level = (levels[from] ?? 0) + 1;
      if (level > (levels[to] ?? 0)) {
        levels[to] = level;
        changed = true;
      }
    }
    if (!changed) {
      return Math.max(0, ...levels);
    }
  }
  return 0;
}

/** F1 of two lists in which each element counts as often as it is there. Two empty lists are alike. */
function f1(gold: readonly string[], made: readonly string[]): number {
  if (gold.length === 0 && made.length === 0) {
    return 1;
  }
  const left = new Map<string, number>();
  for (const one of gold) {
    left.set(one, (left.get(one) ?? 0) + 1);
  }
  let hits = 0;
  for (const one of made) {
    const count = left.get(one) ?? 0;
    if (count > 0) {
      hits += 1;
      left.set(one, count - 1);
    }
  }
  return (2 * hits) / (gold.length + made.length);
}

/** Without the edges that a longer way says already. */
function reduce({ steps, edges }: StepGraph): (readonly [number, number])[] {
  const next = steps.map((_, node) => edges.filter(([from]) => from === node).map(([, to]) => to));
  const reaches = (from: number, to: number): boolean => {
    const seen = new Set<number>();
    const open = (next[from] ?? []).filter((node) => node !== to);
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      if (node === to) {
        return true;
      }
      if (!seen.has(node)) {
        seen.add(node);
        open.push(...(next[node] ?? []));
      }
    }
    return false;
  };
  return edges.filter(([from, to]) => !reaches(from, to));
}
