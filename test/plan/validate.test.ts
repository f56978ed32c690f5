import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { GraphIssueCode } from "../../src/core/errors.ts";
import type { TaskSpec } from "../../src/core/goal.ts";
import { defineStep, InvalidGraphError } from "../../src/index.ts";
import { findIssues, type ValidateOptions, validate } from "../../src/plan/validate.ts";
import { rejection } from "../promises.ts";

const task = (id: string, more: Partial<TaskSpec> = {}): TaskSpec => ({ id, description: id, ...more });

async function issuesOf(tasks: readonly unknown[], options: ValidateOptions = {}) {
  return (await findIssues(tasks, options)).issues;
}

async function codesOf(tasks: readonly unknown[], options: ValidateOptions = {}): Promise<GraphIssueCode[]> {
  return (await issuesOf(tasks, options)).map((issue) => issue.code);
}

function chain(length: number): TaskSpec[] {
  return Array.from({ length }, (_, n) => task(`t${n}`, n === 0 ? {} : { dependsOn: [`t${n - 1}`] }));
}

function nest(depth: number): TaskSpec {
  let inner = task(`d${depth}`);
  for (let level = depth - 1; level >= 1; level--) {
    inner = task(`d${level}`, { subtasks: [inner] });
  }
  return inner;
}

describe("a graph with one problem", () => {
  const steps = {
    a: () => 1,
    search: defineStep({
      description: "",
      args: z.object({ q: z.string(), deep: z.object({ n: z.number() }).optional() }),
      execute: () => 1,
    }),
  };

  test.for<[GraphIssueCode, readonly unknown[], object]>([
    ["EMPTY_GRAPH", [], {}],
    ["DUPLICATE_ID", [task("a"), task("b", { step: "a", subtasks: [task("a")] })], { taskId: "a" }],
    ["EMPTY_ID", [{ description: "no id", step: "a" }], { taskId: "" }],
    ["INVALID_ID", [task("1st", { step: "a" })], { taskId: "1st" }],
    ["INVALID_ID", [task("run", { step: "a" })], { taskId: "run" }],
    ["INVALID_ID", [task("a/b", { step: "a" })], { taskId: "a/b" }],
    ["INVALID_ID", [task("x".repeat(129), { step: "a" })], {}],
    ["INVALID_TASK", [task("a"), "prose"], {}],
    ["INVALID_TASK", [{ id: "a", description: 7 }], { taskId: "a", path: "description" }],
    ["INVALID_TASK", [{ ...task("a"), dependsOn: "b" }], { taskId: "a", path: "dependsOn" }],
    ["INVALID_TASK", [{ ...task("a"), dependsOn: [7] }], { taskId: "a", path: "dependsOn" }],
    ["INVALID_TASK", [{ ...task("a"), maxAttempts: 0 }], { taskId: "a", path: "maxAttempts" }],
    ["INVALID_TASK", [{ ...task("a"), timeoutMs: Number.NaN }], { taskId: "a", path: "timeoutMs" }],
    ["INVALID_TASK", [{ ...task("a"), subtasks: {} }], { taskId: "a", path: "subtasks" }],
    ["INVALID_TASK", [{ ...task("a"), decompose: "yes" }], { taskId: "a", path: "decompose" }],
    ["INVALID_TASK", [{ ...task("a"), depends_on: [] }], { taskId: "a", path: "depends_on" }],
    ["SELF_DEPENDENCY", [task("a", { dependsOn: ["a"] })], { taskId: "a", path: "dependsOn[0]" }],
    ["SELF_DEPENDENCY", [task("a", { args: { x: { $ref: "a" } } })], { taskId: "a", path: "args.x" }],
    ["UNKNOWN_DEPENDENCY", [task("a", { dependsOn: ["b"] })], { taskId: "a", path: "dependsOn[0]" }],
    ["DANGLING_REF", [task("a", { args: [{ $ref: "b" }] })], { taskId: "a", path: "args.0" }],
    ["DANGLING_REF", [task("a", { args: { $ref: 7 } })], { taskId: "a", path: "args" }],
    ["DANGLING_REF", [task("a", { args: { $ref: "a2", default: 1 } }), task("a2", { step: "a" })], {}],
    ["UNKNOWN_STEP", [task("b")], { taskId: "b", path: "step" }],
    ["UNKNOWN_STEP", [task("b", { step: "toString" })], { taskId: "b", path: "step" }],
    ["INVALID_ARGS", [task("search", { args: { q: 7 } })], { taskId: "search", path: "args.q" }],
    ["INVALID_ARGS", [task("search")], { taskId: "search", path: "args.q" }],
    ["INVALID_ARGS", [task("a", { args: { n: 1n } })], { taskId: "a", path: "args" }],
  ])("%s is found at its place (case %#)", async ([code, tasks, place]) => {
    expect(await issuesOf(tasks, { steps })).toMatchObject([{ code, ...place }]);
  });

  test("every message says what was given", async () => {
    const [unknown] = await issuesOf([task("b")], { steps });
    expect(unknown?.message).toBe('task "b" needs step "b", which does not exist. There are: a, search.');
    const [word] = await issuesOf([{ ...task("a"), depends_on: [] }], { steps });
    expect(word?.message).toContain("it is called dependsOn");
  });
});

