import { expect, test } from "vitest";
import { GoalpostError, ModelError } from "../../src/index.ts";
import { rejection } from "../promises.ts";
import { fakeTask, never, openDesk, openScripted, Released, ScriptedModels, turns, USAGE } from "./fakes.ts";

const overloaded = new ModelError("overloaded", "busy", { status: 529 });
const limited = (retryAfterMs: number) =>
  new ModelError("rate_limited", "slow down", { status: 429, retryAfterMs });

test("an answer is reserved before the call and settled after, with what it cost", async () => {
  const desk = openScripted("It is a test.");
  const result = await desk.ask({ model: "m" });
  expect(result).toMatchObject({
    response: "It is a test.",
    parsed: null,
    provider: "scripted",
    model: "m",
    servedModel: "m-served",
    tokensUsed: 110,
    costCents: 11,
    usage: { inputTokens: 100, outputTokens: 10, calls: 1, costUsd: 0.11, estimated: false },
    messages: [{ role: "assistant", content: "It is a test." }],
    timestamp: "2026-01-01T00:00:00.000Z",
  });
  expect(desk.ledger.planned).toMatchObject([
    { outputTokens: 4096, kind: "chat", requestId: result.requestId },
  ]);
  expect(desk.ledger.planned[0]?.inputTokens).toBeGreaterThan(0);
  expect(desk.ledger.outcomes).toMatchObject([{ status: "ok", usage: USAGE, priceSource: "catalogue" }]);
});

test("usage that nobody told is counted by us and marked, never nothing", async () => {
  const desk = openScripted({ text: "four letters a token", usage: null });
  const { usage } = await desk.ask({ model: "m" });
  expect(usage).toMatchObject({ estimated: true });
  expect(usage.outputTokens).toBeGreaterThanOrEqual(5);
  expect(usage.inputTokens).toBeGreaterThan(0);
});

test("an unknown price makes the cost null, not zero", async () => {
  const desk = openScripted("yes");
  expect(await desk.ask({ model: "unknown-1" })).toMatchObject({ costCents: null, usage: { costUsd: null } });
});

test("what passes is tried again after a growing wait, and every try is on the ledger", async () => {
  const desk = openScripted(
    new ModelError("server", "oops", { status: 500, mayBeBilled: true }),
    new ModelError("network", "reset", { mayBeBilled: true }),
    "there",
  );
  const asked = desk.ask({ model: "m" });
  await turns();
  expect(desk.models.calls).toBe(1);
  desk.clock.advance(1000);
  await turns();
  expect(desk.models.calls).toBe(2);
  desk.clock.advance(2000);
  expect(await asked).toMatchObject({ response: "there", usage: { calls: 3, estimated: true } });
  expect(desk.ledger.outcomes.map(({ status, errorKind }) => [status, errorKind])).toEqual([
    ["error", "server"],
    ["error", "network"],
    ["ok", null],
  ]);
});

test("the provider's hint counts where it is longer, and other callers are held back as long", async () => {
  const desk = openScripted(limited(7000), "there");
  const asked = desk.ask({ model: "m" });
  await turns();
  expect(desk.ledger.held).toEqual([{ provider: "scripted", model: "m", waitMs: 7000 }]);
  desk.clock.advance(6999);
  await turns();
  expect(desk.models.calls).toBe(1);
  desk.clock.advance(1);
  expect(await asked).toMatchObject({ response: "there" });
});

test("a refusal of service at once costs nothing", async () => {
  const desk = openScripted(new ModelError("auth", "no such key", { status: 401, requestId: "r1" }));
  const error = await rejection(desk.ask({ model: "m" }));
  expect(error).toMatchObject({
    code: "PROVIDER_ERROR",
    retryable: false,
    details: { provider: "scripted", model: "m", kind: "auth", status: 401, requestId: "r1", tries: 1 },
  });
  expect(desk.ledger.outcomes).toMatchObject([
    { status: "error", errorKind: "auth", costNanoUsd: 0n, usage: { inputTokens: 0 } },
  ]);
});

test("after the last try the error says what went wrong, how often, and that another time may do", async () => {
  const desk = openScripted(overloaded);
  const asked = rejection(desk.ask({ model: "m", maxAttempts: 2 }));
  await turns();
  desk.clock.advance(1000);
  expect(await asked).toMatchObject({
    code: "PROVIDER_ERROR",
    message: "scripted m failed with overloaded (529) after 2 tries: busy",
    retryable: true,
    details: { kind: "overloaded", tries: 2 },
  });
});

test("a malformed answer is asked for once more, not three times", async () => {
  const desk = openScripted(new ModelError("malformed", "no JSON", { mayBeBilled: true }));
  const asked = rejection(desk.ask({ model: "m" }));
  await turns();
  desk.clock.advance(60_000);
  expect(await asked).toMatchObject({ details: { kind: "malformed", tries: 2 } });
});

