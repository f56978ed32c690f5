import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { Ledger, ReserveAnswer } from "../../src/core/ledger.ts";
import { type Budget, type RunEvent, type StepContext, silentLogger, workflow } from "../../src/index.ts";
import { createLedger } from "../../src/store/ledger.ts";
import { timedDriver } from "../../src/store/timed-driver.ts";
import type { TestGoalpost } from "../../src/testing/index.ts";
import { CENT, call, FREE, outcome, scopeOf, tokens } from "../ledger-calls.ts";
import { rejection } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

/** What a step does once its calls are made, or refused. */
interface Desk {
  readonly t: TestGoalpost;
  readonly ledger: Ledger;
  readonly warnings: object[];
  /** A call in a run that is made and settled: what it was answered. */
  spend(runId: string, more?: { nanoUsd?: bigint; reserve?: bigint }): Promise<ReserveAnswer>;
  /** Starts a run that waits for signal "end". */
  start(options?: { budget?: Budget; labels?: Record<string, string>; events?: boolean }): Promise<string>;
}

describeOnEachBackend("a budget", (backend) => {
  async function openDesk(): Promise<Desk> {
    const t = await backend.client();
    const warnings: object[] = [];
    const ledger = createLedger({
      driver: timedDriver(backend.driver, t.clock),
      logger: { ...silentLogger, warn: (fields) => warnings.push(fields) },
      worker: randomUUID(),
    });
    const waiting = workflow("waiting").step("a", (_, ctx) => ctx.waitFor("end"));
    return {
      t,
      ledger,
      warnings,
      async spend(runId, { nanoUsd = CENT, reserve = nanoUsd } = {}) {
        const planned = call({ scope: scopeOf(runId), costNanoUsd: reserve });
        const answer = await ledger.reserve(planned);
        if (answer.outcome === "reserved") {
          await ledger.settle(outcome(planned.callId, { costNanoUsd: nanoUsd }));
        }
        return answer;
      },
      async start(options) {
        const { runId } = await t.gp.start(waiting, null, options);
        await t.settle();
        return runId;
      },
    };
  }

  /** Gives a run a child that waits, and returns the child's id. */
  async function withChild(
    t: TestGoalpost,
    options: { budget?: Budget; child?: Budget },
  ): Promise<[string, string]> {
    const below = workflow("below").step("b", (_, ctx) => ctx.waitFor("end"));
    const above = workflow("above").step("a", (_, ctx) =>
      ctx.execute(below, null, { key: "c", budget: options.child }),
    );
    const { runId } = await t.gp.start(above, null, { budget: options.budget });
    await t.settle();
    const [child] = await backend.query<{ id: string }>(
      "select id from goalpost.runs where parent_run_id = $1::uuid",
      [runId],
    );
    return [runId, child?.id ?? ""];
  }

  const statusOf = async (t: TestGoalpost, runId: string): Promise<string> =>
    (await t.gp.runs.get(runId)).status;

  test("lets calls through up to its very limit, and says then what stands in the way", async () => {
    const { start, spend } = await openDesk();
    const runId = await start({ budget: { usd: 0.03 } });
    expect((await spend(runId)).outcome).toBe("reserved");
    expect((await spend(runId, { nanoUsd: 2n * CENT })).outcome).toBe("reserved");
    expect(await spend(runId)).toEqual({
      outcome: "exceeded",
      budget: {
        of: "tree",
        key: runId,
        unit: "usd",
        limit: 0.03,
        used: 0.03,
        asked: 0.01,
        onExceed: "fail",
        unknownPrice: false,
      },
    });
  });

  test.each([
    [{ tokens: 350 }, { unit: "tokens", limit: 350, used: 200, asked: 200 }],
    [{ calls: 1 }, { unit: "calls", limit: 1, used: 1, asked: 1 }],
  ])("of %j counts in its unit", async (budget, exceeded) => {
    const { start, spend } = await openDesk();
    const runId = await start({ budget });
    expect((await spend(runId)).outcome).toBe("reserved");
    expect(await spend(runId)).toMatchObject({ budget: exceeded });
  });

  test("charges what was used, not what was reserved", async () => {
    const { t, start, spend } = await openDesk();
    const runId = await start({ budget: { usd: 0.05 } });
    for (let index = 0; index < 40; index++) {
      expect((await spend(runId, { nanoUsd: CENT / 10n, reserve: CENT })).outcome).toBe("reserved");
    }
    expect(await t.gp.budgets.get(runId)).toMatchObject({ usd: { limit: 0.05, spent: 0.04, reserved: 0 } });
    expect((await spend(runId, { nanoUsd: CENT / 10n, reserve: CENT + 1n })).outcome).toBe("exceeded");
  });

  test("has a call wait for those under way, as long as they alone may take what is left", async () => {
    const { t, ledger, start } = await openDesk();
    const runId = await start({ budget: { usd: 0.02 } });
    const [first, second, third] = [0, 0, 0].map(() => call({ scope: scopeOf(runId) }));
    for (const planned of [first, second]) {
      expect((await ledger.reserve(planned as never)).outcome).toBe("reserved");
    }
    expect(await ledger.reserve(third as never)).toEqual({ outcome: "wait", waitMs: 100 });
    expect(await t.gp.budgets.get(runId)).toMatchObject({ usd: { limit: 0.02, spent: 0, reserved: 0.02 } });
    await ledger.settle(outcome(first?.callId ?? "", { costNanoUsd: 1n }));
    expect((await ledger.reserve(third as never)).outcome).toBe("wait");
    await ledger.settle(outcome(second?.callId ?? "", { costNanoUsd: CENT }));
    expect((await ledger.reserve(third as never)).outcome).toBe("exceeded");
  });

  test("of a tree holds for the runs below it, each of which may have its own", async () => {
    const { t, spend } = await openDesk();
    const [top, child] = await withChild(t, { budget: { calls: 3 }, child: { calls: 2 } });
    expect((await spend(child)).outcome).toBe("reserved");
    expect((await spend(child)).outcome).toBe("reserved");
    expect(await spend(child)).toMatchObject({ budget: { of: "tree", key: child, limit: 2 } });
    expect((await spend(top)).outcome).toBe("reserved");
    expect(await spend(top)).toMatchObject({ budget: { of: "tree", key: top, limit: 3 } });
  });

  test("of a run alone leaves out the runs below it", async () => {
    const { t, spend } = await openDesk();
    const [top, child] = await withChild(t, { budget: { calls: 1, scope: "run" } });
    expect((await spend(child)).outcome).toBe("reserved");
    expect((await spend(top)).outcome).toBe("reserved");
    expect(await spend(top)).toMatchObject({ outcome: "exceeded", budget: { of: "run", key: top } });
    expect((await spend(child)).outcome).toBe("reserved");
  });

  test("of a label holds for all runs with it, from when it is set", async () => {
    const { t, start, spend } = await openDesk();
    const team = randomUUID();
    const [one, two] = [await start({ labels: { team } }), await start({ labels: { team, other: "x" } })];
    await spend(one);
    const label = { label: { team } };
    await t.gp.budgets.set(label, { calls: 2 });
    expect((await spend(one)).outcome).toBe("reserved");
    expect((await spend(two)).outcome).toBe("reserved");
    expect(await spend(one)).toMatchObject({ budget: { of: "label", key: `team=${team}`, unit: "calls" } });
    expect(await t.gp.budgets.get(label)).toMatchObject({
      runId: null,
      ...label,
      calls: { limit: 2, spent: 2 },
    });
    expect((await t.gp.budgets.list()).find((one) => one.label?.team === team)).toBeDefined();
  });

  test("of a label holds for calls without a run, too", async () => {
    const { t, ledger } = await openDesk();
    const team = randomUUID();
    await t.gp.budgets.set({ label: { team } }, { calls: 1 });
    const scope = { ...FREE, labels: { team } };
    expect((await ledger.reserve(call({ scope }))).outcome).toBe("reserved");
    expect((await ledger.reserve(call({ scope }))).outcome).toBe("exceeded");
  });

  test("of a request holds for its calls together, and only fails", async () => {
    const { ledger } = await openDesk();
    const requestId = randomUUID();
    const budget: Budget = { usd: 0.01, onExceed: "pause" };
    const first = call({ requestId, budget });
    await ledger.reserve(first);
    await ledger.settle(outcome(first.callId));
    expect(await ledger.reserve(call({ requestId, budget }))).toMatchObject({
      outcome: "exceeded",
      budget: { of: "request", key: requestId, onExceed: "fail" },
    });
  });

  test("in usd refuses calls whose price nobody knows; others let them through", async () => {
    const { t, ledger, start } = await openDesk();
    const priced = await start({ budget: { usd: 1, onExceed: "pause" } });
    const planned = (runId: string) => call({ scope: scopeOf(runId), costNanoUsd: null });
    expect(await ledger.reserve(planned(priced))).toMatchObject({
      budget: { unit: "usd", unknownPrice: true, onExceed: "fail" },
    });
    expect(await statusOf(t, priced)).toBe("running");
    const counted = await start({ budget: { calls: 1 } });
    expect((await ledger.reserve(planned(counted))).outcome).toBe("reserved");
  });

  test("charges a call without a price by what it was reserved at", async () => {
    const { t, ledger, start } = await openDesk();
    const runId = await start({ budget: { usd: 1 } });
    const planned = call({ scope: scopeOf(runId) });
    await ledger.reserve(planned);
    const usage = tokens({ inputTokens: 50, outputTokens: 50 });
    await ledger.settle(outcome(planned.callId, { usage, costNanoUsd: null, priceSource: "unknown" }));
    expect(await t.gp.budgets.get(runId)).toMatchObject({ usd: { spent: 0.005 } });
  });

  test("that pauses pauses its run and those below it; raising it lets them go on", async () => {
    const { t, spend } = await openDesk();
    const [top, child] = await withChild(t, { budget: { calls: 1, onExceed: "pause" } });
    await spend(child);
    expect(await spend(child)).toMatchObject({
      outcome: "exceeded",
      budget: { of: "tree", onExceed: "pause" },
    });
    expect([await statusOf(t, top), await statusOf(t, child)]).toEqual(["paused", "paused"]);
    expect((await t.gp.budgets.get(top))?.pausedRuns).toEqual([top, child].toSorted());
    const raised = await t.gp.budgets.raise(top, { calls: 5 });
    expect(raised).toMatchObject({ calls: { limit: 5, spent: 1 }, pausedRuns: [] });
    expect([await statusOf(t, top), await statusOf(t, child)]).toEqual(["running", "running"]);
    expect((await spend(child)).outcome).toBe("reserved");
  });

  test("of a label pauses all that belongs together with the run, and no other run", async () => {
    const { t, start, spend } = await openDesk();
    const team = randomUUID();
    await t.gp.budgets.set({ label: { team } }, { calls: 1, onExceed: "pause" });
    const [one, other] = [await start({ labels: { team } }), await start({ labels: { team } })];
    await spend(one);
    expect((await spend(one)).outcome).toBe("exceeded");
    expect([await statusOf(t, one), await statusOf(t, other)]).toEqual(["paused", "running"]);
    await t.gp.budgets.set({ label: { team } }, { calls: 2, onExceed: "pause" });
    expect(await statusOf(t, one)).toBe("running");
  });

  test("raised leaves runs paused that somebody else paused", async () => {
    const { t, start, spend } = await openDesk();
    const runId = await start({ budget: { calls: 1, onExceed: "pause" } });
    await spend(runId);
    await t.gp.runs.pause(runId);
    expect((await spend(runId)).outcome).toBe("exceeded");
    await t.gp.budgets.raise(runId, { calls: 2 });
    expect(await statusOf(t, runId)).toBe("paused");
  });

  test("is not lowered below what is spent", async () => {
    const { t, start, spend } = await openDesk();
    const runId = await start({ budget: { usd: 1 } });
    await spend(runId, { nanoUsd: 50n * CENT });
    expect(await rejection(t.gp.budgets.raise(runId, { usd: 0.4 }))).toMatchObject({
      code: "INVALID_INPUT",
      message: expect.stringContaining("0.5 is spent already"),
    });
    expect(await t.gp.budgets.raise(runId, { usd: 0.5, tokens: 1000 })).toMatchObject({
      usd: { limit: 0.5 },
      tokens: { limit: 1000, spent: 200 },
    });
  });

  test("warns at 50 and 80 %, once each, in the log and in the events of its run", async () => {
    const { t, start, spend, warnings } = await openDesk();
    const runId = await start({ budget: { usd: 0.1 }, events: true });
    for (let cents = 0; cents < 10; cents++) {
      expect((await spend(runId)).outcome).toBe("reserved");
    }
    await t.gp.runs.cancel(runId);
    const told: RunEvent[] = [];
    for await (const event of t.gp.runs.events(runId)) {
      told.push(event);
    }
    const expected = [
      { of: "tree", key: runId, unit: "usd", limit: 0.1, used: 0.05, percent: 50 },
      { of: "tree", key: runId, unit: "usd", limit: 0.1, used: 0.08, percent: 80 },
    ];
    const found = told.filter((event) => event.type === "budget_warning");
    expect(found.map((event) => event.budget)).toEqual(expected);
    expect(warnings).toEqual(expected);
    expect(told.at(-1)).toMatchObject({ type: "workflow_cancelled", budget: null });
  });

  test("warns of both shares at once if one call spends them, and again of a new limit", async () => {
    const { t, start, spend, warnings } = await openDesk();
    const runId = await start({ budget: { calls: 100, usd: 0.1 } });
    await spend(runId, { nanoUsd: 9n * CENT });
    expect(warnings).toMatchObject([{ percent: 50 }, { percent: 80 }]);
    await t.gp.budgets.raise(runId, { usd: 0.16 });
    await spend(runId);
    expect(warnings).toHaveLength(2);
    await spend(runId, { nanoUsd: 3n * CENT });
    expect(warnings.slice(2)).toMatchObject([{ percent: 80, limit: 0.16, used: 0.13 }]);
  });

  test.each([
    [{ usd: 0 }, "budget.usd is 0"],
    [{ usd: -1 }, "budget.usd is -1"],
    [{ tokens: 1.5 }, "budget.tokens is 1.5"],
    [{ calls: "3" }, "budget.calls is 3"],
    [{}, "limits nothing"],
    [{ usd: 1, onExceed: "stop" }, 'budget.onExceed is "stop"'],
    [{ usd: 1, scope: "label" }, 'budget.scope is "label"'],
    [{ usd: 1, dollars: 2 }, 'budget has "dollars"'],
    [5, "must be an object"],
  ])("is refused as %j", async (budget, message) => {
    const t = await backend.client();
    const w = workflow("refused").step("a", () => 0);
    const refused = { code: "INVALID_INPUT", message: expect.stringContaining(message) };
    expect(await rejection(t.gp.start(w, null, { budget: budget as never }))).toMatchObject(refused);
  });

  test("is refused where the target or the limits are wrong", async () => {
    const { t, start } = await openDesk();
    const { budgets } = t.gp;
    const refused = async (work: Promise<unknown>, code: string, message: string): Promise<void> =>
      expect(await rejection(work)).toMatchObject({ code, message: expect.stringContaining(message) });
    const invalid = "INVALID_INPUT";
    await refused(budgets.set({ label: {} }, { usd: 1 }), invalid, "name one label");
    await refused(budgets.set({ label: { a: "b", c: "d" } }, { usd: 1 }), invalid, "name one label");
    await refused(budgets.set({ label: { "a=b": "c" } }, { usd: 1 }), invalid, '"="');
    await refused(budgets.set({ label: { a: "b" } }, { scope: "run", usd: 1 } as never), invalid, "scope");
    await refused(budgets.raise(randomUUID(), { usd: 1 }), "RUN_NOT_FOUND", "no run");
    await refused(budgets.raise(await start(), { usd: 1 }), "INVALID_STATE", "without a budget");
    await refused(
      budgets.raise({ label: { no: randomUUID() } }, { usd: 1 }),
      "INVALID_STATE",
      "gp.budgets.set",
    );
    const runId = await start({ budget: { usd: 1 } });
    await refused(budgets.raise(runId, {}), invalid, "limits nothing");
    await refused(budgets.raise(runId, { usd: 2, onExceed: "fail" } as never), invalid, '"onExceed"');
    expect(await budgets.get(await start())).toBeNull();
  });
});