describe("a graph with many problems", () => {
  test("is refused with all of them at once", async () => {
    const tasks = [
      task("a", { dependsOn: ["c", "nowhere"] }),
      task("b", { dependsOn: ["a", "b"] }),
      task("c", { dependsOn: ["b"], args: { $ref: "nobody" } }),
      task("c"),
      task("", { step: "a" }),
      task("not ok", { step: "a" }),
      7,
      ...Array.from({ length: 12 }, (_, n) => task(`wide${n}`, { step: "a" })),
      nest(4),
    ];
    const options = { steps: { a: () => 1 }, limits: { maxDepth: 3, maxTasks: 20, maxWidth: 10 } };
    const error = await rejection<InvalidGraphError>(validate(tasks, options));
    expect(error).toBeInstanceOf(InvalidGraphError);
    const codes = error.issues.map((issue) => issue.code);
    expect(new Set(codes)).toEqual(
      new Set([
        "CYCLE",
        "DANGLING_REF",
        "DUPLICATE_ID",
        "EMPTY_ID",
        "INVALID_ID",
        "INVALID_TASK",
        "SELF_DEPENDENCY",
        "TOO_DEEP",
        "TOO_LARGE",
        "TOO_WIDE",
        "UNKNOWN_DEPENDENCY",
        "UNKNOWN_STEP",
      ]),
    );
    expect(codes.filter((code) => code === "UNKNOWN_STEP").length).toBeGreaterThanOrEqual(2);
    expect(error.message).toContain(`${codes.length} problems`);
  });
});

describe("references in args", () => {
  const steps = {
    make: () => 1,
    use: defineStep({
      description: "",
      args: z.object({
        n: z.number(),
        list: z.array(z.object({ text: z.string() })),
        flag: z.boolean(),
      }),
      execute: () => 1,
    }),
  };

  test("an issue at, above or below a reference is left for when it is bound", async () => {
    const ok = [
      { n: { $ref: "make" }, list: [], flag: true },
      { n: 1, list: { $ref: "make" }, flag: true },
      { n: 1, list: [{ text: { $ref: "make" } }], flag: true },
      { $ref: "make" },
    ];
    for (const args of ok) {
      expect(await issuesOf([task("make"), task("use", { args })], { steps })).toEqual([]);
    }
  });

  test("an issue beside a reference is found", async () => {
    const args = { n: { $ref: "make" }, list: [{ text: 1 }, { text: { $ref: "make" } }], flag: "no" };
    expect(await issuesOf([task("make"), task("use", { args })], { steps })).toMatchObject([
      { code: "INVALID_ARGS", path: "args.list.0.text" },
      { code: "INVALID_ARGS", path: "args.flag" },
    ]);
  });

  test("a reference makes a dependency: a cycle through it is found", async () => {
    const tasks = [task("a", { args: { $ref: "b" } }), task("b", { dependsOn: ["a"] })];
    expect(await codesOf(tasks)).toEqual(["CYCLE"]);
  });
});

