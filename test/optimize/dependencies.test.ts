import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { TaskSpec } from "../../src/core/goal.ts";
import type { OptimizedGraph, OptimizeLevel } from "../../src/core/optimizer.ts";
import { type TaskTree, toTree } from "../../src/core/task-tree.ts";
import { optimize } from "../../src/optimize/optimize.ts";
import { toWorkGraph } from "../../src/optimize/work-graph.ts";
import { validate } from "../../src/plan/validate.ts";
import { about, anyGraph, estimatesOf } from "./random-graph.ts";

const levels: readonly OptimizeLevel[] = ["basic", "advanced", "aggressive"];
const estimates = estimatesOf({ s0: about(100), s1: about(2000), s2: about(30_000) });

/** The search of "aggressive" simulates some hundred runs of each graph. */
const runsAt = (level: OptimizeLevel): number => (level === "aggressive" ? 25 : 100);

describe.each(levels)("given any graph at level %s", (level) => {
  const numRuns = runsAt(level);
  const optimized = (tasks: readonly TaskSpec[]): OptimizedGraph =>
    optimize({ tasks }, estimates, { level, slots: 2, margin: 0 }).graph;

  test("data dependencies and references stay exactly as they are", () => {
    fc.assert(
      fc.property(anyGraph, (tasks) => {
        const { tasks: after, mergedInto } = optimized(tasks);
        const [one, other] = [toTree(tasks), toTree(after)];
        for (const { spec, dependencies } of one.tasks) {
          const index = other.byId.get(spec.id);
          if (index === undefined) {
            expect(mergedInto.has(spec.id)).toBe(true);
            continue;
          }
          const data = dependencies.filter(({ reason }) => reason === "data");
          const kept = other.tasks[index]?.dependencies.filter(({ reason }) => reason === "data");
          const expected = data.map(({ id, ...rest }) => ({ id: mergedInto.get(id) ?? id, ...rest }));
          expect(kept?.map(({ id }) => id).toSorted()).toEqual(
            [...new Set(expected.map(({ id }) => id))].toSorted(),
          );
        }
      }),
      { numRuns },
    );
  });

  test("tasks that may touch the same keep their order, and nothing new is ordered", () => {
    fc.assert(
      fc.property(anyGraph, (tasks) => {
        const { tasks: after, mergedInto } = optimized(tasks);
        const [before, now] = [closureOf(tasks), closureOf(after)];
        for (const [from, to] of before.pairs) {
          const [a, b] = [mergedInto.get(from) ?? from, mergedInto.get(to) ?? to];
          if (clash(before.tree, from, to) && a !== b && !mergedInto.has(from) && !mergedInto.has(to)) {
            expect(now.has(a, b), `${from} before ${to}`).toBe(true);
          }
        }
        for (const [from, to] of mergedInto.size === 0 ? now.pairs : []) {
          expect(before.has(from, to), `${from} was not before ${to}`).toBe(true);
        }
      }),
      { numRuns },
    );
  });

  test("the result is a valid graph with a rank for every task that does work", async () => {
    await fc.assert(
      fc.asyncProperty(anyGraph, async (tasks) => {
        const { tasks: after, hints } = optimized(tasks);
        const valid = await validate(after);
        const leaves = toTree(valid.tasks).tasks.filter(({ spec }) => !spec.subtasks);
        expect([...hints.keys()].toSorted()).toEqual(leaves.map(({ spec }) => spec.id).toSorted());
        // A searched order is only simulated: ranks matter between tasks that are ready at once.
        for (const { spec, dependencies } of level === "aggressive" ? [] : leaves) {
          for (const { id } of dependencies) {
            const [first, second] = [hints.get(id)?.rank, hints.get(spec.id)?.rank];
            expect(first ?? Number.POSITIVE_INFINITY).toBeGreaterThan(second ?? 0);
          }
        }
      }),
      { numRuns },
    );
  });

  test("the outputs that a compound task holds stay the same", () => {
    fc.assert(
      fc.property(anyGraph, (tasks) => {
        expect(leavesInside(optimized(tasks).tasks)).toEqual(leavesInside(tasks));
      }),
      { numRuns },
    );
  });
});

test("of a data dependency and an order that lead to one task once tasks are merged, the data stays", () => {
  const pure = { description: "", step: "s0", args: {}, effects: {} };
  const tasks: TaskSpec[] = [
    { id: "one", ...pure },
    { id: "same", ...pure },
    {
      id: "after",
      description: "",
      step: "s1",
      dependsOn: [
        { id: "same", reason: "order", optional: true },
        { id: "one", reason: "data" },
      ],
    },
  ];
  const { graph } = optimize({ tasks }, estimates);
  expect(graph.tasks.at(-1)?.dependsOn).toEqual([{ id: "one", reason: "data", optional: false }]);
});

/** Who is before whom, of the tasks that do work. */
function closureOf(tasks: readonly TaskSpec[]): {
  readonly tree: TaskTree;
  readonly pairs: readonly (readonly [string, string])[];
  has(from: string, to: string): boolean;
} {
  const tree = toTree(tasks);
  const graph = toWorkGraph(tree);
  const idOf = (node: number): string | undefined => tree.tasks[graph.taskOf[node] ?? -1]?.spec.id;
  const before = Array.from({ length: graph.size }, () => new Set<string>());
  for (const node of graph.order) {
    const id = idOf(node);
    for (let arc = graph.offsets[node] ?? 0; arc < (graph.offsets[node + 1] ?? 0); arc++) {
      const target = before[graph.targets[arc] ?? -1];
      for (const other of [...(before[node] ?? []), ...(id === undefined ? [] : [id])]) {
        target?.add(other);
      }
    }
  }
  const pairs = before.flatMap((others, node) => {
    const to = idOf(node);
    return to === undefined ? [] : [...others].map((from) => [from, to] as const);
  });
  const keys = new Set(pairs.map(([from, to]) => `${from} ${to}`));
  return { tree, pairs, has: (from, to) => keys.has(`${from} ${to}`) };
}

function clash(tree: TaskTree, one: string, other: string): boolean {
  const [a, b] = [one, other].map((id) => tree.tasks[tree.byId.get(id) ?? -1]?.spec.effects);
  if (!a || !b) {
    return true;
  }
  const touches = (writer: typeof a, toucher: typeof a): boolean =>
    (writer.writes ?? []).some((name) =>
      [...(toucher.reads ?? []), ...(toucher.writes ?? [])].includes(name),
    );
  return touches(a, b) || touches(b, a);
}

function leavesInside(tasks: readonly TaskSpec[]): string[] {
  const tree = toTree(tasks);
  const inside = (index: number): boolean => (tree.tasks[index]?.parent ?? -1) >= 0;
  const waitedFor = new Set(
    tree.tasks.flatMap(({ dependencies }, index) => (inside(index) ? dependencies.map(({ id }) => id) : [])),
  );
  return tree.tasks
    .filter(({ spec }, index) => inside(index) && !waitedFor.has(spec.id))
    .map(({ spec }) => spec.id);
}