describeOnEachBackend("a shared rate limit", (backend) => {
  async function openLedgers(rateLimits: Parameters<typeof createLedger>[0]["rateLimits"]) {
    const t = await backend.client();
    const driver = timedDriver(backend.driver, t.clock);
    const make = () => createLedger({ driver, logger: silentLogger, worker: randomUUID(), rateLimits });
    return { t, one: make(), two: make() };
  }

  test("lets a minute's calls through at once, on all instances together, and then one as each drains", async () => {
    const provider = randomUUID();
    const { t, one, two } = await openLedgers({ [provider]: { requestsPerMinute: 3 } });
    for (const ledger of [one, two, one]) {
      expect((await ledger.reserve(call({ provider }))).outcome).toBe("reserved");
    }
    expect(await two.reserve(call({ provider }))).toEqual({ outcome: "wait", waitMs: 20_000 });
    t.clock.advance(19_999);
    expect(await two.reserve(call({ provider }))).toEqual({ outcome: "wait", waitMs: 1 });
    t.clock.advance(1);
    expect((await two.reserve(call({ provider }))).outcome).toBe("reserved");
    expect(await one.reserve(call({ provider }))).toEqual({ outcome: "wait", waitMs: 20_000 });
    t.clock.advance(600_000);
    for (const ledger of [one, two, one]) {
      expect((await ledger.reserve(call({ provider }))).outcome).toBe("reserved");
    }
    expect((await one.reserve(call({ provider }))).outcome).toBe("wait");
  });

  test("of tokens gives back what was reserved and not used", async () => {
    const provider = randomUUID();
    const { one } = await openLedgers({ [provider]: { tokensPerMinute: 300 } });
    const first = call({ provider });
    await one.reserve(first);
    expect(await one.reserve(call({ provider }))).toEqual({ outcome: "wait", waitMs: 20_000 });
    await one.settle(outcome(first.callId, { usage: tokens({ inputTokens: 50, outputTokens: 50 }) }));
    expect((await one.reserve(call({ provider }))).outcome).toBe("reserved");
  });

  test("lets a call of more tokens than a minute has through when nothing else is there", async () => {
    const provider = randomUUID();
    const { t, one } = await openLedgers({ [provider]: { tokensPerMinute: 100 } });
    expect((await one.reserve(call({ provider }))).outcome).toBe("reserved");
    expect(await one.reserve(call({ provider }))).toEqual({ outcome: "wait", waitMs: 120_000 });
    t.clock.advance(120_000);
    expect((await one.reserve(call({ provider }))).outcome).toBe("reserved");
  });

  test("of a model is that model's alone; that of its provider holds as well", async () => {
    const provider = randomUUID();
    const { one } = await openLedgers({
      [provider]: { requestsPerMinute: 2 },
      [`${provider}/large`]: { requestsPerMinute: 1 },
    });
    const ask = async (model: string) => (await one.reserve(call({ provider, model }))).outcome;
    expect(await ask("large")).toBe("reserved");
    expect(await ask("large")).toBe("wait");
    expect(await ask("small")).toBe("reserved");
    expect(await ask("small")).toBe("wait");
  });

  test("holds back all callers of a model when its provider asks for it, limit or not", async () => {
    const provider = randomUUID();
    const { t, one, two } = await openLedgers({});
    await one.holdBack(provider, "large", 5000);
    await one.holdBack(provider, "large", 1000);
    expect(await two.reserve(call({ provider }))).toEqual({ outcome: "wait", waitMs: 5000 });
    expect((await two.reserve(call({ provider, model: "small" }))).outcome).toBe("reserved");
    t.clock.advance(5000);
    expect((await two.reserve(call({ provider }))).outcome).toBe("reserved");
  });

  test("that has a call wait takes nothing of its budgets", async () => {
    const provider = randomUUID();
    const { t, one } = await openLedgers({ [provider]: { requestsPerMinute: 1 } });
    const team = randomUUID();
    await t.gp.budgets.set({ label: { team } }, { calls: 5 });
    const scope = { ...FREE, labels: { team } };
    await one.reserve(call({ provider, scope }));
    await one.reserve(call({ provider, scope }));
    expect(await t.gp.budgets.get({ label: { team } })).toMatchObject({ calls: { spent: 0, reserved: 1 } });
  });
});

