import { expect, test } from "vitest";
import { GOALS } from "../../evals/decomposition/goals.ts";
import {
  edgeF1,
  longestWay,
  nodeF1,
  parallelism,
  stepCoverage,
  toStepGraph,
} from "../../evals/decomposition/graph-scores.ts";
import { TOOLSETS } from "../../evals/decomposition/toolsets.ts";
import { runEval, toTable } from "../../evals/harness/define-eval.ts";
import type { StepMap } from "../../src/index.ts";
import { validate } from "../../src/plan/validate.ts";

const task = (id: string, dependsOn: string[] = [], args?: unknown) => ({
  id,
  description: id,
  dependsOn,
  ...(args !== undefined && { args }),
});

test("every gold plan is one that can run, and scores 1 against itself", async () => {
  expect(GOALS.length).toBeGreaterThanOrEqual(15);
  for (const { gold, toolset, name } of GOALS) {
    await validate(gold, { steps: TOOLSETS[toolset] as unknown as StepMap });
    const graph = toStepGraph(gold);
    for (const score of [nodeF1, edgeF1, stepCoverage, parallelism]) {
      expect(score(graph, graph), name).toBe(1);
    }
  }
});

test("a missing and an additional task cost node F1, a missing step coverage", () => {
  const gold = toStepGraph([task("a"), task("b"), task("c")]);
  expect(nodeF1(gold, toStepGraph([task("a"), task("b")]))).toBeCloseTo(0.8);
  expect(nodeF1(gold, toStepGraph([task("a"), task("b"), task("c"), task("d")]))).toBeCloseTo(6 / 7);
  expect(stepCoverage(gold, toStepGraph([task("a"), task("b")]))).toBeCloseTo(2 / 3);
});

test("edges count by the steps at their ends, references and groups included, those that follow from others do not", () => {
  const chain = toStepGraph([task("a"), task("b", ["a"]), task("c", ["b"])]);
  expect(edgeF1(chain, toStepGraph([task("a"), task("b", ["a"]), task("c", ["b", "a"])]))).toBe(1);
  expect(edgeF1(chain, toStepGraph([task("a"), task("b", [], [{ $ref: "a" }]), task("c")]))).toBeCloseTo(
    2 / 3,
  );
  expect(edgeF1(chain, toStepGraph([task("a"), task("b"), task("c")]))).toBe(0);
  const group = toStepGraph([task("a"), { ...task("g", ["a"]), subtasks: [task("b"), task("c", ["b"])] }]);
  expect(edgeF1(chain, group)).toBe(1);
});

test("false order makes a plan long", () => {
  const wide = toStepGraph([task("a"), task("b"), task("c")]);
  const chain = toStepGraph([task("a"), task("b", ["a"]), task("c", ["b"])]);
  expect(longestWay(chain)).toBe(3);
  expect(parallelism(wide, chain)).toBeCloseTo(1 / 3);
  expect(parallelism(chain, wide)).toBe(1);
});

test("an eval scores every item, and means leave out what says nothing", async () => {
  const report = await runEval({
    name: "numbers",
    data: [
      { name: "one", n: 1 },
      { name: "two", n: 2 },
    ],
    task: async ({ n }) => n,
    scorers: { half: (_, n) => n / 2, odd: (_, n) => (n % 2 === 1 ? 1 : undefined) },
    thresholds: { half: 0.5 },
  });
  expect(report.means).toEqual({ half: 0.75, odd: 1 });
  expect(report.items[1]).toEqual({ name: "two", scores: { half: 1, odd: undefined } });
  expect(toTable(report)).toContain("mean");
});
