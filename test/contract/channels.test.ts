import pg from "pg";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import {
  Goalpost,
  type Json,
  type ListenOptions,
  type Logger,
  type Message,
  type PoolLike,
  type Subscription,
  silentLogger,
  workflow,
} from "../../src/index.ts";
import { pruneMessages } from "../../src/messaging/messages.ts";
import { FAKE_START, FakeClock } from "../../src/testing/index.ts";
import { defer, rejection } from "../promises.ts";
import { createDatabase, describeOnEachBackend } from "./backends.ts";

let channels = 0;
const newChannel = (): string => `channel:${++channels}`;

interface Heard {
  readonly messages: Message[];
  readonly subscription: Subscription;
  payloads(): Json[];
}

/** Listens, and keeps what is heard. */
async function hear(gp: Goalpost, channel: string, options?: ListenOptions): Promise<Heard> {
  const messages: Message[] = [];
  const subscription = await gp.channels.listen(channel, (message) => messages.push(message), options);
  return { messages, subscription, payloads: () => messages.map((message) => message.payload) };
}

async function sendAll(gp: Goalpost, channel: string, messages: readonly Json[]): Promise<string[]> {
  const ids: string[] = [];
  for (const message of messages) {
    ids.push(await gp.channels.send(channel, message));
  }
  return ids;
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

const ODD: readonly Json[] = [
  "zero \u0000 and a lone surrogate \ud800",
  { "\u0000": ["\udfff"], z: 1, a: { "": null } },
  "x".repeat(1_000_000),
  null,
  0,
  [],
  "\u{1f600} ümläut",
];

describeOnEachBackend("channels", (backend) => {
  test("a message reaches a listener with its id, place, time and payload", async () => {
    const { gp } = await backend.client();
    const channel = newChannel();
    const heard = await hear(gp, channel);
    const id = await gp.channels.send(channel, { text: "hello" });
    await vi.waitFor(() => expect(heard.messages).toHaveLength(1));
    expect(heard.messages).toEqual([
      { id, channel, seq: 1, payload: { text: "hello" }, at: FAKE_START, stored: true },
    ]);
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("messages arrive in order, for listeners of every client, and only on their channel", async () => {
    const [one, two] = [(await backend.client()).gp, (await backend.client()).gp];
    const [channel, other] = [newChannel(), newChannel()];
    const heard = await Promise.all([hear(one, channel), hear(one, channel), hear(two, channel)]);
    const elsewhere = await hear(two, other);
    await sendAll(one, channel, upTo(20));
    await two.channels.send(other, "else");
    await vi.waitFor(() => expect(heard.map((h) => h.messages.length)).toEqual([20, 20, 20]));
    for (const { messages } of heard) {
      expect(messages.map(({ seq, payload }) => [seq, payload])).toEqual(upTo(20).map((n) => [n, n]));
    }
    await vi.waitFor(() => expect(elsewhere.payloads()).toEqual(["else"]));
  });

  test("each handler is given a payload of its own", async () => {
    const { gp } = await backend.client();
    const channel = newChannel();
    const seen: number[] = [];
    const change = (message: Message<{ n: number }>): void => {
      message.payload.n += 1;
      seen.push(message.payload.n);
    };
    await gp.channels.listen(channel, change);
    await gp.channels.listen(channel, change);
    await gp.channels.send(channel, { n: 1 });
    await vi.waitFor(() => expect(seen).toEqual([2, 2]));
  });

  test("a listener hears only what is sent after it began", async () => {
    const { gp } = await backend.client();
    const channel = newChannel();
    await sendAll(gp, channel, ["before"]);
    await gp.channels.notify(channel, "before, not stored");
    const heard = await hear(gp, channel);
    await sendAll(gp, channel, ["after"]);
    await vi.waitFor(() => expect(heard.payloads()).toEqual(["after"]));
  });

  test("a listener with a cursor is given what was stored after it first, then what is new", async () => {
    const { gp } = await backend.client();
    const channel = newChannel();
    await sendAll(gp, channel, upTo(250));
    const [late, all] = [await hear(gp, channel, { after: 248 }), await hear(gp, channel, { after: 0 })];
    await gp.channels.send(channel, 251);
    await vi.waitFor(() => expect(late.payloads()).toEqual([249, 250, 251]));
    await vi.waitFor(() => expect(all.payloads()).toEqual(upTo(251)));
  });

  test("a cursor beyond the end leaves out what comes up to it", async () => {
    const { gp } = await backend.client();
    const channel = newChannel();
    const heard = await hear(gp, channel, { after: 2 });
    await sendAll(gp, channel, [1, 2, 3]);
    await vi.waitFor(() => expect(heard.payloads()).toEqual([3]));
  });

  test("a handler is called for one message at a time", async () => {
    const { gp } = await backend.client();
    const channel = newChannel();
    const log: string[] = [];
    const gate = defer();
    await gp.channels.listen(channel, async ({ payload }) => {
      log.push(`begin ${payload}`);
      await gate.promise;
      log.push(`end ${payload}`);
    });
    await sendAll(gp, channel, [1, 2]);
    await vi.waitFor(() => expect(log).toEqual(["begin 1"]));
    gate.resolve();
    await vi.waitFor(() => expect(log).toEqual(["begin 1", "end 1", "begin 2", "end 2"]));
  });

  test("a handler that fails is logged without the payload, and the next message follows", async () => {
    const errors: unknown[] = [];
    const logger: Logger = { ...silentLogger, error: (fields, message) => errors.push({ fields, message }) };
    const { gp } = await backend.client({ logger });
    const channel = newChannel();
    const heard: Json[] = [];
    await gp.channels.listen(channel, ({ payload }) => {
      heard.push(payload);
      if (payload === "secret") {
        throw new Error("no luck");
      }
      return payload === "later" ? Promise.reject(new Error("later")) : undefined;
    });
    await sendAll(gp, channel, ["secret", "later", "fine"]);
    await vi.waitFor(() => expect(heard).toEqual(["secret", "later", "fine"]));
    expect(errors).toMatchObject([
      { fields: { channel, seq: 1, error: "Error: no luck" } },
      { fields: { seq: 2 } },
    ]);
    expect(JSON.stringify(errors)).not.toContain("secret");
  });

  test.each(ODD.map((payload, index) => ({ index, payload })))(
    "odd payload $index comes out of send, notify and history as it went in",
    async ({ payload }) => {
      const { gp } = await backend.client();
      const channel = newChannel();
      const heard = await hear(gp, channel);
      await gp.channels.send(channel, payload);
      await gp.channels.notify(channel, payload);
      await vi.waitFor(() => expect(heard.messages).toHaveLength(2));
      expect(heard.payloads()).toEqual([payload, payload]);
      expect((await gp.channels.history(channel)).map((message) => message.payload)).toEqual([payload]);
    },
  );

  test("a step can send", async () => {
    const t = await backend.client();
    const channel = newChannel();
    const heard = await hear(t.gp, channel);
    const w = workflow("sender").step("tell", (_, ctx) => ctx.channels.send(channel, "from a step"));
    await t.gp.start(w, null);
    await t.settle();
    await vi.waitFor(() => expect(heard.payloads()).toEqual(["from a step"]));
  });
});

describeOnEachBackend("channels: what is not stored", (backend) => {
  test("reaches who listens now, and nobody later", async () => {
    const { gp } = await backend.client();
    const channel = newChannel();
    const heard = await hear(gp, channel);
    const id = await gp.channels.notify(channel, "passing");
    await vi.waitFor(() => expect(heard.messages).toHaveLength(1));
    expect(heard.messages).toEqual([
      { id, channel, seq: 0, payload: "passing", at: FAKE_START, stored: false },
    ]);
    expect(await gp.channels.history(channel)).toEqual([]);
    const late = await hear(gp, channel, { after: 0 });
    await gp.channels.send(channel, "stored");
    await vi.waitFor(() => expect(late.payloads()).toEqual(["stored"]));
  });

  test("keeps its place between stored messages, whose seq it does not use up", async () => {
    const { gp } = await backend.client();
    const channel = newChannel();
    const heard = await hear(gp, channel);
    await gp.channels.send(channel, "a");
    await gp.channels.notify(channel, "b");
    await gp.channels.notify(channel, "c");
    await gp.channels.send(channel, "d");
    await gp.channels.notify(channel, "e");
    await vi.waitFor(() => expect(heard.messages).toHaveLength(5));
    expect(heard.messages.map(({ payload, seq, stored }) => [payload, seq, stored])).toEqual([
      ["a", 1, true],
      ["b", 1, false],
      ["c", 1, false],
      ["d", 2, true],
      ["e", 2, false],
    ]);
  });

  test("comes after what a listener is still catching up with", async () => {
    const { gp } = await backend.client();
    const channel = newChannel();
    await sendAll(gp, channel, upTo(3));
    const gate = defer();
    const heard: Json[] = [];
    await gp.channels.listen(
      channel,
      async ({ payload }) => {
        heard.push(payload);
        await gate.promise;
      },
      { after: 0 },
    );
    await gp.channels.notify(channel, "now");
    gate.resolve();
    await vi.waitFor(() => expect(heard).toEqual([1, 2, 3, "now"]));
  });

  test("is removed when it has had its time", async () => {
    const { gp, clock } = await backend.client();
    const [channel, another] = [newChannel(), newChannel()];
    const count = async (): Promise<unknown> =>
      (
        await backend.query(
          "select count(*)::int as n from goalpost.notices where channel = any($1::text[])",
          [[channel, another]],
        )
      )[0]?.n;
    await Promise.all(upTo(5).map((n) => gp.channels.notify(channel, n)));
    clock.advance(29_000);
    await gp.channels.notify(channel, 6);
    expect(await count()).toBe(6);
    clock.advance(2000);
    await gp.channels.notify(another, 7);
    expect(await count()).toBe(2);
  });
});

describeOnEachBackend("a subscription", (backend) => {
  test("is not called any more once it is closed, and can be closed again", async () => {
    const { gp } = await backend.client();
    const channel = newChannel();
    const [ended, other] = [await hear(gp, channel), await hear(gp, channel)];
    await sendAll(gp, channel, [1]);
    await vi.waitFor(() => expect(ended.payloads()).toEqual([1]));
    await Promise.all([ended.subscription.close(), ended.subscription.close()]);
    await ended.subscription.close();
    await sendAll(gp, channel, [2]);
    await vi.waitFor(() => expect(other.payloads()).toEqual([1, 2]));
    expect(ended.payloads()).toEqual([1]);
    await other.subscription.close();
    const again = await hear(gp, channel, { after: 1 });
    await vi.waitFor(() => expect(again.payloads()).toEqual([2]));
  });

  test("waits with closing for the handler that is running", async () => {
    const { gp } = await backend.client();
    const channel = newChannel();
    const [begun, gate] = [defer(), defer()];
    let ended = false;
    const subscription = await gp.channels.listen(channel, async () => {
      begun.resolve();
      await gate.promise;
      ended = true;
    });
    await sendAll(gp, channel, [1, 2]);
    await begun.promise;
    const closing = subscription.close();
    await new Promise(setImmediate);
    expect(ended).toBe(false);
    gate.resolve();
    await closing;
    expect(ended).toBe(true);
  });

  test("can be closed from within its handler", async () => {
    const { gp } = await backend.client();
    const channel = newChannel();
    await sendAll(gp, channel, [1, 2, 3]);
    const heard: Json[] = [];
    const done = defer();
    const own = defer<Subscription>();
    own.resolve(
      await gp.channels.listen(
        channel,
        async ({ payload }) => {
          heard.push(payload);
          if (payload === 2) {
            await (await own.promise).close();
            done.resolve();
          }
        },
        { after: 0 },
      ),
    );
    await done.promise;
    await (await own.promise).close();
    expect(heard).toEqual([1, 2]);
  });

  test("ends with its block when it is declared with await using", async () => {
    const { gp } = await backend.client();
    const channel = newChannel();
    const heard: Json[] = [];
    {
      await using subscription = await gp.channels.listen(channel, ({ payload }) => heard.push(payload));
      expect(subscription.channel).toBe(channel);
      await gp.channels.send(channel, 1);
      await vi.waitFor(() => expect(heard).toEqual([1]));
    }
    await gp.channels.send(channel, 2);
    const other = await hear(gp, channel, { after: 0 });
    await vi.waitFor(() => expect(other.payloads()).toEqual([1, 2]));
    expect(heard).toEqual([1]);
  });

  test("ends when its client is closed, after the handler that is running", async () => {
    const gp = await backend.liveClient();
    const channel = newChannel();
    const [begun, gate] = [defer(), defer()];
    const log: string[] = [];
    await gp.channels.listen(channel, async () => {
      begun.resolve();
      await gate.promise;
      log.push("handled");
    });
    await gp.channels.send(channel, 1);
    await begun.promise;
    const closed = gp.close().then(() => log.push("closed"));
    gate.resolve();
    await closed;
    expect(log).toEqual(["handled", "closed"]);
  });

  test("does not hold up a client that is closed without grace", async () => {
    const gp = await backend.liveClient();
    const channel = newChannel();
    const begun = defer();
    await gp.channels.listen(channel, () => {
      begun.resolve();
      return new Promise(() => undefined);
    });
    await gp.channels.send(channel, 1);
    await begun.promise;
    await gp.close({ graceMs: 0 });
  });
});

describeOnEachBackend("the history of a channel", (backend) => {
  const seqs = (messages: readonly Message[]): number[] => messages.map((message) => message.seq);

  test("holds the newest messages, the newest last", async () => {
    const { gp } = await backend.client();
    const channel = newChannel();
    const ids = await sendAll(gp, channel, upTo(120));
    const history = await gp.channels.history(channel);
    expect(seqs(history)).toEqual(upTo(120).slice(20));
    expect(history.at(-1)).toEqual({
      id: ids.at(-1),
      channel,
      seq: 120,
      payload: 120,
      at: FAKE_START,
      stored: true,
    });
    expect(seqs(await gp.channels.history(channel, { limit: 2 }))).toEqual([119, 120]);
    expect(seqs(await gp.channels.history(channel, { limit: 1000 }))).toEqual(upTo(120));
    expect(await gp.channels.history(newChannel())).toEqual([]);
  });

  test("is paged by the last seq, whatever is sent meanwhile", async () => {
    const { gp } = await backend.client();
    const channel = newChannel();
    await sendAll(gp, channel, upTo(5));
    const pages: number[][] = [];
    let after = 0;
    for (let page = await gp.channels.history(channel, { after, limit: 2 }); page.length > 0; ) {
      pages.push(seqs(page));
      after = page.at(-1)?.seq ?? after;
      if (pages.length === 1) {
        await sendAll(gp, channel, [6]);
      }
      page = await gp.channels.history(channel, { after, limit: 2 });
    }
    expect(pages).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
  });

  test("is pruned by age, from the oldest on and a batch at a time; counting goes on", async () => {
    const { gp, clock } = await backend.client();
    const [channel, other] = [newChannel(), newChannel()];
    // What other tests have left in this database.
    while ((await pruneMessages(backend.driver, new Date(FAKE_START.getTime() + 1), 1000)) > 0) {}
    await sendAll(gp, channel, upTo(5));
    clock.advance(1000);
    await sendAll(gp, other, [1]);
    clock.advance(1000);
    await sendAll(gp, channel, [6, 7]);
    const cutoff = new Date(clock.now() - 500);
    const removed: number[] = [];
    for (let count = -1; count !== 0; ) {
      count = await pruneMessages(backend.driver, cutoff, 4);
      removed.push(count);
    }
    expect(removed).toEqual([4, 2, 0]);
    expect(seqs(await gp.channels.history(channel))).toEqual([6, 7]);
    expect(await gp.channels.history(other)).toEqual([]);
    const [rest, gone] = [await hear(gp, channel, { after: 2 }), await hear(gp, other, { after: 0 })];
    await sendAll(gp, channel, [8]);
    await sendAll(gp, other, [2]);
    await vi.waitFor(() => expect(rest.messages.map((m) => m.seq)).toEqual([6, 7, 8]));
    await vi.waitFor(() => expect(gone.messages.map((m) => m.seq)).toEqual([2]));
    expect(await rejection(pruneMessages(backend.driver, cutoff, 0))).toMatchObject({
      code: "INVALID_INPUT",
    });
  });
});

describeOnEachBackend("channels: what is refused", (backend) => {
  const nothing = (): void => undefined;
  const wrong: [string, (gp: Goalpost) => Promise<unknown>, RegExp][] = [
    ["an empty name", (gp) => gp.channels.send("", 1), /is empty/],
    ["a name with a space", (gp) => gp.channels.notify("a b", 1), /not allowed/],
    ["a name of 129 characters", (gp) => gp.channels.listen("a".repeat(129), nothing), /129 characters/],
    ["a name that is no text", (gp) => gp.channels.history(7 as never), /channel name 7/],
    ["a handler that is none", (gp) => gp.channels.listen("c", 7 as never), /must be a function/],
    ["a negative cursor", (gp) => gp.channels.listen("c", nothing, { after: -1 }), /after is -1/],
    ["half a cursor", (gp) => gp.channels.history("c", { after: 0.5 }), /after is 0.5/],
    ["a cursor beyond all numbers", (gp) => gp.channels.history("c", { after: 1e300 }), /after is 1e\+300/],
    ["a limit of 0", (gp) => gp.channels.history("c", { limit: 0 }), /limit is 0/],
    ["a limit of 1001", (gp) => gp.channels.history("c", { limit: 1001 }), /at most 1000/],
  ];

  test.each(wrong)("%s: INVALID_INPUT", async (_, call, message) => {
    const { gp } = await backend.client();
    const error = await rejection(call(gp));
    expect(error).toMatchObject({ code: "INVALID_INPUT", message: expect.stringMatching(message) });
  });

  test.each(["send", "notify"] as const)("what JSON cannot hold: %s says where it is", async (verb) => {
    const { gp } = await backend.client();
    const error = await rejection(gp.channels[verb]("c", { rows: [1, Number.NaN] }));
    expect(error).toMatchObject({ code: "INVALID_INPUT", details: { path: "$.rows[1]" } });
    expect(error.message).toContain("$.rows[1]");
  });

  test("everything on a closed client, with CLOSED", async () => {
    const { gp, close } = await backend.client();
    await close();
    const calls = [
      gp.channels.send("c", 1),
      gp.channels.notify("c", 1),
      gp.channels.listen("c", nothing),
      gp.channels.history("c"),
    ];
    for (const call of calls) {
      expect(await rejection(call)).toMatchObject({ code: "CLOSED" });
    }
  });

  test("a listener that was about to begin when its client was closed, with CLOSED", async () => {
    const { gp, close } = await backend.client();
    const listening = rejection(gp.channels.listen(newChannel(), nothing));
    await close();
    expect(await listening).toMatchObject({ code: "CLOSED" });
  });
});

interface Tap {
  readonly pool: PoolLike;
  /** Statements so far. */
  count(): number;
  /** Resolves when no statement is under way and what they led to has been done. */
  idle(): Promise<void>;
  /** A probe that was sent and has not come back. */
  probe: unknown;
  /** Statements fail while this is set. */
  broken: boolean;
  /** LISTEN succeeds and nothing is ever heard, as behind a transaction pooler, while this is set. */
  deaf: boolean;
  /** Whether anybody ever listened on one of its connections. */
  listens: boolean;
  /** No connection can be had for listening while this is set. */
  full: boolean;
}

/** A database with a client that can be watched and cut off. */
async function tapped(max = 5): Promise<Tap> {
  const pool = new pg.Pool({ connectionString: await createDatabase(), max });
  pool.on("error", () => undefined);
  onTestFinished(() => pool.end());
  let count = 0;
  const underWay = new Set<Promise<unknown>>();
  const hearing = (listener: (message: pg.Notification) => void) => (message: pg.Notification) => {
    if (!tap.deaf) {
      listener(message);
      tap.probe = message.payload === `?${tap.probe}` ? undefined : tap.probe;
    }
  };
  const tap: Tap = {
    count: () => count,
    async idle() {
      do {
        await Promise.allSettled([...underWay]);
        await new Promise(setImmediate);
      } while (underWay.size > 0);
    },
    probe: undefined,
    broken: false,
    deaf: false,
    listens: false,
    full: false,
    pool: {
      options: { max },
      query(text: string, values?: unknown[]) {
        count += 1;
        if (text.includes("look_at_channels")) {
          tap.probe = values?.[2] ?? tap.probe;
        }
        const answer = tap.broken ? Promise.reject(new Error("cut off")) : pool.query(text, values);
        const forget = (): unknown => underWay.delete(answer);
        underWay.add(answer);
        answer.then(forget, forget);
        return answer;
      },
      async connect() {
        if (tap.full) {
          throw new Error("too many clients");
        }
        const client = await pool.connect();
        return {
          query: (text: string, values?: unknown[]) => client.query(text, values),
          release: (destroy?: boolean) => client.release(destroy),
          on: (event: "notification", listener: (message: pg.Notification) => void) => {
            tap.listens ||= event === "notification";
            return client.on(event, event === "notification" ? hearing(listener) : listener);
          },
        };
      },
      end: () => pool.end(),
    } as unknown as PoolLike,
  };
  return tap;
}

async function openOn(tap: Tap): Promise<{ gp: Goalpost; clock: FakeClock }> {
  const clock = new FakeClock();
  const gp = await Goalpost.open({
    database: tap.pool,
    logger: silentLogger,
    clock,
    workers: { start: false },
  });
  onTestFinished(() => gp.close({ graceMs: 0 }));
  return { gp, clock };
}

/**
 * The clock of the test runs faster than notifications do: a probe that was sent is given time to come back, unless
 * there is nobody who could hear it.
 */
async function probed(tap: Tap): Promise<void> {
  if (tap.deaf || !tap.listens) {
    return;
  }
  await vi.waitFor(() => expect(tap.probe).toBeUndefined()).catch(() => undefined);
}

/** Lets what was set off come to its end: notifications take their time. */
async function settled(tap: Tap): Promise<void> {
  for (let before = -1; before !== tap.count(); ) {
    before = tap.count();
    await new Promise((resolve) => setTimeout(resolve, 50));
    await tap.idle();
  }
}

/** Statements in one minute. */
async function minute(tap: Tap, clock: FakeClock): Promise<number> {
  await settled(tap);
  await probed(tap);
  const before = tap.count();
  for (let passedMs = 0; passedMs < 60_000; passedMs += 500) {
    const { probe } = tap;
    clock.advance(500);
    await tap.idle();
    if (tap.probe !== probe) {
      await probed(tap);
    }
  }
  await settled(tap);
  return tap.count() - before;
}

describe("channels on an idle PostgreSQL", () => {
  test("cost nothing without subscriptions, before and after there were some", async () => {
    const tap = await tapped();
    const { gp, clock } = await openOn(tap);
    expect(await minute(tap, clock)).toBe(0);
    const heard = await Promise.all(["a", "a", "b"].map((channel) => hear(gp, channel)));
    await Promise.all(heard.map(({ subscription }) => subscription.close()));
    expect(await minute(tap, clock)).toBe(0);
  });

  test("cost one statement every 2 s however many subscriptions there are, while LISTEN works", async () => {
    const tap = await tapped();
    const { gp, clock } = await openOn(tap);
    await Promise.all(["a", "a", "b", "c"].map((channel) => hear(gp, channel)));
    const count = await minute(tap, clock);
    expect(count).toBeGreaterThanOrEqual(25);
    expect(count).toBeLessThanOrEqual(30);
  });

  const deafen = (tap: Tap): void => {
    tap.deaf = true;
  };
  const cases: [string, (tap: Tap) => void, number][] = [
    ["behind a transaction pooler", deafen, 5],
    ["on a pool of one connection", () => undefined, 1],
  ];

  test.each(cases)("are looked at every 500 ms where LISTEN does not work: %s", async (_, prepare, max) => {
    const tap = await tapped(max);
    const { gp, clock } = await openOn(tap);
    prepare(tap);
    const heard = await hear(gp, "a");
    const count = await minute(tap, clock);
    expect(count).toBeGreaterThanOrEqual(100);
    expect(count).toBeLessThanOrEqual(120);
    await gp.channels.send("a", "stored");
    await gp.channels.notify("a", "not stored");
    await settled(tap);
    expect(heard.payloads()).toEqual([]);
    clock.advance(500);
    await vi.waitFor(() => expect(heard.payloads()).toEqual(["stored", "not stored"]));
  });

  test("are looked at more often once LISTEN is found not to work any more, until it does", async () => {
    const tap = await tapped();
    const { gp, clock } = await openOn(tap);
    await hear(gp, "a");
    expect(await minute(tap, clock)).toBeLessThanOrEqual(30);
    tap.deaf = true;
    await minute(tap, clock);
    expect(await minute(tap, clock)).toBeGreaterThanOrEqual(100);
    tap.deaf = false;
    await minute(tap, clock);
    expect(await minute(tap, clock)).toBeLessThanOrEqual(30);
  });

  test("are listened to later when no connection could be had for it at first", async () => {
    const tap = await tapped();
    const { gp, clock } = await openOn(tap);
    tap.full = true;
    const heard = await hear(gp, "a");
    await gp.channels.send("a", 1);
    clock.advance(500);
    await vi.waitFor(() => expect(heard.payloads()).toEqual([1]));
    tap.full = false;
    await minute(tap, clock);
    expect(await minute(tap, clock)).toBeLessThanOrEqual(30);
    await gp.channels.send("a", 2);
    await vi.waitFor(() => expect(heard.payloads()).toEqual([1, 2]));
  });

  test("go on from where they were when the database was away", async () => {
    const tap = await tapped(1);
    const { gp, clock } = await openOn(tap);
    const heard = await hear(gp, "a");
    await gp.channels.send("a", 1);
    tap.broken = true;
    clock.advance(500);
    await settled(tap);
    expect(await rejection<Error>(gp.channels.listen("b", () => undefined))).toMatchObject({
      message: "cut off",
    });
    tap.broken = false;
    await gp.channels.send("a", 2);
    clock.advance(500);
    await vi.waitFor(() => expect(heard.payloads()).toEqual([1, 2]));
  });

  test("keep the order of what is stored and what is not, also when a reading takes its time", async () => {
    const tap = await tapped();
    const gate = defer();
    const query = tap.pool.query.bind(tap.pool);
    const readings: string[] = [];
    tap.pool.query = async (text, values) => {
      if (text.includes("read_messages")) {
        readings.push(text);
        await gate.promise;
      }
      return query(text, values);
    };
    const { gp } = await openOn(tap);
    const heard = await hear(gp, "a");
    await gp.channels.send("a", 1);
    await vi.waitFor(() => expect(readings).toHaveLength(1));
    await gp.channels.notify("a", "between");
    await gp.channels.send("a", 2);
    gate.resolve();
    await vi.waitFor(() => expect(heard.payloads()).toEqual([1, "between", 2]));
  });

  test("do not believe a notification that tells of messages that are not there", async () => {
    const tap = await tapped();
    const { gp } = await openOn(tap);
    const heard = await hear(gp, "a");
    await gp.channels.send("a", 1);
    for (const payload of ["a:99", "a:-1", "a:x", "a", ":", "", "?", "a:!99", "nobody:1"]) {
      await tap.pool.query("select pg_notify('goalpost_messages', $1)", [payload]);
    }
    await sendAll(gp, "a", [2, 3]);
    await vi.waitFor(() => expect(heard.payloads()).toEqual([1, 2, 3]));
  });
});

describe("channels between clients of one PostgreSQL", () => {
  async function connect(url: string): Promise<Goalpost> {
    const gp = await Goalpost.open({ database: url, logger: silentLogger, workers: false });
    onTestFinished(() => gp.close({ graceMs: 0 }));
    return gp;
  }

  /** Several clients send at once; each message names its sender and counts. */
  function storm(senders: readonly Goalpost[], each: number): Promise<unknown> {
    return Promise.all(
      senders.flatMap((gp, sender) =>
        [0, 1, 2].map(async (lane) => {
          for (let n = 0; n < each; n++) {
            await gp.channels.send("storm", { from: `${sender}/${lane}`, n });
          }
        }),
      ),
    );
  }

  /** Every message once, without gaps from the first on, and each sender's in the order they were sent. */
  function expectInOrder(messages: readonly Message[], first: number, last: number): void {
    expect(messages.map((message) => message.seq)).toEqual(upTo(last).slice(first - 1));
    const next = new Map<string, number>();
    for (const { payload } of messages as Message<{ from: string; n: number }>[]) {
      const expected = next.get(payload.from) ?? payload.n;
      expect(payload.n).toBe(expected);
      next.set(payload.from, expected + 1);
    }
  }

  test("senders at once are given distinct places without gaps, and all listeners hear one order", async () => {
    const url = await createDatabase();
    const clients = await Promise.all(upTo(3).map(() => connect(url)));
    const heard = await Promise.all(clients.map((gp) => hear(gp, "storm")));
    await storm(clients, 40);
    await vi.waitFor(() => expect(heard.map((h) => h.messages.length)).toEqual([360, 360, 360]));
    const [first, second, third] = heard.map((h) => h.messages);
    expectInOrder(first ?? [], 1, 360);
    expect(second).toEqual(first);
    expect(third).toEqual(first);
  });

  test("a send that is not committed holds its place: nobody hears what comes after it first", async () => {
    const url = await createDatabase();
    const [gp, pool] = [await connect(url), new pg.Pool({ connectionString: url })];
    onTestFinished(() => pool.end());
    const heard = await hear(gp, "storm");
    const send = "select goalpost.send_message('storm', gen_random_uuid(), $1::json, null)";
    const slow = await pool.connect();
    await slow.query("begin");
    await slow.query(send, ['"slow"']);
    const fast = gp.channels.send("storm", "fast");
    const undone = await pool.connect();
    await undone.query("begin");
    const waiting = undone.query(send, ['"undone"']);
    await vi.waitFor(async () => {
      const locks =
        "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
      expect((await pool.query(locks)).rowCount).toBe(2);
    });
    expect(heard.payloads()).toEqual([]);
    await slow.query("commit");
    await waiting;
    await undone.query("rollback");
    await fast;
    await vi.waitFor(() => expect(heard.payloads()).toEqual(["slow", "fast"]));
    expect(heard.messages.map((message) => message.seq)).toEqual([1, 2]);
    slow.release();
    undone.release();
  });

  test("listeners that begin while messages are sent miss none and get none twice", async () => {
    const url = await createDatabase();
    const clients = await Promise.all(upTo(2).map(() => connect(url)));
    const late = await connect(url);
    const sending = storm(clients, 50);
    const heard: Heard[] = [];
    const fromStart: Heard[] = [];
    for (let n = 0; n < 8; n++) {
      heard.push(await hear(late, "storm"));
      fromStart.push(await hear(late, "storm", { after: n }));
    }
    await sending;
    await late.channels.send("storm", { from: "last", n: 0 });
    await vi.waitFor(() => {
      for (const { messages } of [...heard, ...fromStart]) {
        expect(messages.at(-1)?.seq).toBe(301);
      }
    });
    for (const { messages } of heard) {
      expectInOrder(messages, messages[0]?.seq ?? 0, 301);
    }
    for (const [n, { messages }] of fromStart.entries()) {
      expectInOrder(messages, n + 1, 301);
    }
  });

  test("nothing is lost when listening connections are killed in the middle, stored or not", async () => {
    const url = await createDatabase();
    const [sender, listener] = [await connect(url), await connect(url)];
    const killer = new pg.Pool({ connectionString: url });
    onTestFinished(() => killer.end());
    const heard = await hear(listener, "storm");
    let killed = 0;
    for (let n = 1; n <= 60; n++) {
      await sender.channels.send("storm", n);
      await sender.channels.notify("storm", -n);
      if (n % 10 === 0) {
        const { rowCount } = await killer.query(
          "select pg_terminate_backend(pid) from pg_stat_activity where query ~* '^listen' and datname = current_database()",
        );
        killed += rowCount ?? 0;
      }
    }
    await vi.waitFor(() => expect(heard.messages).toHaveLength(120), { timeout: 10_000 });
    expect(killed).toBeGreaterThan(0);
    expect(heard.payloads()).toEqual(upTo(60).flatMap((n) => [n, -n]));
  });

  test("every message arrives although all connections are killed again and again", async () => {
    const url = await createDatabase();
    const [sender, listener] = [await connect(url), await connect(url)];
    const killer = new pg.Pool({ connectionString: url });
    onTestFinished(() => killer.end());
    const heard = await hear(listener, "storm");
    const sent: string[] = [];
    for (let n = 1; n <= 40; n++) {
      const id = await sender.channels.send("storm", n).catch(() => undefined);
      if (id) {
        sent.push(id);
      }
      if (n % 8 === 0) {
        await killer.query(
          "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
        );
      }
    }
    await vi.waitFor(() => expect(heard.messages.map((m) => m.id)).toEqual(expect.arrayContaining(sent)), {
      timeout: 10_000,
    });
    expect(heard.messages.map((message) => message.seq)).toEqual(upTo(heard.messages.length));
  });

  test("notices that are committed out of order are all heard, once", async () => {
    const url = await createDatabase();
    const [gp, pool] = [await connect(url), new pg.Pool({ connectionString: url })];
    onTestFinished(() => pool.end());
    const heard = await hear(gp, "storm");
    const slow = await pool.connect();
    await slow.query("begin");
    await slow.query("select goalpost.send_notice('storm', gen_random_uuid(), '\"slow\"', null)");
    await gp.channels.notify("storm", "fast");
    await vi.waitFor(() => expect(heard.payloads()).toEqual(["fast"]));
    await slow.query("commit");
    slow.release();
    await vi.waitFor(() => expect(heard.payloads()).toEqual(["fast", "slow"]));
  });
});
