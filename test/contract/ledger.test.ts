import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { takeAllForLost } from "../../src/attendance.ts";
import type { Ledger } from "../../src/core/ledger.ts";
import { type StepContext, silentLogger, workflow } from "../../src/index.ts";
import { createLedger, recoverCalls } from "../../src/store/ledger.ts";
import { timedDriver } from "../../src/store/timed-driver.ts";
import type { TestGoalpost } from "../../src/testing/index.ts";
import { CENT, call, FREE, outcome, scopeOf, tokens } from "../ledger-calls.ts";
import { rejection } from "../promises.ts";
import { type Backend, describeOnEachBackend } from "./backends.ts";

const NO_TOKENS = tokens({ inputTokens: 0, outputTokens: 0 });

interface Book {
  readonly t: TestGoalpost;
  readonly ledger: Ledger;
  readonly worker: string;
  readonly recover: () => Promise<number>;
}

async function openBook(
  backend: Backend,
  options: {
    rateLimits?: Parameters<typeof createLedger>[0]["rateLimits"];
    clock?: TestGoalpost["clock"];
  } = {},
): Promise<Book> {
  const t = await backend.client({ clock: options.clock });
  const worker = randomUUID();
  const driver = timedDriver(backend.driver, t.clock);
  const ledger = createLedger({ driver, logger: silentLogger, worker, ...options });
  return { t, worker, ledger, recover: () => recoverCalls(driver) };
}

/** A workflow whose step makes one call, and more where it is told to. */
function calling(ledger: Ledger, more: { calls?: number; children?: number; name?: string } = {}) {
  const { calls = 1, children = 0, name = `calling_${calls}_${children}` } = more;
  return workflow<number>(name).step("a", async (_, ctx) => {
    for (let index = 0; index < children; index++) {
      await ctx.execute(calling(ledger, { name: "called" }), 0, { key: `child${index}` });
    }
    await ctx.once("calls", async () => {
      for (let index = 0; index < calls; index++) {
        const planned = call({ scope: scopeOf(ctx.runId) });
        await ledger.reserve(planned);
        await ledger.settle(outcome(planned.callId));
      }
    });
  });
}

