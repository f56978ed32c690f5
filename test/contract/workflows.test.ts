import { expect, test } from "vitest";
import { type AnyWorkflow, GoalpostError, type RunHandle, workflow } from "../../src/index.ts";
import type { TestGoalpost } from "../../src/testing/index.ts";
import { rejection } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

async function finish<R>(t: TestGoalpost, start: Promise<RunHandle<R>>): Promise<R> {
  const handle = await start;
  await t.settle();
  return handle.result();
}

describeOnEachBackend("static workflows", (backend) => {
  test("the output holds the leaves only, by name", async () => {
    const t = await backend.client();
    const w = workflow<{ n: number }>("leaves")
      .step("root", ({ run }) => run.n)
      .step("left", { after: ["root"] }, ({ root }) => root + 1)
      .step("right", { after: ["root"] }, ({ root }) => root + 2);
    const { output } = await finish(t, t.gp.start(w, { n: 40 }));
    expect(output).toEqual({ left: 41, right: 42 });
  });

  test("roots that nothing connects are leaves too", async () => {
    const t = await backend.client();
    const w = workflow("islands")
      .step("alone", () => "a")
      .step("first", () => 1)
      .step("second", { after: ["first"] }, ({ first }) => first + 1);
    expect((await finish(t, t.gp.start(w, null))).output).toEqual({ alone: "a", second: 2 });
  });

  test("a step is given the run's input and the outputs of its dependencies, by name, and nothing else", async () => {
    const t = await backend.client();
    const seen: unknown[] = [];
    const w = workflow<{ who: string }>("inputs")
      .step("greet", ({ run }) => `hello ${run.who}`)
      .step("count", { after: ["greet"] }, ({ greet }) => greet.length)
      .step("join", { after: ["greet", "count"] }, (input) => void seen.push(input))
      .step("after_join", { after: ["join"] }, (input) => void seen.push(input));
    await finish(t, t.gp.start(w, { who: "you" }));
    expect(seen).toEqual([
      { run: { who: "you" }, greet: "hello you", count: 9 },
      { run: { who: "you" }, join: null },
    ]);
  });

  test("a diamond runs its join exactly once, after both arms", async () => {
    const t = await backend.client();
    const order: string[] = [];
    const note = (name: string) => () => void order.push(name);
    const w = workflow("diamond")
      .step("top", note("top"))
      .step("left", { after: ["top"] }, note("left"))
      .step("right", { after: ["top"] }, note("right"))
      .step("join", { after: ["left", "right"] }, note("join"));
    await finish(t, t.gp.start(w, null));
    expect(order.toSorted()).toEqual(["join", "left", "right", "top"]);
    expect([order[0], order[3]]).toEqual(["top", "join"]);
  });

  test("steps of a chain run one after another, also when some of them take their time", async () => {
    const t = await backend.client();
    const w = workflow("chain")
      .step("a", async () => {
        await new Promise(setImmediate);
        return ["a"];
      })
      .step("b", { after: ["a"] }, ({ a }) => [...a, "b"])
      .step("c", { after: ["b"] }, async ({ b }) => {
        await new Promise(setImmediate);
        return [...b, "c"];
      });
    expect((await finish(t, t.gp.start(w, null))).output).toEqual({ c: ["a", "b", "c"] });
  });

  test("a wide join is given every output under its own name", async () => {
    const t = await backend.client();
    const names = Array.from({ length: 60 }, (_, index) => `part_${index}`);
    let wide = workflow<number>("wide") as unknown as WideBuilder;
    for (const [index, name] of names.entries()) {
      wide = wide.step(name, ({ run }: { run: number }) => run + index);
    }
    wide = wide.step("join", { after: names }, (input: object) => input);
    const { output } = await finish(t, t.gp.start(wide, 1000 as never));
    const expected = Object.fromEntries(names.map((name, index) => [name, 1000 + index]));
    expect(output).toEqual({ join: { run: 1000, ...expected } });
  });

  test("many runs at once keep their values apart", async () => {
    const t = await backend.client();
    const w = workflow<number>("many")
      .step("double", ({ run }) => run * 2)
      .step("text", { after: ["double"] }, ({ run, double }) => `${run} doubled is ${double}`);
    const inputs = Array.from({ length: 100 }, (_, index) => index);
    const handles = await Promise.all(inputs.map((input) => t.gp.start(w, input)));
    await t.settle();
    const outputs = await Promise.all(handles.map(async (handle) => (await handle.result()).output.text));
    expect(outputs).toEqual(inputs.map((input) => `${input} doubled is ${input * 2}`));
  });

  test("ctx tells a step where it is", async () => {
    const t = await backend.client();
    const w = workflow("context").step("look", (_, ctx) => ({
      runId: ctx.runId,
      taskId: ctx.taskId,
      attempt: ctx.attempt,
      aborted: ctx.signal.aborted,
      noIndex: ctx.index === undefined,
      noGoal: ctx.goal === undefined,
    }));
    const { runId, output } = await finish(t, t.gp.start(w, null));
    expect(output.look).toEqual({
      runId,
      taskId: "look",
      attempt: 1,
      aborted: false,
      noIndex: true,
      noGoal: true,
    });
  });

  test("a step that changes an output it was given does not change it for others", async () => {
    const t = await backend.client();
    const w = workflow("shared_output")
      .step("list", () => [1])
      .step("a", { after: ["list"] }, ({ list }) => (list as number[]).push(2))
      .step("b", { after: ["list"] }, ({ list }) => (list as number[]).push(3))
      .step("sum", { after: ["a", "b"] }, ({ a, b }) => [a, b]);
    expect((await finish(t, t.gp.start(w, null))).output).toEqual({ sum: [2, 2] });
  });

  test("a step that changes the run's input does not change it for others", async () => {
    const t = await backend.client();
    const w = workflow<{ list: number[] }>("shared_input")
      .step("a", ({ run }) => run.list.push(2))
      .step("b", ({ run }) => run.list.push(3));
    expect((await finish(t, t.gp.start(w, { list: [1] }))).output).toEqual({ a: 2, b: 2 });
  });

  test("two shapes under one name run side by side", async () => {
    const t = await backend.client();
    const one = workflow("versions").step("a", () => 1);
    const two = workflow("versions")
      .step("a", () => 2)
      .step("b", { after: ["a"] }, ({ a }) => a);
    const handles = [await t.gp.start(one, null), await t.gp.start(two, null)];
    await t.settle();
    const outputs = await Promise.all(handles.map(async (handle) => (await handle.result()).output));
    expect(outputs).toEqual([{ a: 1 }, { b: 2 }]);
  });

  test("tick returns how many tasks it carried out", async () => {
    const t = await backend.client();
    const w = workflow("ticks")
      .step("a", () => 1)
      .step("b", () => 2);
    await t.gp.start(w, null);
    expect([await t.tick(), await t.tick()]).toEqual([2, 0]);
  });

  test("execute starts, waits and returns the result by itself", async () => {
    const gp = await backend.liveClient();
    const w = workflow<number>("live").step("double", ({ run }) => run * 2);
    expect(await gp.execute(w, 21)).toEqual({
      runId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      output: { double: 42 },
      usage: expect.objectContaining({ calls: 0, costUsd: 0 }),
    });
  });

  test("a workflow without steps is refused", async () => {
    const t = await backend.client();
    expect(await rejection(t.gp.start(workflow("empty"), null))).toMatchObject({ code: "INVALID_INPUT" });
  });

  test("an input that JSON cannot hold is refused with its path, and no run is stored", async () => {
    const t = await backend.client();
    const w = workflow<{ list: unknown[] }>("bad_input").step("a", () => 1);
    const error = await rejection(t.gp.start(w, { list: [1, Number.NaN] }));
    expect(error).toBeInstanceOf(GoalpostError);
    expect(error).toMatchObject({ code: "INVALID_INPUT" });
    expect(error.message).toContain("$.list[1]");
    expect(await t.gp.runs.list({ workflow: "bad_input" })).toEqual([]);
  });
});

/** The builder without its types, for workflows made in a loop. */
interface WideBuilder extends AnyWorkflow {
  step(name: string, ...rest: unknown[]): WideBuilder;
}
