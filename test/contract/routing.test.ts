import { expect, test } from "vitest";
import { z } from "zod";
import type { RouteOutcome } from "../../src/core/model-routing.ts";
import { LlmRequest, type RoutingOptions, silentLogger, workflow } from "../../src/index.ts";
import { ModelRoutes } from "../../src/model-routes.ts";
import { readModelStats } from "../../src/store/model-stats.ts";
import { FakeClock, scriptedModel } from "../../src/testing/index.ts";
import { rejection } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

const AGAIN = { retry: { baseMs: 0 } };
const messages = [{ role: "user", content: "What is it?" }] as const;
const schema = z.object({ ok: z.boolean() });
const GOOD = { ok: true };

/** A model whose table's choice for medium work answers nonsense; "complex" and "simple" answer right. */
const nonsenseOfMedium = () => scriptedModel(({ model }) => (model === "medium" ? "nonsense" : GOOD));
const learned = (options: RoutingOptions = {}) => ({
  llm: { routing: { mode: "learned", ...options } as const },
});

let kinds = 0;
const newKind = () => `kind_${kinds++}`;

describeOnEachBackend("model routing", (backend) => {
  test("models that fail at a kind of work are left for those that do not", async () => {
    const model = nonsenseOfMedium();
    const t = await backend.client({ model, ...learned() });
    const taskType = newKind();
    const ask = async (named?: string) => {
      const { model: asked } = await t.gp.llm
        .request({ messages, schema, taskType, maxRepairs: 0, fallbacks: [], model: named })
        .catch(() => ({ model: "none" }));
      await t.gp.llm.routes({ kind: taskType });
      return asked;
    };
    // By chance it might not be drawn at all.
    for (let i = 0; i < 6; i++) {
      await ask("medium");
    }
    const answers: string[] = [];
    for (let i = 0; i < 24; i++) {
      answers.push(await ask());
    }
    expect(answers.slice(14).filter((one) => one === "none").length).toBeLessThanOrEqual(1);
    const [report] = await t.gp.llm.routes({ kind: taskType });
    expect(report).toMatchObject({ kind: taskType, mode: "learned", samples: 30 });
    const medium = report?.models.find((one) => one.model === "medium");
    expect(report?.models[0]).toBe(medium);
    expect(medium?.quality).toBeLessThan(0.4);
    expect(report?.choice?.model).not.toBe("medium");
    expect(report?.choice?.reason).toContain("the best: quality");
    const sum = report?.models.reduce((all, { propensity }) => all + propensity, 0);
    expect(sum).toBeCloseTo(1, 9);
  });

  test("by default the table chooses, and what comes of it is kept for when it may be learned from", async () => {
    const model = scriptedModel(() => GOOD);
    const t = await backend.client({ model });
    const taskType = newKind();
    for (let i = 0; i < 6; i++) {
      expect((await t.gp.llm.request({ messages, schema, taskType })).model).toBe("medium");
    }
    const [report] = await t.gp.llm.routes({ kind: taskType });
    expect(report).toMatchObject({ mode: "table", choice: { model: "medium" } });
    expect(report?.models[0]).toMatchObject({
      model: "medium",
      samples: 6,
      propensity: 1,
      standing: "above",
    });
  });

  test("a model that is named is asked, whatever was learned, and learned from", async () => {
    const model = nonsenseOfMedium();
    const t = await backend.client({ model, ...learned() });
    const taskType = newKind();
    const named = { model: "scripted/medium", maxRepairs: 0 };
    for (let i = 0; i < 8; i++) {
      await rejection(t.gp.llm.request({ messages, schema, taskType, ...named }));
    }
    expect(model.calls.map(({ request }) => request.model)).toEqual(Array(8).fill("medium"));
    const [report] = await t.gp.llm.routes({ kind: taskType });
    expect(report?.models[0]).toMatchObject({
      model: "medium",
      samples: 8,
      standing: "below",
      propensity: 0,
    });
    expect(report?.models[0]?.reason).toContain("below the floor of 0.3");
  });

  test("a step that is called again asks the model that it asked before", async () => {
    const taskType = newKind();
    const model = scriptedModel(() => ({ error: "server" }));
    const t = await backend.client({ model, ...learned({ exploration: 1 }) });
    const w = workflow("same_model").step("ask", { ...AGAIN, maxAttempts: 8 }, async (_, ctx) => {
      await ctx.llm({ messages, taskType, maxAttempts: 1 });
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    await rejection(handle.result());
    const firsts = model.calls.map(({ request }) => request.model).filter((_, index) => index % 4 === 0);
    expect(firsts).toHaveLength(8);
    expect(new Set(firsts).size).toBe(1);
    const rows = await backend.query(
      "select model, propensity from goalpost.llm_choices where kind = $1 and propensity is not null",
      [taskType],
    );
    expect(rows).toEqual([{ model: firsts[0], propensity: expect.any(Number) }]);
  });

  test("of two that choose for one request the first counts", async () => {
    const routes = [0.01, 0.99].map(
      (random) =>
        new ModelRoutes({
          driver: backend.driver,
          clock: new FakeClock(),
          logger: silentLogger,
          random: () => random,
        }),
    );
    const question = {
      requestId: newKind(),
      kind: newKind(),
      runId: null,
      labels: null,
      models: ["a", "b"].map((model) => ({ provider: "p", model })),
      options: {
        mode: "learned",
        floor: 0,
        lambda: 0,
        priceOfQualityUsd: null,
        mu: 0,
        exploration: 0,
        strict: false,
      },
      effectFree: true,
      offCriticalPath: true,
      costUsd: () => 0,
    } as const;
    const [one, other] = [await routes[0]?.choose(question), await routes[1]?.choose(question)];
    expect(one?.draw).toEqual({ model: { provider: "p", model: "a" }, propensity: 0.5, explored: false });
    expect(other).toEqual(one);
  });

  test("the workflow LlmRequest chooses in select_model, and tells of it", async () => {
    const taskType = newKind();
    const t = await backend.client({ model: nonsenseOfMedium(), ...learned({ exploration: 1 }) });
    const requestId = await t.gp.llm.enqueue({ messages, taskType });
    await t.settle();
    const { model } = await t.gp.llm.result(requestId);
    await t.gp.llm.feedback(requestId, { score: 0.25, note: "meagre" });
    const rows = await backend.query(
      "select model, answered, score, signal, note, propensity > 0 as drawn from goalpost.llm_choices where kind = $1",
      [taskType],
    );
    expect(rows).toEqual([
      { model, answered: true, score: 0.25, signal: "user", note: "meagre", drawn: true },
    ]);
    expect((await t.gp.runs.list({ workflow: LlmRequest.name, limit: 1 }))[0]?.status).toBe("completed");
  });

  test("feedback counts once, and the last one wins", async () => {
    const taskType = newKind();
    const t = await backend.client({ model: scriptedModel(() => "text") });
    const { requestId } = await t.gp.llm.request({ messages, taskType });
    const record = async () => {
      const [{ samples, successes, failures } = {}] = await readModelStats(backend.driver, [taskType]);
      return [samples, successes, failures];
    };
    await t.gp.llm.feedback(requestId, { score: 1 });
    await t.gp.llm.feedback(requestId, { score: 1 });
    expect(await record()).toEqual([1, 1, 0]);
    await t.gp.llm.feedback(requestId, { score: 0.25 });
    expect(await record()).toEqual([1, 0.25, 0.75]);
    const [call] = await backend.query<{ id: string }>(
      "select id from goalpost.llm_calls where request_id = $1",
      [requestId],
    );
    await t.gp.llm.feedback(call?.id ?? "", { score: 0 });
    expect(await record()).toEqual([1, 0, 1]);
  });

  test("feedback replaces what a schema said, even if it comes first", async () => {
    const taskType = newKind();
    const t = await backend.client({ model: scriptedModel(() => GOOD) });
    const other = await backend.client({ clock: t.clock });
    const { requestId } = await t.gp.llm.request({ messages, schema, taskType });
    await other.gp.llm.feedback(requestId, { score: 0 });
    const [report] = await t.gp.llm.routes({ kind: taskType });
    expect(report).toMatchObject({ samples: 1, models: [{ quality: 1 / 3 }, {}, {}] });
  });

  test.each([
    ["", { score: 1 }, "INVALID_INPUT"],
    ["nobody", { score: 1 }, "RUN_NOT_FOUND"],
    ["00000000-0000-4000-8000-000000000000", { score: 1 }, "RUN_NOT_FOUND"],
    ["nobody", { score: 1.1 }, "INVALID_INPUT"],
    ["nobody", { score: Number.NaN }, "INVALID_INPUT"],
    ["nobody", {}, "INVALID_INPUT"],
    ["nobody", { score: 1, stars: 5 }, "INVALID_INPUT"],
    ["nobody", { score: 1, note: "\u0000" }, "INVALID_INPUT"],
  ])("feedback for %j with %j is %s", async (id, feedback, code) => {
    const t = await backend.client({});
    expect(await rejection(t.gp.llm.feedback(id, feedback as { score: number }))).toMatchObject({ code });
  });

  test("a request without an answer cannot be rated", async () => {
    const t = await backend.client({ model: scriptedModel(() => ({ error: "bad_request" })) });
    const taskType = newKind();
    await rejection(t.gp.llm.request({ messages, taskType }));
    const [call] = await backend.query<{ id: string }>(
      "select id from goalpost.llm_calls order by started_at desc, id desc limit 1",
    );
    expect(await rejection(t.gp.llm.feedback(call?.id ?? "", { score: 1 }))).toMatchObject({
      code: "INVALID_STATE",
    });
  });

  test("a provider that cannot be reached says nothing of quality", async () => {
    const model = scriptedModel(({ model: asked }) => (asked === "medium" ? { error: "not_found" } : GOOD));
    const t = await backend.client({ model });
    const taskType = newKind();
    const fallbacks = [{ provider: "scripted", model: "complex" }];
    await t.gp.llm.request({ messages, schema, taskType, fallbacks });
    const [report] = await t.gp.llm.routes({ kind: taskType });
    const [medium, , complex] = report?.models ?? [];
    expect(medium).toMatchObject({ samples: 0, quality: 0.5, availability: 0 });
    expect(complex).toMatchObject({ model: "complex", samples: 1, availability: 1 });
  });

  test("an outcome that is told twice counts once, and old answers fade", async () => {
    const kind = newKind();
    const routes = new ModelRoutes({
      driver: backend.driver,
      clock: new FakeClock(),
      logger: silentLogger,
      random: () => 0,
    });
    const outcome = (requestId: string, model: string, score: number): RouteOutcome => ({
      requestId,
      kind,
      runId: null,
      model: { provider: "p", model },
      draw: null,
      answered: true,
      score,
      signal: "schema",
      verdict: null,
      available: true,
      costUsd: 0.002,
      durationMs: 100,
      tokens: { input: 10, output: 5 },
    });
    routes.record([outcome(`${kind}_1`, "a", 1), outcome(`${kind}_1`, "a", 1)]);
    await routes.flush();
    routes.record([outcome(`${kind}_1`, "a", 1), outcome(`${kind}_2`, "b", 0)]);
    const [a, b] = await routes.stats(kind);
    expect(a).toMatchObject({ samples: 1, successes: 0.999, failures: 0, calls: 1, costUsd: 0.002 });
    expect(b).toMatchObject({ samples: 1, successes: 0, failures: 1, inputTokens: 10, outputTokens: 5 });
  });

  test("thousands at once, again and again, fade what was before without a numeric fault", async () => {
    const kind = newKind();
    const routes = new ModelRoutes({
      driver: backend.driver,
      clock: new FakeClock(),
      logger: silentLogger,
      random: () => 0,
    });
    for (let round = 0; round < 3; round++) {
      const model = { provider: "p", model: round === 0 ? "old" : "new" };
      for (let i = 0; i < 2000; i++) {
        routes.record([
          {
            requestId: `${kind}_${round}_${i}`,
            kind,
            runId: null,
            model,
            draw: null,
            answered: true,
            score: 1,
            signal: "schema",
            verdict: true,
            available: round !== 0,
            costUsd: null,
            durationMs: 5,
            tokens: { input: 1, output: 1 },
          },
        ]);
      }
      await routes.flush();
    }
    const [recent, old] = await routes.stats(kind);
    expect(recent).toMatchObject({ model: "new", samples: 4000, unavailable: 0 });
    expect(old).toMatchObject({ model: "old", samples: 2000 });
    expect(old?.successes).toBeLessThan(900);
  });

  test("as a run's budget drains the cheaper model is taken", async () => {
    const taskType = newKind();
    const prices = {
      "scripted/medium": { input: 1, output: 1 },
      "scripted/simple": { input: 0.01, output: 0.01 },
    };
    const table = {
      simple: [],
      medium: [{ provider: "scripted", model: "medium" }],
      complex: [{ provider: "scripted", model: "simple" }],
    };
    const usage = { inputTokens: 90_000, outputTokens: 10_000 };
    const model = scriptedModel(() => ({ json: GOOD, usage }));
    const llm = { models: table, prices, routing: { mode: "learned", strict: true, lambda: 0.02 } as const };
    const t = await backend.client({ model, llm });
    for (const name of ["medium", "simple"]) {
      for (let i = 0; i < 12; i++) {
        const { requestId } = await t.gp.llm.request({
          messages,
          schema,
          taskType,
          model: `scripted/${name}`,
        });
        await t.gp.llm.feedback(requestId, { score: name === "medium" ? 0.9 : 0.8 });
      }
    }
    const w = workflow("draining").step("ask", async (_, ctx) => {
      const models: string[] = [];
      for (let i = 0; i < 9; i++) {
        models.push((await ctx.llm({ messages, schema, taskType })).model);
      }
      return models;
    });
    const handle = await t.gp.start(w, null, { budget: { usd: 1 } });
    await t.settle();
    const { ask } = (await handle.result()).output;
    expect([ask[0], ask[8]]).toEqual(["medium", "simple"]);
  });

  test.each([
    ["fast", "llm.routing"],
    [{ floor: 2 }, "llm.routing.floor"],
    [{ lambda: 1, priceOfQualityUsd: 1 }, "lambda and priceOfQualityUsd"],
    [{ speed: 1 }, "speed"],
  ])("llm.routing %j is refused", async (routing, message) => {
    const error = await rejection(backend.client({ llm: { routing: routing as RoutingOptions } }));
    expect(error).toMatchObject({ code: "INVALID_INPUT" });
    expect(error.message).toContain(message);
    const t = await backend.client({ model: scriptedModel(() => "text") });
    const asked = t.gp.llm.request({ messages, routing: routing as RoutingOptions });
    expect(await rejection(asked)).toMatchObject({ code: "INVALID_INPUT" });
  });
});