test("an error of an adapter that is no ModelError is a failed call, and its message is not repeated", async () => {
  const desk = openScripted(new TypeError("secret prompt"));
  const asked = rejection(desk.ask({ model: "m", maxAttempts: 1 }));
  const error = await asked;
  expect(error).toMatchObject({ code: "PROVIDER_ERROR", details: { kind: "network" } });
  expect(error.message).not.toContain("secret");
});

test("a fallback answers for a model that is unknown; the failure is not hidden from the log of calls", async () => {
  const first = new ScriptedModels([new ModelError("not_found", "no such model", { status: 404 })]);
  const second = new ScriptedModels(["from b"]);
  const desk = openDesk({ providers: { a: first, b: second } });
  const result = await desk.ask({ provider: "a", model: "x", fallbacks: [{ provider: "b", model: "y" }] });
  expect(result).toMatchObject({ response: "from b", provider: "b", model: "y", usage: { calls: 2 } });
  expect(desk.ledger.outcomes.map(({ errorKind }) => errorKind)).toEqual(["not_found", null]);
});

test("a model that asks for a long wait is left for the next one at once", async () => {
  const first = new ScriptedModels([limited(60_000)]);
  const second = new ScriptedModels(["from b"]);
  const desk = openDesk({ providers: { a: first, b: second } });
  const result = await desk.ask({ provider: "a", model: "x", fallbacks: [{ provider: "b", model: "y" }] });
  expect(result.provider).toBe("b");
  expect(desk.ledger.held).toEqual([{ provider: "a", model: "x", waitMs: 60_000 }]);
});

test("a refusal goes to the fallback; of the last model it is RESPONSE_REFUSED", async () => {
  const refusing = new ScriptedModels([{ finishReason: "refusal", refusal: "I would rather not" }]);
  const desk = openDesk({
    providers: { a: refusing, b: new ScriptedModels([{ finishReason: "content_filter" }]) },
  });
  const error = await rejection(
    desk.ask({ provider: "a", model: "x", fallbacks: [{ provider: "b", model: "y" }] }),
  );
  expect(error).toMatchObject({
    code: "RESPONSE_REFUSED",
    retryable: false,
    details: { provider: "b", before: [{ provider: "a", kind: "refused" }] },
  });
  const alone = openDesk({ providers: { a: refusing } });
  expect(await rejection(alone.ask({ model: "x" }))).toMatchObject({
    details: { refusal: "I would rather not" },
  });
});

test("quota and bad requests are not tried elsewhere", async () => {
  const second = new ScriptedModels(["never asked"]);
  const desk = openDesk({
    providers: { a: new ScriptedModels([new ModelError("quota", "paid up?", { status: 429 })]), b: second },
  });
  const error = await rejection(
    desk.ask({ provider: "a", model: "x", fallbacks: [{ provider: "b", model: "y" }] }),
  );
  expect(error.details).toMatchObject({ kind: "quota" });
  expect(second.calls).toBe(0);
});

test("a hint above ten seconds releases a task; outside of tasks it is waited for up to a minute", async () => {
  const desk = openScripted(limited(20_000), "there");
  const released = await rejection<Released>(desk.ask({ model: "m" }, { task: fakeTask() }));
  expect(released).toMatchObject({ message: "released", delayMs: 20_000 });
  const other = openScripted(limited(20_000), "there");
  const asked = other.ask({ model: "m" });
  await turns();
  other.clock.advance(20_000);
  expect((await asked).response).toBe("there");
  const patient = openScripted(limited(61_000), "there");
  expect(await rejection(patient.ask({ model: "m" }))).toMatchObject({
    details: { kind: "rate_limited", retryAfterMs: 61_000 },
  });
});

test("a task that was released too often for hints fails with them", async () => {
  const desk = openScripted(limited(20_000));
  const task = { ...fakeTask(), release: async () => undefined };
  expect(await rejection(desk.ask({ model: "m" }, { task }))).toMatchObject({
    code: "PROVIDER_ERROR",
    details: { kind: "rate_limited" },
  });
});

test("nothing is waited for past the deadline", async () => {
  const desk = openScripted(overloaded, "too late");
  const deadlineAt = desk.clock.now() + 900;
  expect(await rejection(desk.ask({ model: "m" }, { deadlineAt }))).toMatchObject({ code: "PROVIDER_ERROR" });
  expect(desk.models.calls).toBe(1);
});

test("a provider that never answers, and does not heed its signal, ends with the timeout", async () => {
  const desk = openScripted(never);
  const asked = rejection(desk.ask({ model: "m", timeoutMs: 5000, maxAttempts: 1 }));
  await turns();
  desk.clock.advance(5000);
  expect(await asked).toMatchObject({ code: "PROVIDER_ERROR", details: { kind: "timeout" } });
  expect(desk.ledger.outcomes).toMatchObject([{ status: "error", errorKind: "timeout", usage: null }]);
});

test("a call has no more time than is left until the deadline", async () => {
  const desk = openScripted(never);
  const asked = rejection(desk.ask({ model: "m" }, { deadlineAt: desk.clock.now() + 3000 }));
  await turns();
  desk.clock.advance(3000);
  expect(await asked).toMatchObject({ details: { kind: "timeout", tries: 1 } });
});

