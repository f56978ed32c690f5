import { describe, expect, test } from "vitest";
import type { TaskSpec } from "../../src/core/goal.ts";
import { optimize } from "../../src/optimize/optimize.ts";
import { predict } from "../../src/optimize/predict.ts";
import { simulateGraph } from "../../src/optimize/simulate-graph.ts";
import { about, estimatesOf } from "./random-graph.ts";

const known = estimatesOf({ work: about(1000) });

describe("given a chain by order of tasks that declare what they touch", () => {
  const chain = (...touched: readonly { reads?: string[]; writes?: string[] }[]): TaskSpec[] =>
    touched.map((effects, index) => ({
      id: `t${index}`,
      description: "",
      step: "work",
      effects,
      ...(index > 0 && { dependsOn: [{ id: `t${index - 1}`, reason: "order" as const }] }),
    }));
  const edgesOf = (tasks: readonly TaskSpec[]): string[] =>
    tasks.flatMap(({ id, dependsOn = [] }) =>
      dependsOn.map((one) => `${typeof one === "string" ? one : one.id} > ${id}`),
    );

  test("only those that touch the same wait for each other", () => {
    const tasks = chain({ writes: ["x"] }, { writes: ["y"] }, { reads: ["x"] }, { reads: ["x", "y"] });
    const { graph, decisions } = optimize({ tasks }, known, { level: "advanced" });
    expect(edgesOf(graph.tasks)).toEqual(["t0 > t2", "t1 > t3", "t0 > t3"]);
    expect(decisions.filter(({ kind }) => kind === "drop_edge").length).toBe(3);
  });

  test("a task that says nothing of what it touches stays in its place", () => {
    const tasks = chain({ writes: ["x"] }, { writes: ["y"] }, {}).map(({ effects, ...task }, index) =>
      index === 1 ? task : { ...task, ...(effects && { effects }) },
    );
    expect(edgesOf(optimize({ tasks }, known, { level: "advanced" }).graph.tasks)).toEqual([
      "t0 > t1",
      "t1 > t2",
    ]);
  });

  test("a task that a person approves stays in its place", () => {
    const tasks = chain({}, {}).map((task) => ({ ...task, approval: true }));
    expect(edgesOf(optimize({ tasks }, known, { level: "advanced" }).graph.tasks)).toEqual(["t0 > t1"]);
  });

  test("basic drops nothing that is not implied", () => {
    expect(edgesOf(optimize({ tasks: chain({}, {}) }, known).graph.tasks)).toEqual(["t0 > t1"]);
  });
});

describe("given two tasks that do the same and touch nothing", () => {
  const pure = (id: string, args: unknown = { q: 1 }): TaskSpec => ({
    id,
    description: id,
    step: "work",
    args,
    effects: {},
  });
  const last: TaskSpec = { id: "last", description: "", step: "end", args: { of: { $ref: "b" } } };

  test("one stands for the other, in references, too", () => {
    const { graph } = optimize({ tasks: [pure("a"), pure("b"), last] }, known);
    expect(graph.tasks.map(({ id }) => id)).toEqual(["a", "last"]);
    expect(graph.tasks[1]?.args).toEqual({ of: { $ref: "a" } });
    expect([...graph.mergedInto]).toEqual([["b", "a"]]);
  });

  test("other args, effects that nobody declared, or a caller that cannot do it keep both", () => {
    const count = (tasks: readonly TaskSpec[], merge = true): number =>
      optimize({ tasks: [...tasks, last] }, known, { merge }).graph.tasks.length;
    const { effects: _, ...undeclared } = pure("b");
    expect(count([pure("a"), pure("b", { q: 2 })])).toBe(3);
    expect(count([pure("a"), undeclared])).toBe(3);
    expect(count([pure("a"), pure("b")], false)).toBe(3);
  });
});

describe("given a model that is cheaper and slower", () => {
  const candidates = (quality: number) => [
    { provider: "p", model: "big", isDefault: true, costUsd: 0.1, meanMs: 1000, quality: 0.97, samples: 500 },
    { provider: "p", model: "small", costUsd: 0.01, meanMs: 1400, quality, samples: 500 },
  ];
  const tasks: TaskSpec[] = [
    { id: "ask", description: "", step: "ask" },
    { id: "slow", description: "", step: "slow" },
    { id: "after", description: "", step: "ask", dependsOn: ["slow"] },
  ];
  const chosen = (quality: number): string[] => {
    const { graph } = optimize({ tasks }, estimatesOf({ ask: about(1000), slow: about(5000) }), {
      level: "advanced",
      stepInfo: (step) => ({ usesModel: step === "ask" }),
      models: (step) => (step === "ask" ? candidates(quality) : []),
    });
    return [...graph.hints].filter(([, { model }]) => model).map(([id]) => id);
  };

  test("a task off the critical path asks it", () => {
    expect(chosen(0.96)).toEqual(["ask"]);
  });

  test("no task asks it if its answers are below the floor", () => {
    expect(chosen(0.85)).toEqual([]);
  });
});

describe("given a graph and run times", () => {
  const tasks: TaskSpec[] = [
    { id: "a", description: "", step: "work" },
    {
      id: "group",
      description: "",
      subtasks: [{ id: "b", description: "", step: "work" }],
      dependsOn: ["a"],
    },
    { id: "c", description: "", step: "work", dependsOn: ["group"] },
  ];

  test("a simulated run passes compound tasks at once, and pays for every hand-out", () => {
    const timesMs = new Map([
      ["a", 10],
      ["b", 20],
      ["c", 30],
    ]);
    expect(simulateGraph({ tasks }, { timesMs, slots: 2, overheadMs: 1 })).toEqual({
      makespanMs: 63,
      boundMs: 60,
      workMs: 60,
      criticalPathMs: 60,
    });
  });

  test("a prediction tells duration, critical path and cost", () => {
    const priced = estimatesOf({ work: { ...about(1000), costUsd: 0.5 } });
    const { durationMs, criticalPath, costUsd, tasks: counts } = predict({ tasks }, priced);
    expect(durationMs.p50Ms).toBeGreaterThan(2500);
    expect(durationMs.p95Ms).toBeGreaterThan(durationMs.p50Ms);
    expect(criticalPath).toEqual({ lengthMs: 3000, tasks: ["a", "b", "c"] });
    expect(costUsd.low).toBeLessThan(costUsd.expected);
    expect(costUsd.expected).toBeCloseTo(1.5, 0);
    expect(counts).toEqual({ count: 3, unknown: 0, unpriced: 0 });
  });
});
