import { expect, test } from "vitest";
import {
  type Budget,
  debate,
  handOff,
  type Json,
  mapReduce,
  type PatternContext,
  type SupervisorView,
  supervisor,
  vote,
  workflow,
} from "../../src/index.ts";
import { scriptedModel, whenever } from "../../src/testing/index.ts";
import { describeOnEachBackend } from "./backends.ts";

let names = 0;

describeOnEachBackend("patterns", (backend) => {
  /** Runs a pattern as a step, to the end. */
  async function inStep(
    pattern: (ctx: PatternContext) => Promise<unknown>,
    options: { failsFirst?: boolean } = {},
  ) {
    const { gp, clock, tick } = await backend.client();
    const run = workflow(`pattern${names++}`).step("play", async (_, ctx) => {
      const result = await pattern(ctx);
      if (options.failsFirst && ctx.attempt === 1) {
        throw new Error("once more");
      }
      return { result } as { result: Json };
    });
    const { runId } = await gp.start(run, null);
    for (let ticks = 0; ticks < 60; ticks++) {
      await tick();
      clock.advance(5000);
      const record = await gp.runs.get(runId);
      if (record.finishedAt !== null) {
        return {
          output: (record.output as { play?: { result: Json } } | null)?.play?.result,
          error: record.error,
        };
      }
    }
    throw new Error("the run does not end");
  }

  const specialists = {
    search: (task: Json) => `found ${task}`,
    write: (task: Json) => `wrote ${task}`,
  };
  const decide = ({ round, done }: SupervisorView) => {
    if (round === 1) {
      return {
        assign: [
          { to: "search", task: "a" },
          { to: "search", task: "b" },
        ],
      };
    }
    return round === 2
      ? { assign: [{ to: "write", task: done.map(({ output }) => output) }] }
      : { result: done.at(-1)?.output ?? null };
  };

  test("a supervisor assigns tasks until it has a result", async () => {
    const { output } = await inStep((ctx) =>
      supervisor(ctx, { task: "report", members: specialists, decide }),
    );
    expect(output).toBe("wrote found a,found b");
  });

  test("a step that is called again repeats no turn", async () => {
    let turns = 0;
    const members = { search: (task: Json) => `${task}${++turns}`, write: specialists.write };
    await inStep((ctx) => supervisor(ctx, { task: "report", members, decide }), { failsFirst: true });
    expect(turns).toBe(2);
  });

  test("a supervisor without a result ends after its rounds", async () => {
    const choose = () => ({ assign: [{ to: "search", task: null }] });
    const { error } = await inStep((ctx) =>
      supervisor(ctx, { task: "x", members: specialists, decide: choose, maxRounds: 2 }),
    );
    expect(error).toMatchObject({ code: "STEP_FAILED", details: { maxRounds: 2 }, task: { attempt: 1 } });
  });

  test("a supervisor that names nobody there is told who is", async () => {
    const choose = () => ({ assign: [{ to: "nobody", task: null }] });
    const { error } = await inStep((ctx) =>
      supervisor(ctx, { task: "x", members: specialists, decide: choose }),
    );
    expect(error).toMatchObject({ code: "INVALID_INPUT", details: { members: ["search", "write"] } });
  });

  test("agents and workflows take part like functions", async () => {
    const name = `pattern_agent${names++}`;
    const { gp, tick } = await backend.client();
    await gp.agents.register(name, { description: "", onMessage: ({ payload }) => `agent ${payload}` });
    const child = workflow<Json>(`pattern_child${names++}`).step("work", ({ run }) => `child ${run}`);
    const run = workflow(`pattern${names++}`).step("play", (_, ctx) =>
      mapReduce(ctx, { items: [1, 2], map: `agent:${name}`, reduce: child }),
    );
    const { runId } = await gp.start(run, null);
    for (let ticks = 0; ticks < 30; ticks++) {
      await tick();
    }
    expect((await gp.runs.get(runId)).output).toEqual({ play: { work: "child agent 1,agent 2" } });
  });

  /** A supervisor that asks a workflow again and again, which asks a model each time. */
  async function askingForEver(budgets: { run?: Budget; turn?: Budget }) {
    const model = scriptedModel([whenever(() => true, "more")]);
    const { gp, settle } = await backend.client({ model });
    const asks = workflow<Json>(`asks${names++}`).step("ask", { maxAttempts: 1 }, async (_, ctx) => {
      const { response } = await ctx.llm({ taskType: "coder", messages: [{ role: "user", content: "?" }] });
      return response;
    });
    const run = workflow(`asking${names++}`).step("play", { maxAttempts: 1 }, async (_, ctx) =>
      supervisor(ctx, {
        task: null,
        members: { asks },
        decide: ({ round }) => ({ assign: [{ to: "asks", task: round }] }),
        maxRounds: 5,
        budget: budgets.turn,
      }),
    );
    const handle = await gp.start(run, null, { budget: budgets.run });
    await settle();
    const { error } = await gp.runs.get(handle.runId);
    return { error, asked: model.calls.length };
  }

  test("the budget of the run ends a pattern, whatever is left of its rounds", async () => {
    const { error, asked } = await askingForEver({ run: { calls: 2 } });
    expect(asked).toBe(2);
    expect(JSON.stringify(error)).toContain("BUDGET_EXCEEDED");
  });

  test("a turn of a workflow has a budget of its own", async () => {
    expect((await askingForEver({ turn: { calls: 1 } })).asked).toBe(5);
    const { error, asked } = await askingForEver({ turn: { usd: 0.000001 } });
    expect(asked).toBe(0);
    expect(JSON.stringify(error)).toContain("BUDGET_EXCEEDED");
  });

  test("a task is handed on until somebody has the result", async () => {
    const { output } = await inStep((ctx) =>
      handOff(ctx, {
        task: "refund",
        start: "desk",
        members: {
          desk: () => ({ handTo: "billing", note: "wants money" }),
          billing: ({ history }) => ({ result: `paid, as ${history[0]?.member} said: ${history[0]?.note}` }),
        },
      }),
    );
    expect(output).toEqual({
      result: "paid, as desk said: wants money",
      by: "billing",
      history: [{ member: "desk", note: "wants money" }],
    });
  });

  test("a task that goes round in circles ends after its rounds", async () => {
    const members = { a: () => ({ handTo: "b" }), b: () => ({ handTo: "a" }) };
    const { error } = await inStep((ctx) => handOff(ctx, { task: 1, start: "a", members, maxRounds: 5 }));
    expect(error).toMatchObject({ code: "STEP_FAILED", details: { pattern: "handOff", maxRounds: 5 } });
  });

  test("a judge ends a debate, knowing what all said", async () => {
    const argue = ({ self, round, said }: { self: string; round: number; said: readonly unknown[] }) =>
      `${self} ${round} after ${said.length}`;
    const { output } = await inStep((ctx) =>
      debate(ctx, {
        question: "tabs or spaces",
        debaters: { tabs: argue, spaces: argue },
        judge: ({ said, last }) => (last ? { verdict: said.at(-1)?.tabs ?? null } : null),
        maxRounds: 2,
      }),
    );
    expect(output).toEqual({
      verdict: "tabs 2 after 1",
      rounds: [
        { tabs: "tabs 1 after 0", spaces: "spaces 1 after 0" },
        { tabs: "tabs 2 after 1", spaces: "spaces 2 after 1" },
      ],
    });
  });

  test("a debate without a verdict ends after its rounds", async () => {
    const { error } = await inStep((ctx) =>
      debate(ctx, { question: 1, debaters: { a: () => 1 }, judge: () => null }),
    );
    expect(error).toMatchObject({ code: "STEP_FAILED", details: { pattern: "debate", maxRounds: 3 } });
  });

  test("most votes win", async () => {
    const { output } = await inStep((ctx) =>
      vote(ctx, {
        question: "?",
        options: ["yes", "no"],
        voters: { a: () => "yes", b: () => "no", c: () => "yes" },
      }),
    );
    expect(output).toEqual({
      winner: "yes",
      votes: { a: "yes", b: "no", c: "yes" },
      counts: { yes: 2, no: 1 },
      rounds: 1,
    });
  });

  test("a tie leads to another round, and to no winner after the last", async () => {
    const stubborn = { a: () => "yes", b: () => "no" };
    const wavering = { a: () => "yes", b: ({ round }: { round: number }) => (round === 1 ? "no" : "yes") };
    const ask = (voters: typeof stubborn) => (ctx: PatternContext) =>
      vote(ctx, { question: "?", options: ["yes", "no"], voters, maxRounds: 2 });
    expect((await inStep(ask(wavering as never))).output).toMatchObject({ winner: "yes", rounds: 2 });
    expect((await inStep(ask(stubborn))).output).toMatchObject({ winner: null, rounds: 2 });
  });

  test("a vote for what is not there is refused", async () => {
    const { error } = await inStep((ctx) =>
      vote(ctx, { question: "?", options: ["yes"], voters: { a: () => "maybe" } }),
    );
    expect(error).toMatchObject({ code: "INVALID_INPUT" });
  });

  test("mapReduce reduces so many at a time, round by round", async () => {
    const { output } = await inStep((ctx) =>
      mapReduce(ctx, {
        items: [1, 2, 3, 4, 5],
        map: (item) => [item],
        reduce: (parts) => parts.flat() as Json,
        fanIn: 2,
      }),
    );
    expect(output).toEqual([1, 2, 3, 4, 5]);
  });

  test("mapReduce without items is null", async () => {
    expect(
      (await inStep((ctx) => mapReduce(ctx, { items: [], map: () => 1, reduce: () => 2 }))).output,
    ).toBeNull();
  });
});