describeOnEachBackend("the ledger", (backend) => {
  async function row(callId: string): Promise<Record<string, unknown>> {
    const [found] = await backend.query(
      `select request_id, run_id, root_run_id, workflow, position, task, item, attempt, instance, labels::text, kind,
         provider, model, served_model, status, input_tokens::int, cache_read_tokens::int, output_tokens::int,
         reasoning_tokens::int, estimated, cost_nano_usd::text, price_source, unit_prices::text, ended_at is not null as ended,
         finish_reason, error_kind, provider_request_id, response_id, first_text_ms::int
       from goalpost.llm_calls where id = $1`,
      [callId],
    );
    return found ?? {};
  }

  test("has a row of each call before it is made, with what it may use at most", async () => {
    const { ledger } = await openBook(backend);
    const planned = call({ requestId: "req", scope: { ...FREE, labels: { team: "x" } } });
    expect(await ledger.reserve(planned)).toEqual({ outcome: "reserved" });
    expect(await row(planned.callId)).toMatchObject({
      request_id: "req",
      run_id: null,
      labels: '{"team": "x"}',
      status: "reserved",
      input_tokens: 100,
      output_tokens: 100,
      estimated: true,
      cost_nano_usd: "10000000",
      price_source: "estimate",
      ended: false,
    });
  });

  test("settles a call once", async () => {
    const { ledger } = await openBook(backend);
    const planned = call();
    await ledger.reserve(planned);
    const used = tokens({ inputTokens: 7, cacheReadTokens: 5, outputTokens: 3, reasoningTokens: 2 });
    await ledger.settle(outcome(planned.callId, { usage: used, costNanoUsd: 42n, firstTextMs: 9 }));
    await ledger.settle(outcome(planned.callId, { status: "error", costNanoUsd: 43n }));
    expect(await row(planned.callId)).toMatchObject({
      status: "ok",
      input_tokens: 7,
      cache_read_tokens: 5,
      output_tokens: 3,
      reasoning_tokens: 2,
      estimated: false,
      cost_nano_usd: "42",
      price_source: "catalogue",
      unit_prices: '{"input": 1, "output": 2}',
      served_model: "large-1",
      finish_reason: "stop",
      provider_request_id: "req_1",
      response_id: "resp_1",
      first_text_ms: 9,
      ended: true,
    });
  });

  test("has a call that is over and cost nothing at once, however often it is told of it", async () => {
    const { ledger } = await openBook(backend);
    const planned = call({ kind: "embedding", costNanoUsd: 0n });
    const used = outcome(planned.callId, { usage: tokens({ inputTokens: 7 }), costNanoUsd: 0n });
    expect(await ledger.record(planned, used)).toEqual({ outcome: "reserved" });
    expect(await ledger.record(planned, used)).toEqual({ outcome: "reserved" });
    const { status, input_tokens, cost_nano_usd, ended } = await row(planned.callId);
    expect([status, input_tokens, cost_nano_usd, ended]).toEqual(["ok", 7, "0", true]);
  });

  test("has no call that costs nothing where its budget has no room for it", async () => {
    const { ledger } = await openBook(backend);
    const planned = call({ costNanoUsd: 0n, budget: { tokens: 10 } });
    const answer = await ledger.record(planned, outcome(planned.callId, { costNanoUsd: 0n }));
    expect(answer).toMatchObject({ outcome: "exceeded", budget: { unit: "tokens", limit: 10 } });
    expect(await row(planned.callId)).toEqual({});
  });

  test("keeps what was reserved, as an estimate, where nobody knows what was used", async () => {
    const { ledger } = await openBook(backend);
    const planned = call({ requestId: randomUUID() });
    await ledger.reserve(planned);
    await ledger.settle(
      outcome(planned.callId, {
        status: "aborted",
        usage: null,
        costNanoUsd: null,
        priceSource: "estimate",
        errorKind: "aborted",
      }),
    );
    expect(await row(planned.callId)).toMatchObject({
      status: "aborted",
      error_kind: "aborted",
      estimated: true,
    });
    expect(await ledger.usageOf(planned.requestId)).toMatchObject({
      inputTokens: 100,
      outputTokens: 100,
      calls: 1,
      costUsd: 0.01,
      estimated: true,
    });
  });

  test("reserves a call once, however often it is asked to", async () => {
    const { ledger } = await openBook(backend);
    const planned = call({ budget: { calls: 1 } });
    expect(await ledger.reserve(planned)).toEqual({ outcome: "reserved" });
    expect(await ledger.reserve(planned)).toEqual({ outcome: "reserved" });
    await ledger.settle(outcome(planned.callId));
    expect((await ledger.usageOf(planned.requestId)).calls).toBe(1);
  });

  test("sums up the calls of a request; the sum has no cost if one of them has none", async () => {
    const { ledger } = await openBook(backend);
    const requestId = randomUUID();
    const [first, second] = [call({ requestId }), call({ requestId })];
    await ledger.reserve(first);
    await ledger.settle(outcome(first.callId));
    await ledger.reserve(second);
    expect(await ledger.usageOf(requestId)).toMatchObject({ calls: 1, costUsd: 0.01, estimated: false });
    await ledger.settle(outcome(second.callId, { costNanoUsd: null, priceSource: "unknown" }));
    expect(await ledger.usageOf(requestId)).toMatchObject({ calls: 2, inputTokens: 200, costUsd: null });
  });

  test("keeps costs that are larger and smaller than floats can add up", async () => {
    const { ledger } = await openBook(backend);
    const requestId = randomUUID();
    for (const costNanoUsd of [9_000_000_000_000_001n, 1n, 1n]) {
      const planned = call({ requestId, costNanoUsd });
      await ledger.reserve(planned);
      await ledger.settle(outcome(planned.callId, { costNanoUsd }));
    }
    const [sum] = await backend.query(
      "select sum(cost_nano_usd)::text as sum from goalpost.llm_calls where request_id = $1",
      [requestId],
    );
    expect(sum?.sum).toBe("9000000000000003");
  });

  test("is on the account of the runs above: their labels, the nearer ones first, and their root", async () => {
    const { t, ledger } = await openBook(backend);
    const child = workflow("child").step("a", async (_, ctx) => {
      await ledger.reserve(call({ callId: ctx.runId, scope: scopeOf(ctx.runId) }));
      await ledger.settle(outcome(ctx.runId));
      return ctx.runId;
    });
    const parent = workflow("parent").step("p", (_, ctx) =>
      ctx.execute(child, null, { key: "c", labels: { team: "y" } }).then(({ output }) => output.a),
    );
    const handle = await t.gp.start(parent, null, { labels: { team: "x", customer: "acme" } });
    await t.settle();
    const { output } = await handle.result();
    expect(await row(output.p)).toMatchObject({
      run_id: output.p,
      root_run_id: handle.runId,
      labels: '{"team": "y", "customer": "acme"}',
    });
  });

  test("takes no more calls on the account of a run that is over", async () => {
    const { t, ledger } = await openBook(backend);
    const { runId } = await t.gp.start(calling(ledger), 0);
    await t.settle();
    expect(await rejection(ledger.reserve(call({ scope: scopeOf(runId) })))).toMatchObject({
      code: "CANCELLED",
      message: expect.stringContaining("completed"),
    });
  });

  test.each([
    [{ acme: { requestsPerMinute: 0 } }, "requestsPerMinute is 0"],
    [{ acme: { tokensPerMinute: -1 } }, "tokensPerMinute is -1"],
    [{ acme: { perMinute: 1 } }, '"perMinute"'],
  ])("is not opened with the rate limits %j", async (rateLimits, message) => {
    const options = { driver: backend.driver, logger: silentLogger, worker: randomUUID() };
    expect(() => createLedger({ ...options, rateLimits: rateLimits as never })).toThrow(message);
  });
});