describe("compound tasks", () => {
  test("need no step, and one that is named is reported as unused", async () => {
    const graph = await validate([task("box", { step: "b", subtasks: [task("a")] })], {
      steps: { a: () => 1 },
    });
    expect(graph.warnings).toMatchObject([{ code: "UNUSED_STEP", taskId: "box" }]);
  });

  test("cannot depend on what is in them, nor that on them", async () => {
    const outer = [task("box", { dependsOn: ["in"], subtasks: [task("in")] })];
    const inner = [task("box", { subtasks: [task("in", { dependsOn: ["box"] })] })];
    expect(await codesOf(outer)).toEqual(["CYCLE"]);
    expect(await codesOf(inner)).toEqual(["CYCLE"]);
  });

  test("are part of cycles that go through them", async () => {
    const tasks = [
      task("one", { subtasks: [task("one.a", { dependsOn: ["two"] })] }),
      task("two", { subtasks: [task("two.a", { dependsOn: ["one"] })] }),
    ];
    const [issue] = await issuesOf(tasks);
    expect(issue?.code).toBe("CYCLE");
    expect(new Set(issue?.cycle)).toEqual(new Set(["one", "one.a", "two", "two.a"]));
  });
});

describe("limits", () => {
  test("10,000 tasks are allowed, 10,001 are not", async () => {
    expect(await codesOf(chain(10_000))).toEqual([]);
    expect(await codesOf(chain(10_001))).toEqual(["TOO_LARGE"]);
  });

  test("maxDepth counts levels of nesting, not the length of chains", async () => {
    expect(await codesOf([nest(5)])).toEqual([]);
    expect(await codesOf([nest(6)])).toEqual(["TOO_DEEP"]);
    expect(await codesOf([nest(500)])).toEqual(["TOO_DEEP"]);
    expect(await codesOf([nest(3)], { limits: { maxDepth: 2 } })).toEqual(["TOO_DEEP"]);
  });

  test("the depth above a late graph counts", async () => {
    const within = { depth: 3, taken: new Set<string>(), finished: new Set<string>() };
    expect(await codesOf([nest(2)], { within })).toEqual([]);
    expect(await codesOf([nest(3)], { within })).toEqual(["TOO_DEEP"]);
  });

  test("maxWidth counts what could run at once", async () => {
    const layers = [0, 1, 2].flatMap((layer) =>
      [0, 1, 2, 3].map((n) =>
        task(`l${layer}.${n}`, { dependsOn: layer === 0 ? [] : [`l${layer - 1}.${n}`] }),
      ),
    );
    expect(await codesOf(layers, { limits: { maxWidth: 4 } })).toEqual([]);
    expect(await codesOf(layers, { limits: { maxWidth: 3 } })).toEqual(["TOO_WIDE"]);
  });

  test("a late graph can use finished tasks, and no taken ids", async () => {
    const within = { depth: 1, taken: new Set(["old"]), finished: new Set(["old"]) };
    expect(await codesOf([task("new", { dependsOn: ["old"], args: { $ref: "old" } })], { within })).toEqual(
      [],
    );
    expect(await codesOf([task("old")], { within })).toEqual(["DUPLICATE_ID"]);
  });
});

describe("large graphs", () => {
  test("10,000 tasks in 100 layers that all depend on the layer before are measured right", async () => {
    const layers = Array.from({ length: 100 }, (_, layer) =>
      Array.from({ length: 100 }, (_, n) =>
        task(`l${layer}.${n}`, {
          dependsOn: layer === 0 ? [] : Array.from({ length: 100 }, (_, m) => `l${layer - 1}.${m}`),
        }),
      ),
    );
    expect(await validate(layers.flat())).toMatchObject({ taskCount: 10_000, depth: 1, width: 100 });
  });

  test("a chain of 10,000 tasks is no problem for the stack, nor is a cycle of that length", async () => {
    expect(await validate(chain(10_000))).toMatchObject({ taskCount: 10_000, width: 1 });
    const [first, ...rest] = chain(10_000);
    const [issue] = await issuesOf([{ ...first, dependsOn: ["t9999"] }, ...rest]);
    expect(issue?.cycle).toHaveLength(10_001);
  });

  test("many more tasks than are allowed are refused, not choked on", async () => {
    expect(await codesOf(chain(200_000))).toEqual(["TOO_LARGE"]);
  });
});