describeOnEachBackend("gp.usage.summary", (backend) => {
  test("sums up by what it is asked for", async () => {
    const t = await backend.client();
    const ledger = createLedger({
      driver: timedDriver(backend.driver, t.clock),
      logger: silentLogger,
      worker: randomUUID(),
    });
    const spend = async (model: string, nanoUsd: bigint, ctx?: StepContext<never>): Promise<void> => {
      const scope = ctx
        ? scopeOf(ctx.runId, { workflow: "summed", taskId: "a", instance: "i1" })
        : { ...FREE, instance: "i2" };
      const planned = call({ model, provider: `of_${model}`, scope });
      await ledger.reserve(planned);
      await ledger.settle(outcome(planned.callId, { costNanoUsd: nanoUsd }));
    };
    const since = new Date(t.clock.now() + 86_400_000);
    t.clock.advance(86_400_000);
    const w = workflow("summed").step("a", async (_, ctx) => {
      await spend("m1", 3n * CENT, ctx as never);
      await spend("m2", CENT, ctx as never);
    });
    await t.gp.start(w, null, { labels: { team: "x", customer: "acme" } });
    await t.settle();
    t.clock.advance(86_400_000);
    await spend("m1", CENT);
    await ledger.reserve(call());
    const by = async (
      ...groupBy: ("model" | "workflow" | "task" | "label" | "instance" | "day" | "provider")[]
    ) =>
      (await t.gp.usage.summary({ since, groupBy })).map(({ calls, costUsd, inputTokens: _, ...row }) => [
        ...groupBy.map((key) => row[key]),
        calls,
        costUsd,
      ]);
    expect(await by()).toEqual([[3, 0.05]]);
    expect(await by("model")).toEqual([
      ["m1", 2, 0.04],
      ["m2", 1, 0.01],
    ]);
    expect(await by("provider", "model")).toEqual([
      ["of_m1", "m1", 2, 0.04],
      ["of_m2", "m2", 1, 0.01],
    ]);
    expect(await by("workflow", "task")).toEqual([
      ["summed", "a", 2, 0.04],
      [null, null, 1, 0.01],
    ]);
    expect(await by("label")).toEqual([
      ["customer=acme", 2, 0.04],
      ["team=x", 2, 0.04],
      [null, 1, 0.01],
    ]);
    expect(await by("instance")).toEqual([
      ["i1", 2, 0.04],
      ["i2", 1, 0.01],
    ]);
    expect(await by("day")).toEqual([
      ["2026-01-02", 2, 0.04],
      ["2026-01-03", 1, 0.01],
    ]);
    const teams = await t.gp.usage.summary({ since, groupBy: ["label"], label: "team" });
    expect(teams).toMatchObject([
      { label: "team=x", calls: 2 },
      { label: null, calls: 1 },
    ]);
    expect(await t.gp.usage.summary({ since, until: new Date(since.getTime() + 1000) })).toMatchObject([
      { calls: 2, costUsd: 0.04, estimated: false },
    ]);
    expect(await t.gp.usage.summary({ since: "2090-01-01" })).toMatchObject([{ calls: 0, costUsd: 0 }]);
    expect(await t.gp.usage.summary({ since: "2090-01-01", groupBy: ["day"] })).toEqual([]);
  });

  test.each([
    [{ since: "yesterday" }, "since is yesterday"],
    [{ groupBy: ["colour"] }, 'groupBy is "colour"'],
    [{ groupBy: "model" }, "must be a list"],
    [{ label: "team" }, 'needs groupBy: ["label"]'],
    [{ from: 1 }, '"from"'],
  ])("is refused with %j", async (filter, message) => {
    const t = await backend.client();
    expect(await rejection(t.gp.usage.summary(filter as never))).toMatchObject({
      code: "INVALID_INPUT",
      message: expect.stringContaining(message),
    });
  });
});
