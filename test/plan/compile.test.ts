import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { TaskSpec } from "../../src/core/goal.ts";
import { hopRanks, type Shape } from "../../src/core/shape.ts";
import { sortTopologically } from "../../src/core/topology.ts";
import { compileGraph, type PlanPlace } from "../../src/plan/compile.ts";
import { validate } from "../../src/plan/validate.ts";
import { anyTree } from "../random-plan.ts";

const TOP: PlanPlace = { position: 0, join: 1, depth: 0 };
const LATE: PlanPlace = { position: 7, join: 9, depth: 2, parent: "late" };

/** Successors with the plan node and the join as two more nodes behind the shape's own. */
function successorsOf(shape: Shape, place: PlanPlace): number[][] {
  const count = shape.nodes.length;
  const indexOf = (position: number): number =>
    position >= 0 ? position : -1 - position === place.position ? count : count + 1;
  const successors: number[][] = Array.from({ length: count + 2 }, () => []);
  for (const { src, dst } of shape.edges) {
    successors[indexOf(src)]?.push(indexOf(dst));
  }
  return successors;
}

function reach(successors: readonly (readonly number[])[], from: number): Set<number> {
  const seen = new Set<number>();
  const open = [from];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (!seen.has(next)) {
      seen.add(next);
      open.push(...(successors[next] ?? []));
    }
  }
  return seen;
}

function reversed(successors: readonly (readonly number[])[]): number[][] {
  const result: number[][] = successors.map(() => []);
  for (const [src, targets] of successors.entries()) {
    for (const dst of targets) {
      result[dst]?.push(src);
    }
  }
  return result;
}

describe.each([
  ["a goal's graph", TOP],
  ["a graph made late", LATE],
])("any compiled graph: %s", (_, place) => {
  const compiled = async (tasks: readonly TaskSpec[]): Promise<Shape> =>
    compileGraph(await validate(tasks), place);

  test("has edges without cycles, each pair of nodes joined once", () =>
    fc.assert(
      fc.asyncProperty(anyTree, async (tasks) => {
        const shape = await compiled(tasks);
        expect(sortTopologically(successorsOf(shape, place)).cycle).toBeUndefined();
        const pairs = shape.edges.map(({ src, dst }) => `${src}>${dst}`);
        expect(new Set(pairs).size).toBe(pairs.length);
      }),
    ));

  test("counts for every node the edges that lead into it", () =>
    fc.assert(
      fc.asyncProperty(anyTree, async (tasks) => {
        const shape = await compiled(tasks);
        for (const [index, node] of shape.nodes.entries()) {
          expect(node.dependencies).toBe(shape.edges.filter((edge) => edge.dst === index).length);
          expect(node.dependencies).toBeGreaterThan(0);
        }
      }),
    ));

  test("starts every node after the plan node, and ends every one before the join", () =>
    fc.assert(
      fc.asyncProperty(anyTree, async (tasks) => {
        const shape = await compiled(tasks);
        const successors = successorsOf(shape, place);
        const count = shape.nodes.length;
        expect(reach(successors, count).size).toBe(count + 2);
        expect(reach(reversed(successors), count + 1).size).toBe(count + 2);
      }),
    ));

  test("has a node for each task, and lets each begin only after what it and its surroundings wait for", () =>
    fc.assert(
      fc.asyncProperty(anyTree, async (tasks) => {
        const shape = await compiled(tasks);
        const positions = new Map(shape.nodes.map((node, index) => [node.name, index]));
        const before = reversed(successorsOf(shape, place));
        const check = (specs: readonly TaskSpec[], waitsFor: readonly string[]): void => {
          for (const spec of specs) {
            const all = [...waitsFor, ...(spec.dependsOn ?? []).map(String)];
            const start = spec.decompose ? `/plan/${spec.id}` : spec.id;
            expect(positions.has(spec.id)).toBe(true);
            const earlier = reach(before, positions.get(start) ?? -1);
            for (const id of all) {
              expect(earlier.has(positions.get(id) ?? -1)).toBe(true);
            }
            check(spec.subtasks ?? [], all);
          }
        };
        check(tasks, []);
      }),
    ));

  test("ranks every node above what comes after it", () =>
    fc.assert(
      fc.asyncProperty(anyTree, async (tasks) => {
        const shape = await compiled(tasks);
        for (const { src, dst } of shape.edges) {
          if (src >= 0 && dst >= 0) {
            expect(shape.nodes[src]?.rank).toBeGreaterThan(shape.nodes[dst]?.rank ?? Number.NaN);
          }
        }
      }),
    ));
});

describe("compiling", () => {
  test("is linear in edges: 10,000 tasks behind a compound one need one gate", async () => {
    const subtasks = Array.from({ length: 4999 }, (_, n) => ({ id: `in${n}`, description: "" }));
    const roots = Array.from({ length: 5000 }, (_, n) => ({ id: `root${n}`, description: "" }));
    const box = { id: "box", description: "", dependsOn: roots.map((root) => root.id), subtasks };
    const shape = compileGraph(await validate([...roots, box]), TOP);
    expect(shape.nodes).toHaveLength(10_001);
    expect(shape.edges.length).toBeLessThan(21_000);
  });

  test("a chain of 10,000 tasks does not overflow the stack", async () => {
    const chain = Array.from({ length: 10_000 }, (_, n) => ({
      id: `t${n}`,
      description: "",
      ...(n > 0 && { dependsOn: [`t${n - 1}`] }),
    }));
    const shape = compileGraph(await validate(chain), TOP);
    expect(shape.nodes[0]?.rank).toBe(9999);
    expect(hopRanks(shape.nodes.length, shape.edges)[9999]).toBe(0);
  });

  test("keeps what a task says of itself with its node", async () => {
    const task = {
      id: "a",
      description: "does it",
      step: "work",
      args: { n: [1] },
      maxAttempts: 2,
      timeoutMs: 50,
    };
    const { nodes } = compileGraph(await validate([task]), LATE);
    expect(nodes).toMatchObject([
      {
        name: "a",
        kind: "step",
        spec: {
          description: "does it",
          step: "work",
          args: { n: [1] },
          maxAttempts: 2,
          timeoutMs: 50,
          depth: 3,
          parent: "late",
        },
      },
    ]);
  });
});