describe("warnings", () => {
  test("name a task whose output nobody uses beside the one that joins the others", async () => {
    const tasks = [
      task("a"),
      task("b"),
      task("join", { dependsOn: ["a", "b"] }),
      task("dead"),
      task("side_effect", { effects: { writes: ["log"] } }),
    ];
    expect((await validate(tasks)).warnings).toMatchObject([{ code: "DEAD_TASK", taskId: "dead" }]);
  });

  test("are not made of graphs with several ends", async () => {
    expect((await validate([task("a"), task("b", { dependsOn: ["a"] }), task("c")])).warnings).toEqual([]);
  });
});

const ids = fc.integer({ min: 1, max: 25 });

/** Tasks with any dependencies among them, so cycles are common. */
const anyGraph = ids.chain((size) =>
  fc.tuple(...Array.from({ length: size }, () => fc.uniqueArray(fc.nat(size - 1), { maxLength: 3 }))),
);

function toTasks(dependencies: readonly (readonly number[])[]): TaskSpec[] {
  return dependencies.map((list, n) =>
    task(`t${n}`, { dependsOn: list.filter((before) => before !== n).map((before) => `t${before}`) }),
  );
}

describe("any graph", () => {
  test("is refused exactly if it has a cycle, and the cycle that is named is one", () => {
    return fc.assert(
      fc.asyncProperty(anyGraph, async (dependencies) => {
        const tasks = toTasks(dependencies);
        const byId = new Map(tasks.map((spec) => [spec.id, spec]));
        const issues = await issuesOf(tasks);
        expect(issues.length > 0).toBe(hasCycle(tasks));
        for (const { code, cycle = [] } of issues) {
          expect(code).toBe("CYCLE");
          expect(cycle.length).toBeGreaterThan(2);
          expect(cycle.at(0)).toBe(cycle.at(-1));
          expect(new Set(cycle).size).toBe(cycle.length - 1);
          for (const [index, id] of cycle.slice(1).entries()) {
            expect(byId.get(id)?.dependsOn).toContain(cycle[index]);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  test("keeps every task as it was given when it is valid", () => {
    return fc.assert(
      fc.asyncProperty(anyGraph, async (dependencies) => {
        const tasks = toTasks(dependencies.map((list, n) => list.filter((before) => before < n)));
        const graph = await validate(tasks);
        expect(graph.tasks).toEqual(tasks);
        expect(graph.taskCount).toBe(tasks.length);
        expect(graph.width).toBeGreaterThanOrEqual(1);
        expect(graph.width).toBeLessThanOrEqual(tasks.length);
      }),
    );
  });

  test("of any values whatever is checked without throwing anything but INVALID_GRAPH", () => {
    const value = fc.oneof(
      fc.anything(),
      fc.record(
        {
          id: fc.oneof(fc.constantFrom("a", "b", "run", ""), fc.anything()),
          description: fc.oneof(fc.string(), fc.anything()),
          dependsOn: fc.oneof(fc.array(fc.constantFrom("a", "b", "c")), fc.anything()),
          step: fc.oneof(fc.constantFrom("a", "toString"), fc.anything()),
          args: fc.oneof(fc.constant({ $ref: "a" }), fc.anything()),
          subtasks: fc.oneof(fc.array(fc.record({ id: fc.constantFrom("a", "d") })), fc.anything()),
          decompose: fc.anything(),
        },
        { requiredKeys: [] },
      ),
    );
    return fc.assert(
      fc.asyncProperty(fc.array(value, { maxLength: 6 }), async (values) => {
        const outcome = await validate(values, { steps: { a: () => 1 } }).catch((error: unknown) => error);
        expect(outcome instanceof InvalidGraphError || "taskCount" in (outcome as object)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

/** By removing tasks without dependencies until none is left, or none can be removed. */
function hasCycle(tasks: readonly TaskSpec[]): boolean {
  let left = [...tasks];
  for (;;) {
    const names = new Set(left.map((spec) => spec.id));
    const next = left.filter((spec) => (spec.dependsOn ?? []).some((before) => names.has(String(before))));
    if (next.length === left.length) {
      return next.length > 0;
    }
    left = next;
  }
}
