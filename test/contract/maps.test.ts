import { expect, test } from "vitest";
import { type Workflow, workflow } from "../../src/index.ts";
import { rejection } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

describeOnEachBackend("maps", (backend) => {
  const run = async <I, O>(w: Workflow<I, O>, input: NoInfer<I>): Promise<O> => {
    const t = await backend.client();
    const handle = await t.gp.start(w, input);
    await t.settle();
    return (await handle.result()).output;
  };

  test("a map over the run's input gives its outputs in the order of the elements", async () => {
    const w = workflow<number[]>("squares").map("square", (n) => n * n);
    expect(await run(w, [3, 1, 2])).toEqual({ square: [9, 1, 4] });
  });

  test("items are given their elements as they are, whatever they hold", async () => {
    const elements = [null, "", 0, false, { a: [1, { b: "\u0000\ud800" }] }, [[]], "ü", 1e21, null];
    const w = workflow<unknown[]>("echo_all").map("echo", (item) => item as string);
    expect(await run(w, elements)).toEqual({ echo: elements });
  });

  test("a map over a dependency's output feeds its outputs to its dependents as one array", async () => {
    const w = workflow<{ n: number }>("fan")
      .step("make", ({ run: { n } }) => Array.from({ length: n }, (_, i) => i))
      .map("double", { over: "make" }, (n) => n * 2)
      .step("sum", { after: ["double"] }, ({ double }) => double.reduce((a, b) => a + b, 0));
    expect(await run(w, { n: 10 })).toEqual({ sum: 90 });
  });

  test("a map over a map is expanded when the first one is complete", async () => {
    const w = workflow<number[]>("chain")
      .map("a", (n) => n + 1)
      .map("b", { over: "a" }, (n) => n * 10)
      .map("c", { over: "b" }, (n) => `${n}`);
    expect(await run(w, [1, 2, 3])).toEqual({ c: ["20", "30", "40"] });
  });

  test("an empty map completes at once, and so do those behind it, to any depth", async () => {
    const first = workflow<number[]>("empties").map("m0", (n) => n);
    const w = Array.from({ length: 30 }, (_, i) => i + 1).reduce(
      (chain, depth) =>
        chain.map(
          `m${depth}` as "m1",
          { over: `m${depth - 1}` as "m0" },
          (n) => n,
        ) as unknown as typeof first,
      first,
    );
    const t = await backend.client();
    const handle = await t.gp.start(w, []);
    const record = await t.gp.runs.get(handle.runId);
    expect(record).toMatchObject({ status: "completed", output: { m30: [] } });
    expect(record.tasks.every((task) => task.status === "completed")).toBe(true);
  });

  test("ctx tells an item its index and the outputs of the other dependencies", async () => {
    const seen: unknown[] = [];
    const w = workflow<{ list: string[]; tag: string }>("context")
      .step("list", ({ run: { list } }) => list)
      .step("tag", ({ run: { tag } }) => tag)
      .map("use", { over: "list", after: ["tag"] }, (item, ctx) => {
        seen.push([ctx.index, item, ctx.input]);
        return 0;
      });
    const input = { list: ["a", "b"], tag: "x" };
    await run(w, input);
    expect(seen.sort()).toEqual([
      [0, "a", { run: input, tag: "x" }],
      [1, "b", { run: input, tag: "x" }],
    ]);
  });

  test("an item is retried by itself", async () => {
    const tries: number[] = [];
    const w = workflow<number[]>("retried").map(
      "flaky",
      { maxAttempts: 2, retry: { baseMs: 1000, jitter: false } },
      (n, ctx) => {
        tries.push(n);
        if (n === 2 && ctx.attempt === 1) {
          throw new Error("once");
        }
        return n;
      },
    );
    const t = await backend.client();
    const handle = await t.gp.start(w, [1, 2, 3]);
    await t.settle();
    expect((await handle.progress()).status).toBe("running");
    t.clock.advance(1000);
    await t.settle();
    expect((await handle.result()).output).toEqual({ flaky: [1, 2, 3] });
    expect(tries.sort()).toEqual([1, 2, 2, 3]);
  });

  test("an item that fails for good fails the run and stops the others", async () => {
    const w = workflow<number[]>("doomed").map("each", { maxAttempts: 1, concurrency: 1 }, (n) => {
      if (n === 2) {
        throw new Error("no 2");
      }
      return n;
    });
    const t = await backend.client();
    const handle = await t.gp.start(w, [1, 2, 3, 4]);
    await t.settle();
    expect(await rejection(handle.result())).toMatchObject({
      code: "RUN_FAILED",
      failedTask: { id: "each", attempt: 1 },
    });
    expect(await backend.countByStatus(handle.runId)).toEqual({ completed: 1, failed: 1, cancelled: 4 });
  });

  test.each([1, 3])("never more than `concurrency` items are under way: %i", async (concurrency) => {
    let now = 0;
    let most = 0;
    const order: number[] = [];
    const w = workflow<number[]>("narrow").map("each", { concurrency }, async (n) => {
      most = Math.max(most, ++now);
      order.push(n);
      await new Promise(setImmediate);
      now -= 1;
      return n;
    });
    const items = Array.from({ length: 20 }, (_, i) => i);
    expect(await run(w, items)).toEqual({ each: items });
    expect(most).toBe(concurrency);
    expect(order).toHaveLength(20);
  });

  test.each([
    ["null", null],
    ["text", "[1]"],
    ["object", { list: [1] }],
    ["number", 7],
    ["boolean", true],
  ])("a run's input that is no array is refused at the start with TYPE_VIOLATION: %s", async (_, input) => {
    const t = await backend.client();
    const w = workflow<number[]>("strict").map("each", (n) => n);
    expect(await rejection(t.gp.start(w, input as never))).toMatchObject({ code: "TYPE_VIOLATION" });
    expect(await t.gp.runs.list({ workflow: "strict" })).toEqual([]);
  });

  test.each([
    ["null", null],
    ["an object", { a: [] }],
    ["a text", "[]"],
    ["nothing", undefined],
  ])(
    "a dependency's output that is no array fails the run with TYPE_VIOLATION, whatever the policies say: %s",
    async (_, output) => {
      const t = await backend.client();
      const w = workflow("violation")
        .step("make", () => output as never as number[])
        .map("each", { over: "make", onSkip: "continue", onExhausted: "continue" }, (n) => n)
        .step("other", () => 1);
      const handle = await t.gp.start(w, null);
      await t.settle();
      expect(await rejection(handle.result())).toMatchObject({
        code: "RUN_FAILED",
        failedTask: { id: "each" },
        cause: { code: "TYPE_VIOLATION" },
      });
      const { tasks } = await t.gp.runs.get(handle.runId);
      expect(tasks.find((task) => task.id === "make")).toMatchObject({
        status: "completed",
        output: output ?? null,
      });
      expect(tasks.find((task) => task.id === "each")).toMatchObject({ status: "failed" });
    },
  );

  test("several maps over one input are each given all of it", async () => {
    const w = workflow<number[]>("twice")
      .map("a", (n) => n + 1)
      .map("b", (n) => n * 2)
      .step("both", { after: ["a", "b"] }, ({ a, b }) => [a, b]);
    expect(await run(w, [1, 2])).toEqual({
      both: [
        [2, 3],
        [2, 4],
      ],
    });
  });

  test("a thousand items are stored once each and come back in order", async () => {
    const items = Array.from({ length: 1000 }, (_, i) => ({ id: i }));
    const w = workflow<{ id: number }[]>("many").map("each", ({ id }) => id);
    const t = await backend.client({ workers: { concurrency: 200 } });
    const handle = await t.gp.start(w, items);
    await t.settle();
    expect((await handle.result()).output.each).toEqual(items.map(({ id }) => id));
    const [count] = await backend.query<{ n: number }>(
      "select count(*)::int as n from goalpost.tasks where run_id = $1::uuid and item >= 0",
      [handle.runId],
    );
    expect(count?.n).toBe(1000);
  });

  test("a map in a goal does its task for every element", async () => {
    const t = await backend.client();
    const handle = await t.gp.startGoal(
      "greet all",
      () => [
        { id: "names", description: "list the names" },
        {
          id: "greet",
          description: "greet each",
          step: "say",
          map: { over: "names", concurrency: 2 },
          args: { to: { $ref: "names", path: "first" } },
        },
        { id: "join", description: "join", dependsOn: ["greet"] },
      ],
      {
        names: () => [{ first: "Ada" }, { first: "Bob" }, { first: "Cy" }],
        say: (input, ctx) => `${ctx.index}:${ctx.args.to}:${input.names.first}`,
        join: ({ greet }) => greet.join(" "),
      },
    );
    await t.settle();
    expect((await handle.result()).output).toEqual({ join: "0:Ada:Ada 1:Bob:Bob 2:Cy:Cy" });
  });

  test("a decomposed task can map over what was finished before it", async () => {
    const t = await backend.client();
    const handle = await t.gp.startGoal(
      "late",
      (_goal, ctx) =>
        ctx.task
          ? [{ id: "inc", description: "add one", map: { over: "list" } }]
          : [
              { id: "list", description: "list" },
              { id: "late", description: "later", dependsOn: ["list"], decompose: true },
            ],
      { list: () => [1, 2], inc: ({ list }) => list + 1 },
    );
    await t.settle();
    expect((await handle.result()).output).toEqual({ late: { inc: [2, 3] } });
  });

  test.each([
    [{ over: "nobody" }, "UNKNOWN_DEPENDENCY"],
    [{ over: "each" }, "SELF_DEPENDENCY"],
    [{ over: "make", concurrency: 0 }, "INVALID_TASK"],
    [["make"], "INVALID_TASK"],
  ])("a map that cannot be is an issue of the graph: %j", async (map, code) => {
    const t = await backend.client();
    const planned = t.gp.decomposeGoal(
      "x",
      () => [
        { id: "make", description: "m" },
        { id: "each", description: "e", map: map as never },
      ],
      { make: () => 1, each: () => 1 },
    );
    expect(await rejection(planned)).toMatchObject({ code: "INVALID_GRAPH", issues: [{ code }] });
  });

  test("a map's concurrency below one is refused", () => {
    expect(() => workflow<number[]>("w").map("each", { concurrency: 0 }, (n) => n)).toThrow(
      /whole number ≥ 1/,
    );
  });
});
