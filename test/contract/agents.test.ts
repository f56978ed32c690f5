import { expect, test } from "vitest";
import {
  type AgentContext,
  type AgentMessage,
  Goalpost,
  NonRetryableError,
  silentLogger,
} from "../../src/index.ts";
import { describeOnEachBackend } from "./backends.ts";

/** A name of its own for each test: the tests of a file share a database. */
let names = 0;
const fresh = (): string => `agent${names++}`;

/** Turns of the event loop, until what was begun is on its way or done. */
async function until(met: () => boolean | Promise<boolean>): Promise<void> {
  for (let turns = 0; turns < 5000; turns++) {
    if (await met()) {
      return;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error("it did not come to that");
}

describeOnEachBackend("agents", (backend) => {
  /** A client that ticks, with one agent that notes what it is given. */
  async function withAgent(handle: (message: AgentMessage, ctx: AgentContext) => unknown = () => null) {
    const client = await backend.client();
    const name = fresh();
    const given: unknown[] = [];
    await client.gp.agents.register(name, {
      description: "notes what it is given",
      capabilities: [`of_${name}`],
      retry: { jitter: false },
      onMessage: (message, ctx) => {
        given.push(message.payload);
        return handle(message, ctx);
      },
    });
    return { ...client, name, given };
  }

  test("messages of one sender are handled in the order in which they were sent", async () => {
    const { gp, tick, name, given } = await withAgent();
    await Promise.all(
      [1, 2, 3, 4].map((payload) => gp.agents.send({ from: "ann", to: name, type: "count", payload })),
    );
    expect(await tick()).toBe(4);
    expect(given).toEqual([1, 2, 3, 4]);
  });

  test("a message waits until somebody handles it", async () => {
    const { gp, name } = await withAgent();
    const id = await gp.agents.send({
      from: "ann",
      to: name,
      type: "hello",
      payload: { a: "\u0000" },
      conversationId: "c1",
    });
    expect(await gp.agents.inbox(name)).toMatchObject([
      {
        id,
        from: "ann",
        to: name,
        type: "hello",
        payload: { a: "\u0000" },
        conversationId: "c1",
        status: "queued",
        failures: 0,
      },
    ]);
  });

  test("what was handled stays in the inbox as handled", async () => {
    const { gp, tick, name } = await withAgent();
    await gp.agents.send({ from: "ann", to: name, type: "hello" });
    await tick();
    expect((await gp.agents.inbox(name)).map(({ status }) => status)).toEqual(["handled"]);
    expect(await gp.agents.inbox(name, { status: "queued" })).toEqual([]);
  });

  test("an inbox is read in pages", async () => {
    const { gp, name } = await withAgent();
    for (const payload of [1, 2, 3]) {
      await gp.agents.send({ from: `s${payload}`, to: name, type: "hello", payload });
    }
    const [first] = await gp.agents.inbox(name, { limit: 1, status: "queued" });
    const rest = await gp.agents.inbox(name, { after: first?.seq ?? 0, status: "queued" });
    expect([first, ...rest].map((message) => message?.payload)).toEqual([1, 2, 3]);
  });

  test("a message id that was seen before is not delivered again", async () => {
    const { gp, tick, name, given } = await withAgent();
    const mail = { from: "ann", to: name, type: "once", payload: 1, messageId: `${name}-1` };
    await Promise.all([gp.agents.send(mail), gp.agents.send(mail)]);
    await tick();
    expect(await gp.agents.send(mail)).toBe(`${name}-1`);
    await tick();
    expect(given).toEqual([1]);
  });

  test("a message id stands for one message only", async () => {
    const { gp, name } = await withAgent();
    const mail = { from: "ann", to: name, type: "once", messageId: `${name}-2` };
    await gp.agents.send({ ...mail, payload: 1 });
    await expect(gp.agents.send({ ...mail, payload: 2 })).rejects.toMatchObject({ code: "INVALID_STATE" });
  });

  test("an unknown agent is refused with those that exist", async () => {
    const { gp, name } = await withAgent();
    const refused = gp.agents.send({ from: "ann", to: "nobody", type: "hello" });
    await expect(refused).rejects.toMatchObject({ code: "UNKNOWN_AGENT", details: { agent: "nobody" } });
    await expect(refused).rejects.toThrow(name);
  });

  test("a message to oneself is refused", async () => {
    const { gp, name } = await withAgent();
    await expect(gp.agents.send({ from: name, to: name, type: "hello" })).rejects.toMatchObject({
      code: "INVALID_INPUT",
    });
  });

  test.each([
    ["no type", { type: undefined as never }],
    ["an empty type", { type: "" }],
    ["a sender with spaces", { from: "a b" }],
    ["a payload that JSON cannot hold", { payload: [undefined] }],
    ["a payload that is too large", { payload: "x".repeat(17 * 1024 * 1024) }],
    ["half a character in the conversation", { conversationId: "\ud800" }],
    ["an empty id", { messageId: "" }],
  ])("a message with %s is refused", async (_, wrong) => {
    const { gp, name } = await withAgent();
    const mail = { from: "ann", to: name, type: "hello", payload: 1, ...wrong };
    await expect(gp.agents.send(mail)).rejects.toMatchObject({ code: "INVALID_INPUT" });
  });

  test.each([
    ["no handler", { onMessage: undefined as never }],
    ["no description", { description: undefined as never }],
    ["concurrency 0", { concurrency: 0 }],
    ["a capability with spaces", { capabilities: ["a b"] }],
  ])("an agent with %s is refused", async (_, wrong) => {
    const { gp } = await backend.client();
    const agent = { description: "", onMessage: () => null, ...wrong };
    await expect(gp.agents.register(fresh(), agent)).rejects.toMatchObject({ code: "INVALID_INPUT" });
  });

  test("a failed message is tried again after the backoff, before the sender's next ones", async () => {
    let fails = 1;
    const { gp, tick, clock, name, given } = await withAgent((_, { attempt }) => {
      if (fails-- > 0) {
        throw new Error("not yet");
      }
      return attempt;
    });
    await gp.agents.send({ from: "ann", to: name, type: "n", payload: 1 });
    await gp.agents.send({ from: "ann", to: name, type: "n", payload: 2 });
    await tick();
    expect(await tick()).toBe(0);
    clock.advance(1000);
    await tick();
    expect(given).toEqual([1, 1, 2]);
  });

  test("a message that fails every time is a dead letter, and those behind it go on", async () => {
    const { gp, tick, clock, name, given } = await withAgent(({ payload }) => {
      if (payload === "poison") {
        throw new Error("bad");
      }
    });
    await gp.agents.send({ from: "ann", to: name, type: "n", payload: "poison" });
    await gp.agents.send({ from: "ann", to: name, type: "n", payload: "fine" });
    for (let tries = 0; tries < 3; tries++) {
      await tick();
      clock.advance(10_000);
    }
    expect(given).toEqual(["poison", "poison", "poison", "fine"]);
    expect(await gp.agents.deadLetters(name)).toMatchObject([
      { payload: "poison", failures: 3, status: "dead", error: { code: "STEP_FAILED", message: "bad" } },
    ]);
    expect(await gp.agents.list()).toContainEqual(
      expect.objectContaining({ name, deadLetters: 1, backlog: 0 }),
    );
  });

  test("what is of no use to try again is a dead letter at once", async () => {
    const { gp, tick, name, given } = await withAgent(() => {
      throw new NonRetryableError("never");
    });
    await gp.agents.send({ from: "ann", to: name, type: "n", payload: 1 });
    await tick();
    expect(given).toEqual([1]);
    expect(await gp.agents.deadLetters(name)).toHaveLength(1);
  });

  test("a dead letter that is retried is handled again", async () => {
    let broken = true;
    const { gp, tick, name, given } = await withAgent(() => {
      if (broken) {
        throw new NonRetryableError("never");
      }
    });
    const id = await gp.agents.send({ from: "ann", to: name, type: "n", payload: 1 });
    await tick();
    broken = false;
    await gp.agents.retryDeadLetter(id);
    await tick();
    expect(given).toEqual([1, 1]);
    expect(await gp.agents.inbox(name)).toMatchObject([{ id, status: "handled" }]);
    await expect(gp.agents.retryDeadLetter(id)).rejects.toMatchObject({ code: "INVALID_STATE" });
  });

  test("a handler that never returns is cut off after its time", async () => {
    const { gp, clock } = await backend.client();
    const name = fresh();
    const signals: AbortSignal[] = [];
    await gp.agents.register(name, {
      description: "",
      timeoutMs: 5000,
      maxAttempts: 1,
      onMessage: (_, { signal }) => {
        signals.push(signal);
        return new Promise(() => undefined);
      },
    });
    await gp.agents.send({ from: "ann", to: name, type: "n" });
    const ticked = gp.tick();
    await until(() => signals.length === 1);
    clock.advance(5000);
    await ticked;
    expect(signals[0]?.aborted).toBe(true);
    expect(await gp.agents.deadLetters(name)).toMatchObject([{ error: { code: "STEP_TIMEOUT" } }]);
  });

  test("a request resolves to what the handler returns", async () => {
    const { gp, tick, name } = await withAgent(({ payload }) => ({ twice: (payload as number) * 2 }));
    const reply = gp.agents.request({ from: "ann", to: name, type: "double", payload: 4 });
    await until(async () => (await tick()) > 0);
    expect(await reply).toEqual({ twice: 8 });
  });

  test("ctx.reply says the reply, once", async () => {
    const problems: unknown[] = [];
    const { gp, tick, name } = await withAgent((_, ctx) => {
      ctx.reply("first");
      try {
        ctx.reply("second");
      } catch (error) {
        problems.push(error);
      }
      return "ignored";
    });
    const reply = gp.agents.request({ from: "ann", to: name, type: "ask" });
    await until(async () => (await tick()) > 0);
    expect(await reply).toBe("first");
    expect(problems).toMatchObject([{ code: "INVALID_STATE" }]);
  });

  test("a reply to nobody is refused", async () => {
    const { gp, tick, name } = await withAgent((_, ctx) => ctx.reply("anybody there?"));
    await gp.agents.send({ from: "ann", to: name, type: "hello" });
    await tick();
    expect(await gp.agents.deadLetters(name)).toMatchObject([{ error: { code: "INVALID_STATE" } }]);
  });

  test("a request fails with what the handler failed with", async () => {
    const { gp, tick, name } = await withAgent(() => {
      throw new NonRetryableError("cannot");
    });
    const reply = gp.agents.request({ from: "ann", to: name, type: "ask" });
    const failed = expect(reply).rejects.toMatchObject({ code: "STEP_FAILED", details: { agent: name } });
    await until(async () => (await tick()) > 0);
    await failed;
  });

  test("a request that nobody answers times out, and can be asked again by its id", async () => {
    const { gp, tick, clock, name, given } = await withAgent(() => "late");
    const mail = { from: "ann", to: name, type: "ask", messageId: `${name}-r` };
    const reply = gp.agents.request(mail, { timeoutMs: 1000 });
    const failed = expect(reply).rejects.toMatchObject({ code: "WAIT_TIMEOUT" });
    await until(async () => (await gp.agents.inbox(name)).length === 1);
    await until(() => {
      clock.advance(100);
      return clock.now() > Date.parse("2026-01-01T00:00:02Z");
    });
    await failed;
    await tick();
    const other = await backend.client();
    expect(await other.gp.agents.request(mail).catch(() => "not there")).toBe("late");
    expect(given).toHaveLength(1);
  });

  test("what a handler sends is stored with the end of its handling, or not at all", async () => {
    const other = fresh();
    let fails = true;
    const { gp, tick, clock, name } = await withAgent(async (_, ctx) => {
      await ctx.send({ to: other, type: "forward", payload: ctx.attempt });
      if (fails) {
        fails = false;
        throw new Error("after sending");
      }
    });
    await gp.agents.register(other, {
      description: "",
      concurrency: 1,
      onMessage: () => new Promise(() => undefined),
    });
    await gp.agents.send({ from: "ann", to: name, type: "go" });
    await tick();
    expect(await gp.agents.inbox(other)).toEqual([]);
    clock.advance(5000);
    void gp.tick();
    await until(async () => (await gp.agents.inbox(other)).length > 0);
    expect(await gp.agents.inbox(other)).toMatchObject([{ from: name, payload: 2 }]);
  });

  test("ctx.once is not called again by a retry", async () => {
    let calls = 0;
    const values: unknown[] = [];
    const { gp, tick, clock, name } = await withAgent(async (_, ctx) => {
      values.push(await ctx.once("pay", () => ({ paid: ++calls })));
      if (ctx.attempt < 3) {
        throw new Error("again");
      }
    });
    await gp.agents.send({ from: "ann", to: name, type: "go" });
    for (let tries = 0; tries < 3; tries++) {
      await tick();
      clock.advance(10_000);
    }
    expect(values).toEqual([{ paid: 1 }, { paid: 1 }, { paid: 1 }]);
    expect(await backend.query("select 1 from goalpost.agent_checkpoints")).toEqual([]);
  });

  test("a handler that asks another agent holds no slot meanwhile", async () => {
    const { gp, settle } = await backend.client();
    const [front, back] = [fresh(), fresh()];
    await gp.agents.register(front, {
      description: "",
      concurrency: 1,
      onMessage: async ({ payload }, ctx) => `front ${await ctx.request({ to: back, type: "ask", payload })}`,
    });
    await gp.agents.register(back, { description: "", onMessage: ({ payload }) => `back ${payload}` });
    const replies = Promise.all(
      [1, 2, 3].map((n) => gp.agents.request({ to: front, type: "ask", payload: n })),
    );
    let answered: unknown;
    void replies.then((all) => {
      answered = all;
    });
    await until(async () => {
      await settle();
      return answered !== undefined;
    });
    expect(answered).toEqual(["front back 1", "front back 2", "front back 3"]);
  });

  test("a broadcast goes to every agent with the capability but the sender", async () => {
    const { gp } = await backend.client();
    const [one, two, three] = [fresh(), fresh(), fresh()];
    const capability = `can_${one}`;
    for (const name of [one, two]) {
      await gp.agents.register(name, { description: "", capabilities: [capability], onMessage: () => null });
    }
    await gp.agents.register(three, { description: "", onMessage: () => null });
    const ids = await gp.agents.broadcast({ from: one, capability, type: "news", payload: 1 });
    expect(ids).toHaveLength(1);
    expect(await gp.agents.inbox(two)).toMatchObject([{ id: ids[0], from: one }]);
    expect(await gp.agents.inbox(one)).toEqual([]);
    expect(await gp.agents.inbox(three)).toEqual([]);
    expect(await gp.agents.broadcast({ capability: "nobody_can", type: "news" })).toEqual([]);
    await expect(gp.agents.broadcast({ type: "news" })).rejects.toMatchObject({ code: "INVALID_INPUT" });
  });

  test("the list says where an agent is, until it is closed", async () => {
    const { gp, tick } = await backend.client({ instanceId: "here" });
    const name = fresh();
    const registration = await gp.agents.register(name, {
      description: "lists",
      capabilities: ["a"],
      concurrency: 3,
      onMessage: () => null,
    });
    await tick();
    const find = async () => (await gp.agents.list()).find((agent) => agent.name === name);
    expect(await find()).toMatchObject({
      description: "lists",
      capabilities: ["a"],
      backlog: 0,
      deadLetters: 0,
      instances: [{ id: "here", concurrency: 3 }],
    });
    await registration.close();
    await gp.agents.send({ from: "ann", to: name, type: "later" });
    expect(await find()).toMatchObject({ backlog: 1, instances: [] });
  });

  test("one client registers a name once, and a client without workers not at all", async () => {
    const { gp, name } = await withAgent();
    const agent = { description: "", onMessage: () => null };
    await expect(gp.agents.register(name, agent)).rejects.toMatchObject({ code: "INVALID_INPUT" });
    const idle = await backend.liveClient({ workers: false });
    await expect(idle.agents.register(name, agent)).rejects.toMatchObject({ code: "INVALID_STATE" });
  });

  test("a client that closes gives back what it did not handle, and that was no try", async () => {
    const { gp, close } = await backend.client();
    const name = fresh();
    let begun = false;
    await gp.agents.register(name, {
      description: "",
      onMessage: () => {
        begun = true;
        return new Promise(() => undefined);
      },
    });
    await gp.agents.send({ from: "ann", to: name, type: "n", payload: 1 });
    void gp.tick().catch(() => undefined);
    await until(() => begun);
    await close();
    const next = await backend.client();
    const attempts: number[] = [];
    await next.gp.agents.register(name, {
      description: "",
      onMessage: (_, ctx) => attempts.push(ctx.attempt),
    });
    await next.tick();
    expect(attempts).toEqual([1]);
  });

  test("a message that is lost with its worker too often is a dead letter", async () => {
    const { gp, name } = await withAgent();
    await gp.agents.send({ from: "ann", to: name, type: "n", payload: 1 });
    const worker = "00000000-0000-4000-8000-000000000001";
    for (let losses = 1; losses <= 6; losses++) {
      await backend.query(
        "select goalpost.agent_exchange($1::uuid, $2, $3, 10, null, null, null, null, null, null, null, null, null)",
        [worker, losses, JSON.stringify([[name, 1]])],
      );
      expect(await gp.agents.inbox(name, { status: "handling" })).toHaveLength(1);
      await backend.query("select goalpost.put_back($1::uuid, 'lost', 5)", [worker]);
    }
    expect(await gp.agents.deadLetters(name)).toMatchObject([{ error: { code: "POISON" } }]);
  });

  test("the work of a worker that lost its lease changes nothing", async () => {
    const { gp, name } = await withAgent();
    await gp.agents.send({ from: "ann", to: name, type: "n", payload: 1 });
    const worker = "00000000-0000-4000-8000-000000000002";
    const call = (seq: number, rooms: unknown, reports: unknown) =>
      backend.query<{ reply: string }>(
        "select goalpost.agent_exchange($1::uuid, $2, $3, 10, $4, null, null, null, null, null, null, null, null) as reply",
        [worker, seq, rooms && JSON.stringify(rooms), reports && JSON.stringify(reports)],
      );
    const [row] = await call(1, [[name, 1]], null);
    const [[stream, , delivery]] = JSON.parse(row?.reply ?? "{}").streams;
    await backend.query("select goalpost.put_back($1::uuid, 'lost', 5)", [worker]);
    const [answer] = await call(2, null, [[stream, delivery, 1, "release", 0]]);
    expect(JSON.parse(answer?.reply ?? "{}").stale).toEqual([[stream, delivery]]);
    expect(await gp.agents.inbox(name, { status: "queued" })).toHaveLength(1);
  });

  test("a call that is repeated hands out the same and stores nothing twice", async () => {
    const { name } = await withAgent();
    const worker = "00000000-0000-4000-8000-000000000003";
    const sends = [[`${name}-x`, name, "ann", "n", null, false, null, null, null, null, null]];
    const call = async () => {
      const [row] = await backend.query<{ reply: string }>(
        "select goalpost.agent_exchange($1::uuid, 1, $2, 10, null, null, null, $3, '[7]', null, null, null, null) as reply",
        [worker, JSON.stringify([[name, 1]]), JSON.stringify(sends)],
      );
      return JSON.parse(row?.reply ?? "{}");
    };
    const first = await call();
    const again = await call();
    expect(first.streams).toHaveLength(1);
    expect(again.streams).toEqual(first.streams);
    expect(again.sent).toEqual([[0, "seen"]]);
    await backend.query("select goalpost.put_back($1::uuid, 'stopped', 5)", [worker]);
  });

  test("a goal of a handler runs once, however often the message is handled", async () => {
    let runs = 0;
    const steps = { work: async () => ++runs };
    const plan = () => [{ id: "work", description: "work" }];
    const outputs: unknown[] = [];
    const gp = await backend.liveClient();
    const name = fresh();
    await gp.agents.register(name, {
      description: "",
      retry: { baseMs: 1 },
      onMessage: async (_, ctx) => {
        const result = await ctx.executeGoal("work", plan, steps, { key: "g" });
        outputs.push(result.output);
        if (ctx.attempt === 1) {
          throw new Error("once more");
        }
        return result.output;
      },
    });
    expect(await gp.agents.request({ to: name, type: "go" }, { timeoutMs: 15_000 })).toEqual({ work: 1 });
    expect(outputs).toEqual([{ work: 1 }, { work: 1 }]);
  });

  test("pruning takes what was handled, and leaves what waits", async () => {
    const { gp, tick, clock, name } = await withAgent();
    await gp.agents.send({ from: "ann", to: name, type: "n", payload: "handled" });
    await tick();
    await gp.agents.send({ from: "bob", to: name, type: "n", payload: "waits" });
    clock.advance(10_000);
    await backend.query("select goalpost.prune_mail($1::timestamptz)", [new Date(clock.now())]);
    expect(await gp.agents.inbox(name)).toMatchObject([{ payload: "waits", status: "queued" }]);
    await tick();
    expect(await gp.agents.inbox(name)).toMatchObject([{ payload: "waits", status: "handled" }]);
  });

  test("an app's agents are registered with it", async () => {
    const { gp } = await backend.client();
    const name = fresh();
    gp.register({ agents: { [name]: { description: "of an app", onMessage: () => null } } });
    await until(async () => (await gp.agents.list()).some((agent) => agent.name === name));
  });

  test("a closed client refuses", async () => {
    const gp = await Goalpost.open({ database: backend.database, logger: silentLogger });
    await gp.close();
    await expect(gp.agents.send({ to: "anybody", type: "n" })).rejects.toMatchObject({ code: "CLOSED" });
  });
});
