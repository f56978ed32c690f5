import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { normalised } from "../../src/core/vectors.ts";
import {
  defineStep,
  type GoalOptions,
  type Json,
  type LlmDecomposerOptions,
  type Logger,
  llmDecomposer,
  ModelError,
  NonRetryableError,
  type StepMap,
} from "../../src/index.ts";
import { addSuccess, addVectors, plansNear } from "../../src/learn/plans-table.ts";
import type { TestGoalpostOptions } from "../../src/testing/index.ts";
import { type ScriptedModel, scriptedModel, whenever } from "../../src/testing/index.ts";
import { describeOnEachBackend } from "./backends.ts";

const DAY_MS = 86_400_000;

describeOnEachBackend("plans of earlier goals", (backend) => {
  const oneStep = (args = z.object({ what: z.string() })): StepMap => ({
    act: defineStep({ description: "acts", args, execute: ({ what }) => what }),
  });
  const plan = (what: string): Json => ({
    tasks: [{ id: "t", description: `act on ${what}`, step: "act", args: { what } }],
  });

  interface Given extends TestGoalpostOptions {
    readonly steps?: StepMap;
  }

  /** A client whose model plans whatever it is asked; each test has steps of a name of its own, and so plans of its own. */
  async function planner({ steps = oneStep(), ...options }: Given = {}) {
    const model: ScriptedModel = scriptedModel([whenever(() => true, plan("things"))]);
    const t = await backend.client({ model, ...options });
    const start = async (
      goal: string,
      how: LlmDecomposerOptions = {},
      { steps: own = steps, ...goalOptions }: GoalOptions & { steps?: StepMap } = {},
    ) => {
      const handle = await t.gp.startGoal(goal, llmDecomposer({ stream: false, ...how }), own, goalOptions);
      await t.settle();
      return handle;
    };
    const run = async (...given: Parameters<typeof start>) => {
      const result = await (await start(...given)).result();
      await t.gp.learning.flush();
      return result;
    };
    const prompts = (): string[] =>
      model.calls.map(({ request }) => request.messages.map(({ content }) => content).join("\n"));
    return { t, model, start, run, prompts, last: () => prompts().at(-1) ?? "" };
  }

  const forget = () => backend.query("delete from goalpost.plan_memory");
  const kept = () =>
    backend.query<{ goal: string; successes: number; failures: number; failures_in_a_row: number }>(
      "select goal::text, successes, failures, failures_in_a_row from goalpost.plan_memory order by id",
    );

  test("the model is shown the nearest that reached their goals, between tags, the nearest first", async () => {
    await forget();
    const { run, last, t } = await planner();
    await run("bake bread");
    await run("repair the roof of the barn");
    await run("bake a cherry cake with cream");
    await run("bake an apple cake with cream", { recall: 2 });
    const user = last().split("Plans that reached other goals like this one")[1] ?? "";
    expect(user).toMatch(/<earlier_plans_(\w+)>[\s\S]*<\/earlier_plans_\1>/);
    expect([...user.matchAll(/^Goal: (.*)$/gm)].map(([, goal]) => goal)).toEqual([
      "bake a cherry cake with cream",
      "bake bread",
    ]);
    expect(user).toContain('"step":"act"');
    expect((await t.gp.usage.summary({ groupBy: ["model"] })).length).toBeGreaterThan(0);
  });

  test("of several plans of one goal one is shown, and without recall none", async () => {
    await forget();
    const { run, last } = await planner();
    await run("sweep the yard");
    await run("sweep  the yard");
    expect(last()).not.toContain("earlier_plans");
    await run("sweep the court", { recall: 5 });
    expect(last().match(/^Goal: sweep/gm)).toHaveLength(1);
    expect(await kept()).toMatchObject([{ successes: 2 }, { successes: 1 }]);
  });

  test("a plan whose step takes something else now is neither shown nor used again", async () => {
    await forget();
    const { run, last, model } = await planner();
    await run("count the sheep");
    const changed = oneStep(z.object({ what: z.string(), how: z.string().optional() }) as never);
    const options = { recall: 3, reuse: { least: 0 } };
    const calls = model.calls.length;
    await run("count the sheep", options, { steps: changed });
    expect(model.calls.length).toBe(calls + 1);
    expect(last()).not.toContain("earlier_plans");
  });

  test("what failed is not kept, and neither is a graph that nobody planned", async () => {
    await forget();
    const failing: StepMap = {
      act: defineStep({
        description: "",
        args: z.object({ what: z.string() }),
        execute: () => {
          throw new NonRetryableError("no");
        },
      }),
    };
    const { t, start } = await planner({ steps: failing });
    await start("fail at this");
    const graph = await backend.liveClient();
    await graph.executeGraph([{ id: "a", description: "a" }], { a: () => 1 });
    await graph.learning.flush();
    await t.gp.learning.flush();
    expect(await kept()).toEqual([]);
  });

  test("a plan that proved itself is used again without a model, and that is explained", async () => {
    await forget();
    const { t, run, model } = await planner();
    const reuse = { reuse: { least: 0.3 } };
    await run("water the plants", reuse);
    await run("water the plants", reuse);
    const calls = model.calls.length;
    const again = await run(" water the  plants", reuse);
    expect(model.calls.length).toBe(calls);
    expect(again.graph.origin).toEqual({ by: "recall" });
    expect(again.output).toEqual({ t: "things" });
    expect((await t.gp.learning.explain(again.runId)).decisions).toMatchObject([
      { kind: "plan_reuse", adopted: true, samples: 2, tasks: ["t"] },
    ]);
    expect(await kept()).toMatchObject([{ successes: 3, failures: 0 }]);
    await run("water the plants", { reuse: true });
    expect(model.calls.length).toBe(calls + 1);
  });

  test("two failures in a row set it aside, a success between them does not", async () => {
    await forget();
    let fails = false;
    const steps: StepMap = {
      act: defineStep({
        description: "",
        args: z.object({ what: z.string() }),
        execute: () => {
          if (fails) {
            throw new NonRetryableError("no");
          }
          return 1;
        },
      }),
    };
    const { t, start, model } = await planner({ steps });
    const reuse = { reuse: { least: 0 }, recall: 1 };
    const again = async (how: boolean): Promise<boolean> => {
      fails = how;
      const calls = model.calls.length;
      await start("mow the lawn", reuse);
      await t.gp.learning.flush();
      return model.calls.length === calls;
    };
    expect(await again(false)).toBe(false);
    expect([await again(true), await again(false), await again(true)]).toEqual([true, true, true]);
    expect(await kept()).toMatchObject([{ successes: 2, failures: 2, failures_in_a_row: 1 }]);
    expect([await again(true), await again(false)]).toEqual([true, false]);
    expect(
      model.calls
        .at(-1)
        ?.request.messages.map(({ content }) => content)
        .join(),
    ).not.toContain("earlier_plans");
  });

  test("one that was not carried out for long is planned anew", async () => {
    await forget();
    const { t, run, model } = await planner();
    const reuse = { reuse: { least: 0, maxAgeMs: 10 * DAY_MS } };
    await run("prune the hedge", reuse);
    t.clock.advance(9 * DAY_MS);
    await run("prune the hedge", reuse);
    expect(model.calls.length).toBe(1);
    t.clock.advance(11 * DAY_MS);
    await run("prune the hedge", reuse);
    expect(model.calls.length).toBe(2);
  });

  test("the validator has the last word: a plan that it refuses is made anew", async () => {
    await forget();
    const two = {
      tasks: [plan("a"), plan("b")].flatMap((one, index) =>
        (one as { tasks: object[] }).tasks.map((task) => ({ ...task, id: `t${index}` })),
      ),
    };
    const model = scriptedModel([two as Json, whenever(() => true, plan("one"))]);
    const { t, run } = await planner({ model });
    const reuse = { reuse: { least: 0 } };
    await run("feed the cats", reuse);
    const limited = await run("feed the cats", reuse, { maxTasks: 1 });
    expect(Object.keys(limited.outputs)).toEqual(["t"]);
    expect((await t.gp.learning.explain(limited.runId)).decisions).toMatchObject([
      { kind: "plan_reuse", adopted: false, reason: "It did not pass the validator." },
    ]);
  });

  test("a first plan that had to be replaced did not reach its goal", async () => {
    await forget();
    let fails = true;
    const steps: StepMap = {
      act: () => {
        if (fails) {
          fails = false;
          throw new NonRetryableError("no");
        }
        return 1;
      },
    };
    const second = { tasks: [{ id: "u", description: "again", step: "act" }] };
    const first = { tasks: [{ id: "t", description: "act", step: "act" }] };
    const { run } = await planner({ steps, model: scriptedModel([first, second]) });
    await run("paint the fence", {}, { replan: { on: "failure", max: 1 } });
    expect(await kept()).toEqual([]);
  });

  test("planning that is tried again shows the same examples, whatever came to an end since", async () => {
    await forget();
    const { run, prompts, t, start } = await planner();
    await run("wash the car");
    const other = await planner();
    let failed = false;
    const decomposer = llmDecomposer({ recall: 3, stream: false });
    const handle = await t.gp.startGoal(
      "wash the van",
      async (goal, ctx) => {
        const made = await decomposer(goal, ctx);
        if (!failed) {
          failed = true;
          await other.run("wash the lorry");
          throw new Error("once more");
        }
        return made;
      },
      oneStep(),
    );
    await t.settle();
    t.clock.advance(60_000);
    await t.settle();
    await handle.result();
    const asked = prompts().filter((prompt) => prompt.includes("wash the van"));
    expect(failed).toBe(true);
    expect(asked[0]).toContain("Goal: wash the car");
    expect(new Set(asked).size).toBe(1);
    await start("wash the tram", { recall: 9 });
    expect(prompts().at(-1)).toContain("Goal: wash the lorry");
  });

  test("a goal that is only planned is shown them, too", async () => {
    await forget();
    const { t, run, last } = await planner();
    await run("dry the car");
    await t.gp.decomposeGoal("dry the bus", llmDecomposer({ recall: 3, stream: false }), oneStep());
    expect(last()).toContain("Goal: dry the car");
  });

  test("plans that were embedded by another model are embedded by this one when they are asked for", async () => {
    await forget();
    const one = await planner();
    await one.run("polish the brass");
    const other = await planner({ embed: { model: "hash-64" } });
    await other.run("polish the silver", { recall: 1 });
    expect(other.last()).toContain("Goal: polish the brass");
    const rows = await backend.query(
      `select v.model, v.dimensions from goalpost.plan_vectors v
       join goalpost.plan_memory m using (content_hash) where m.goal::text like '%brass%' order by model`,
    );
    expect(rows).toEqual([
      { model: "hash", dimensions: 384 },
      { model: "hash-64", dimensions: 64 },
    ]);
  });

  test("what goes wrong fails no run, and no goal's text gets into the log", async () => {
    await forget();
    const lines: string[] = [];
    const say = (fields: unknown, message: string): void => {
      lines.push(`${message} ${JSON.stringify(fields)}`);
    };
    const logger: Logger = { debug: say, info: say, warn: say, error: say };
    const broken = {
      provider: "acme",
      model: "broken",
      batchSize: 8,
      batchTokens: 8000,
      dimensions: 3,
      isFree: true,
      embed: ({ texts }: { texts: readonly string[] }) =>
        Promise.reject(new ModelError("bad_request", `cannot: ${texts.join()}`)),
    };
    const embed = { model: "broken", models: { broken } };
    const { run } = await planner({ embed, logger });
    await run("tell nobody of the zebra");
    await run("tell nobody of the zebras", { recall: 2 });
    expect(lines.join("\n")).toMatch(/could not be kept[\s\S]*could not be recalled/);
    expect(lines.join("\n")).not.toContain("zebra");
    // It is kept all the same, and found when there is a model that works.
    const other = await planner();
    await other.run("tell nobody", { recall: 2 });
    expect(other.last()).toContain("Goal: tell nobody of the zebra");
  });

  test("a model that does not answer holds up neither planning nor the end of the client for long", async () => {
    await forget();
    let began = (): void => undefined;
    const begun = new Promise<void>((resolve) => {
      began = resolve;
    });
    const silent = {
      provider: "acme",
      model: "silent",
      batchSize: 8,
      batchTokens: 8000,
      dimensions: 3,
      isFree: true,
      embed: () => {
        began();
        return new Promise<never>(() => undefined);
      },
    };
    const { t, start } = await planner({ embed: { model: "silent", models: { silent } } });
    const decomposer = llmDecomposer({ recall: 1, stream: false });
    const handle = await t.gp.startGoal("knock at the door", decomposer, oneStep());
    const settled = t.settle();
    await begun;
    t.clock.advance(10_000);
    await settled;
    await handle.result();
    await start("ring the bell");
    await t.close();
    expect(await kept()).toHaveLength(2);
  });

  test("goals and plans of any text are kept and shown as they are", async () => {
    await forget();
    const odd = "odd \u0000 \ud800 </earlier_plans> {{steps}} goal";
    const { run, last } = await planner();
    await run(odd);
    await run("odd goal", { recall: 1 });
    expect(last()).toContain(`Goal: ${odd}\nAnswer: `);
  });

  test("a client that does not learn keeps nothing", async () => {
    await forget();
    const { run } = await planner({ learning: false });
    await run("leave no trace");
    expect(await kept()).toEqual([]);
  });

  test("what was learned is forgotten with everything else, and what is old is pruned", async () => {
    await forget();
    const { t, run } = await planner();
    await run("remember the milk");
    expect(await t.gp.learning.reset()).toBeGreaterThan(0);
    expect(await kept()).toEqual([]);
    await run("remember the bread");
    t.clock.advance(30 * DAY_MS);
    await t.gp.runs.prune({ olderThanMs: 10 * DAY_MS });
    expect(await kept()).toEqual([]);
    expect(await backend.query("select 1 from goalpost.plan_vectors")).toEqual([]);
  });

  test.each([
    { recall: -1 },
    { recall: 21 },
    { recall: 1.5 },
    { reuse: "yes" },
    { reuse: { least: 2 } },
    { reuse: { maxAgeMs: -1 } },
  ])("options out of range are refused: %j", (options) => {
    expect(() => llmDecomposer(options as LlmDecomposerOptions)).toThrow(/recall|reuse/);
  });

  test("property: the nearest come first, by the cosine of their vectors", async () => {
    const vector = fc
      .array(fc.integer({ min: -9, max: 9 }), { minLength: 4, maxLength: 4 })
      .filter((numbers) => numbers.some((one) => one !== 0))
      .map((numbers) => normalised(numbers));
    const cosine = (a: readonly number[], b: readonly number[]): number =>
      a.reduce((sum, one, index) => sum + one * (b[index] ?? 0), 0);
    await fc.assert(
      fc.asyncProperty(fc.array(vector, { minLength: 1, maxLength: 8 }), vector, async (stored, asked) => {
        await forget();
        const model = `m-${randomUUID()}`;
        for (const [index, own] of stored.entries()) {
          const contentHash = `${model}-${index}`;
          const key = {
            goalKey: contentHash,
            tools: "t",
            graphHash: "g",
            runId: randomUUID(),
            at: new Date(0),
          };
          await addSuccess(backend.driver, { ...key, contentHash, goal: `${index}`, tasks: [], steps: {} });
          await addVectors(backend.driver, model, [[contentHash, own]]);
        }
        const wish = { model, steps: {}, vector: asked, count: stored.length };
        const near = await plansNear(backend.driver, wish);
        const expected = stored.map((own) => cosine(own, asked)).sort((a, b) => b - a);
        expect(near).toHaveLength(stored.length);
        for (const [index, { goal, similarity }] of near.entries()) {
          expect(similarity).toBeCloseTo(cosine(stored[Number(goal)] ?? [], asked), 5);
          expect(similarity).toBeCloseTo(expected[index] ?? Number.NaN, 5);
        }
      }),
      { numRuns: 15 },
    );
  });
});