test("an abort ends the call with the signal's reason, and what was told of it is settled", async () => {
  const abort = new AbortController();
  const desk = openScripted((_, ctx) => {
    ctx.onUsage(USAGE);
    return new Promise(() => undefined);
  });
  const asked = rejection(desk.ask({ model: "m" }, { signal: abort.signal }));
  await turns();
  const reason = new GoalpostError("CANCELLED", "enough");
  abort.abort(reason);
  expect(await asked).toBe(reason);
  expect(desk.ledger.outcomes).toMatchObject([{ status: "aborted", errorKind: "CANCELLED", usage: USAGE }]);
});

test("an abort while waiting for the next try ends at once, and no call follows", async () => {
  const abort = new AbortController();
  const desk = openScripted(overloaded, "too late");
  const asked = rejection(desk.ask({ model: "m" }, { signal: abort.signal }));
  await turns();
  abort.abort(new Error("enough"));
  expect(await asked).toMatchObject({ message: "enough" });
  desk.clock.advance(60_000);
  await turns();
  expect(desk.models.calls).toBe(1);
});

test("text of a stream that is cut off counts as used, as an estimate", async () => {
  const desk = openScripted((_, ctx) => {
    ctx.onUsage({ ...USAGE, outputTokens: 1 });
    ctx.onText?.("x".repeat(400));
    throw new ModelError("network", "cut", { mayBeBilled: true });
  });
  const told: string[] = [];
  await rejection(desk.ask({ model: "m", maxAttempts: 1, onText: (text) => told.push(text) }));
  expect(told).toHaveLength(1);
  expect(desk.ledger.outcomes).toMatchObject([
    { usage: { inputTokens: 100, outputTokens: 100, estimated: true }, firstTextMs: 0 },
  ]);
});

test("a shared limit is waited for in place if the wait is short", async () => {
  const desk = openScripted("there");
  desk.ledger.answers = [{ outcome: "wait", waitMs: 4000 }];
  const asked = desk.ask({ model: "m" }, { task: fakeTask() });
  await turns();
  expect(desk.models.calls).toBe(0);
  desk.clock.advance(4000);
  expect((await asked).response).toBe("there");
});

test("a shared limit releases the task if its waits are long, taken together", async () => {
  const desk = openScripted("there");
  desk.ledger.answers = [
    { outcome: "wait", waitMs: 6000 },
    { outcome: "wait", waitMs: 6000 },
  ];
  const asked = rejection<Released>(desk.ask({ model: "m" }, { task: fakeTask() }));
  await turns();
  desk.clock.advance(6000);
  expect(await asked).toMatchObject({ message: "released", delayMs: 6000 });
  expect(desk.models.calls).toBe(0);
});

const budget = { of: "run", key: "r", unit: "usd", limit: 1, used: 0.9, asked: 0.2 } as const;

test("a budget that would be exceeded refuses the call before it is made, with its figures", async () => {
  const desk = openScripted("there");
  desk.ledger.answers = [{ outcome: "exceeded", budget: { ...budget, onExceed: "fail" } }];
  expect(await rejection(desk.ask({ model: "m" }))).toMatchObject({
    code: "BUDGET_EXCEEDED",
    details: budget,
  });
  expect(desk.models.calls).toBe(0);
});

test("a budget that pauses releases the task", async () => {
  const desk = openScripted("there");
  desk.ledger.answers = [{ outcome: "exceeded", budget: { ...budget, onExceed: "pause" } }];
  expect(await rejection<Released>(desk.ask({ model: "m" }, { task: fakeTask() }))).toBeInstanceOf(Released);
});

test("an answer is handed on while the database is away, and settled when it is back", async () => {
  const desk = openScripted("there");
  desk.ledger.failures = 3;
  expect((await desk.ask({ model: "m" })).response).toBe("there");
  expect(desk.ledger.outcomes).toEqual([]);
  for (const delayMs of [500, 1000, 2000]) {
    desk.clock.advance(delayMs);
    await turns(3);
  }
  expect(desk.ledger.outcomes).toMatchObject([{ status: "ok" }]);
});

test("what could not be settled is tried once more when the client closes", async () => {
  const desk = openScripted("there");
  desk.ledger.failures = 1;
  await desk.ask({ model: "m" });
  await desk.parts.settlements.close();
  expect(desk.ledger.outcomes).toMatchObject([{ status: "ok" }]);
});

test("a thousand requests at once are all answered, and leave no listener on their signal", async () => {
  const desk = openScripted(async () => {
    await new Promise(setImmediate);
    return "there";
  });
  const abort = new AbortController();
  let listeners = 0;
  const { signal } = abort;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners += 1;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners -= 1;
    remove(...args);
  };
  const all = await Promise.all(Array.from({ length: 1000 }, () => desk.ask({ model: "m" }, { signal })));
  expect(all).toHaveLength(1000);
  expect(desk.ledger.outcomes).toHaveLength(1000);
  expect(listeners).toBe(0);
});