describeOnEachBackend("what a run used", (backend) => {
  test("is in its result, that of the runs below it included", async () => {
    const { t, ledger } = await openBook(backend);
    const handle = await t.gp.start(calling(ledger, { calls: 2, children: 3 }), 0);
    await t.settle();
    const { usage } = await handle.result();
    expect(usage).toEqual({
      inputTokens: 500,
      cacheReadTokens: 0,
      cacheWriteTokens: 0,
      outputTokens: 500,
      reasoningTokens: 0,
      calls: 5,
      costUsd: 0.05,
      estimated: false,
    });
    expect(await t.gp.usage.run(handle.runId)).toEqual({
      ...usage,
      models: [{ provider: "acme", model: "large", ...usage }],
    });
  });

  test("is in the results of goals, and in what ctx.execute returns", async () => {
    const { t, ledger } = await openBook(backend);
    const seen: number[] = [];
    const steps = {
      work: async (_: unknown, ctx: StepContext) => {
        const child = await ctx.execute(calling(ledger), 0, { key: "c" });
        seen.push(child.usage.calls);
      },
    };
    const handle = await t.gp.startGoal("work", () => [{ id: "work", description: "work" }], steps as never);
    await t.settle();
    expect((await handle.result()).usage).toMatchObject({ calls: 1, costUsd: 0.01 });
    expect(seen).toEqual([1]);
  });

  test("is nothing, and asks the database nothing, for a run without calls", async () => {
    const { t } = await openBook(backend);
    const handle = await t.gp.start(
      workflow("idle").step("a", () => 1),
      null,
    );
    await t.settle();
    expect((await handle.result()).usage).toMatchObject({ calls: 0, costUsd: 0, estimated: false });
    expect(await t.gp.usage.run(handle.runId)).toMatchObject({ calls: 0, costUsd: 0, models: [] });
    const rows = await backend.query("select billed from goalpost.runs where id = $1::uuid", [handle.runId]);
    expect(rows).toEqual([{ billed: false }]);
  });

  test("counts a call that was never settled as it was reserved, and stays so", async () => {
    const { t, ledger } = await openBook(backend);
    const left = call();
    const w = workflow("leaves_a_call").step("a", async (_, ctx) => {
      await ledger.reserve({ ...left, scope: scopeOf(ctx.runId) });
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    const { usage } = await handle.result();
    expect(usage).toMatchObject({ calls: 1, costUsd: 0.01, estimated: true });
    await ledger.settle(outcome(left.callId, { usage: NO_TOKENS, costNanoUsd: 0n }));
    expect(await t.gp.usage.run(handle.runId)).toMatchObject({ calls: 1, costUsd: 0.01, estimated: true });
  });

  test("of a run below another is its own and that of those below it only", async () => {
    const { t, ledger } = await openBook(backend);
    let childId = "";
    const middle = workflow("middle").step("a", async (_, ctx) => {
      childId = ctx.runId;
      await ctx.execute(calling(ledger), 0, { key: "c" });
    });
    const top = workflow("top").step("a", async (_, ctx) => {
      await ctx.execute(middle, null, { key: "m" });
      await ctx.execute(calling(ledger), 0, { key: "c" });
    });
    const handle = await t.gp.start(top, null);
    await t.settle();
    expect((await handle.result()).usage.calls).toBe(2);
    expect((await t.gp.usage.run(childId)).calls).toBe(1);
  });

  test("is known after the run is pruned, and unknown for runs that never were", async () => {
    const { t, ledger } = await openBook(backend);
    const { runId } = await t.gp.start(calling(ledger, { children: 1 }), 0, { budget: { calls: 9 } });
    await t.settle();
    t.clock.advance(10_000);
    await t.gp.runs.prune({ olderThanMs: 1000 });
    expect(await rejection(t.gp.runs.get(runId))).toMatchObject({ code: "RUN_NOT_FOUND" });
    expect(await t.gp.usage.run(runId)).toMatchObject({ calls: 2, costUsd: 0.02 });
    expect(await backend.query("select 1 from goalpost.budgets where key = $1", [runId])).toEqual([]);
    expect(await rejection(t.gp.usage.run(randomUUID()))).toMatchObject({ code: "RUN_NOT_FOUND" });
    expect(await rejection(t.gp.usage.run("no id"))).toMatchObject({ code: "RUN_NOT_FOUND" });
  });

  test("is in job_results in cents, each run's own: 0 without calls, null if a price is unknown", async () => {
    const { t, ledger } = await openBook(backend);
    const priceless = workflow("priceless").step("a", async (_, ctx) => {
      const planned = call({ scope: scopeOf(ctx.runId), costNanoUsd: null });
      await ledger.reserve(planned);
      await ledger.settle(outcome(planned.callId, { costNanoUsd: null, priceSource: "unknown" }));
    });
    const none = workflow("none").step("a", () => 1);
    const runs = await Promise.all([
      t.gp.start(calling(ledger, { calls: 3, children: 1 }), 0),
      t.gp.start(priceless, null),
      t.gp.start(none, null),
    ]);
    await t.settle();
    const cents = await backend.query<{ run_id: string; cost_cents: string | number | null }>(
      "select run_id, cost_cents::float8 from goalpost.job_results where run_id = any($1::uuid[])",
      [runs.map((run) => run.runId)],
    );
    const byRun = new Map(cents.map((one) => [one.run_id, one.cost_cents]));
    expect(runs.map((run) => byRun.get(run.runId))).toEqual([3, null, 0]);
  });

  test("is fresh for a run that retries another", async () => {
    const { t, ledger } = await openBook(backend);
    let fails = true;
    const w = workflow("again").step("a", { maxAttempts: 1 }, async (_, ctx) => {
      const planned = call({ scope: scopeOf(ctx.runId) });
      await ledger.reserve(planned);
      await ledger.settle(outcome(planned.callId));
      if (fails) {
        throw new Error("not yet");
      }
    });
    const { runId } = await t.gp.start(w, null, { budget: { usd: 0.015, onExceed: "pause", scope: "run" } });
    await t.settle();
    fails = false;
    const retryId = await t.gp.runs.retry(runId);
    await t.settle();
    expect((await t.gp.runs.get(retryId)).status).toBe("completed");
    expect((await t.gp.usage.run(retryId)).calls).toBe(1);
    expect(await t.gp.budgets.get(retryId)).toMatchObject({
      of: "run",
      usd: { limit: 0.015, spent: 0.01, reserved: 0 },
      onExceed: "pause",
    });
  });
});

describeOnEachBackend("a call whose worker is gone", (backend) => {
  async function loseWorker(book: Book, status: "lost" | "stopped"): Promise<void> {
    await backend.query(
      `insert into goalpost.instances (worker, name, host, pid, version, status, lanes, started_at, heartbeat_at)
       values ($1::uuid, $2, 'h', 1, '0', $3, '{}', now(), now())`,
      [book.worker, `gone ${book.worker}`, status],
    );
  }

  test.each(["lost", "stopped"] as const)("(%s) is settled as an estimate", async (status) => {
    const book = await openBook(backend);
    const planned = call({ requestId: randomUUID() });
    await book.ledger.reserve(planned);
    await book.recover();
    expect(await book.ledger.usageOf(planned.requestId)).toMatchObject({ calls: 0 });
    await loseWorker(book, status);
    await book.recover();
    expect(await book.ledger.usageOf(planned.requestId)).toMatchObject({
      calls: 1,
      costUsd: 0.01,
      estimated: true,
    });
  });

  test("is put right by who made it, if that is heard of yet", async () => {
    const book = await openBook(backend);
    await book.t.gp.budgets.set({ label: { book: book.worker } }, { usd: 1 });
    const planned = call({ requestId: randomUUID(), scope: { ...FREE, labels: { book: book.worker } } });
    await book.ledger.reserve(planned);
    await loseWorker(book, "lost");
    await book.recover();
    const spent = async () => (await book.t.gp.budgets.get({ label: { book: book.worker } }))?.usd?.spent;
    expect(await spent()).toBe(0.01);
    await book.ledger.settle(
      outcome(planned.callId, { usage: null, costNanoUsd: null, priceSource: "estimate" }),
    );
    expect(await spent()).toBe(0.01);
    await book.ledger.settle(outcome(planned.callId, { costNanoUsd: CENT / 2n }));
    await book.ledger.settle(outcome(planned.callId, { costNanoUsd: CENT * 2n }));
    expect(await book.ledger.usageOf(planned.requestId)).toMatchObject({ costUsd: 0.005, estimated: false });
    expect(await spent()).toBe(0.005);
  });

  test("whose run has ended stays as it is", async () => {
    const book = await openBook(backend);
    const planned = call();
    let runId = "";
    const w = workflow("ended").step("a", async (_, ctx) => {
      runId = ctx.runId;
      await book.ledger.reserve({ ...planned, scope: scopeOf(ctx.runId) });
    });
    await book.t.gp.start(w, null);
    await book.t.settle();
    await loseWorker(book, "lost");
    await book.recover();
    await book.ledger.settle(outcome(planned.callId, { costNanoUsd: 0n }));
    expect(await book.t.gp.usage.run(runId)).toMatchObject({ costUsd: 0.01, estimated: true });
  });

  test("is found by its age where nobody knows the worker", async () => {
    const book = await openBook(backend);
    const planned = call({ requestId: randomUUID() });
    await book.ledger.reserve(planned);
    book.t.clock.advance(3_599_000);
    await book.recover();
    expect((await book.ledger.usageOf(planned.requestId)).calls).toBe(0);
    book.t.clock.advance(2000);
    await book.recover();
    expect((await book.ledger.usageOf(planned.requestId)).calls).toBe(1);
  });

  test("is found by the name of its process where its worker carries nothing out", async () => {
    const book = await openBook(backend);
    const instance = `named ${book.worker}`;
    const planned = call({ requestId: randomUUID(), scope: { ...FREE, instance } });
    await book.ledger.reserve(planned);
    const insert = `insert into goalpost.instances (worker, name, host, pid, version, status, lanes, started_at, heartbeat_at)
      values ($1::uuid, $2, 'h', 1, '0', $3, '{}', now(), now())`;
    const other = randomUUID();
    await backend.query(insert, [other, instance, "online"]);
    await backend.query(insert, [randomUUID(), instance, "stopped"]);
    await book.recover();
    expect((await book.ledger.usageOf(planned.requestId)).calls).toBe(0);
    await backend.query("update goalpost.instances set status = 'lost' where worker = $1::uuid", [other]);
    await book.recover();
    expect((await book.ledger.usageOf(planned.requestId)).calls).toBe(1);
  });

  test("is settled when an embedded database is opened: nobody else can be making it", async () => {
    const book = await openBook(backend);
    const planned = call({ requestId: randomUUID() });
    await book.ledger.reserve(planned);
    await takeAllForLost(timedDriver(backend.driver, book.t.clock));
    expect(await book.ledger.usageOf(planned.requestId)).toMatchObject({ calls: 1, estimated: true });
  });

  test("is told of by a beat that sweeps", async () => {
    const book = await openBook(backend);
    await book.ledger.reserve(call());
    await loseWorker(book, "lost");
    const beat = { name: "b", host: "h", pid: 1, version: "0", queues: [], capabilities: [], lanes: [] };
    const [answer] = await backend.query<{ fleet: string }>(
      "select goalpost.beat($1::uuid, $2::json)::text as fleet",
      [randomUUID(), JSON.stringify({ ...beat, load: {}, sweep: true })],
    );
    expect(JSON.parse(answer?.fleet ?? "{}").leftBehind).toContain(book.worker);
  });
});
