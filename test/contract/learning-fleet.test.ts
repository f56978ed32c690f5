import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Estimate } from "../../src/core/estimates.ts";
import { evidenceJson } from "../../src/fleet/evidence.ts";
import { listSources } from "../../src/fleet/hub-store.ts";
import { listIgnored } from "../../src/fleet/ignored.ts";
import { sendMail } from "../../src/fleet/mailbox.ts";
import { DOWN_CHANNEL, UP_CHANNEL } from "../../src/fleet/publication.ts";
import { around, evidenceOf } from "../fleet/evidence-of.ts";
import { type Databases, forgetLearning, LearningWorld, openDatabases, UNKNOWN } from "./learning-world.ts";

const SOURCE = "99999999-9999-4999-8999-999999999999";
const publication = (seq: number, evidence: readonly object[], source = SOURCE): string =>
  JSON.stringify({ format: 1, source, seq, evidence });
const wire = (kind: string, timesMs: readonly number[]): object => evidenceJson(evidenceOf(kind, timesMs));
const bad = { format: 1, estimates: [], routing: [], patterns: [] };

for (const kind of ["PGlite", "PostgreSQL"] as const) {
  describe(`databases that learn from each other on ${kind}`, () => {
    let databases: Databases;
    let world: LearningWorld;
    beforeAll(async () => {
      databases = await openDatabases(kind);
    });
    afterAll(() => databases.close());
    beforeEach(async () => {
      await databases.empty();
      world = new LearningWorld(databases.drivers);
    });

    const send = (channel: string, ...bodies: readonly string[]): Promise<void> =>
      bodies.reduce(
        (before, body) => before.then(async () => void (await sendMail(world.hubDriver, channel, body))),
        Promise.resolve(),
      );
    const evidenceAtHub = () =>
      world.hubDriver.query("select * from goalpost.fleet_evidence order by source, topic, kind, model");
    const hubId = async (): Promise<string> => {
      const [row] = await world.hubDriver.query<{ id: string }>("select id from goalpost.fleet_hub");
      return row?.id ?? "";
    };

    test("a hub that knows nothing says nothing", async () => {
      expect(await world.hub.tick()).toEqual({ messages: 0, ignored: 0, version: null });
    });

    test("what one has measured another one plans by, and it is no news to the first", async () => {
      const [one, two] = world.learners;
      one.learns(evidenceOf("fetch", around(200, 50)));
      await world.round();
      expect(two.sync.lessons.step("fetch")?.medianMs).toBeCloseTo(200, -1);
      expect(one.sync.lessons.step("fetch")).toBe(undefined);
      const estimate = two.sync.lessons.below(two.estimates).of({ step: "fetch" });
      expect(estimate).toMatchObject({ samples: 8, level: "fleet", p95Ms: null });
      expect(estimate.medianMs).toBeCloseTo(200, -1);
    });

    test("what a database measures itself weighs more with every sample, and stays as it is in the end", async () => {
      const [one, two] = world.learners;
      one.learns(evidenceOf("fetch", around(200, 500)));
      await world.round();
      const own = (samples: number): Estimate => ({
        ...UNKNOWN,
        samples,
        medianMs: 800,
        sigma: 0.5,
        level: "kind",
      });
      const median = (samples: number): number => {
        two.own.set("fetch", own(samples));
        return two.sync.lessons.below(two.estimates).of({ step: "fetch" }).medianMs;
      };
      expect(median(1)).toBeLessThan(300);
      expect(median(10)).toBeGreaterThan(350);
      expect(two.sync.lessons.below(two.estimates).of({ step: "fetch" }).p95Ms).toBe(null);
      expect(median(30)).toBe(800);
    });

    test("nothing new is neither published nor sent again", async () => {
      world.learners[0].learns(evidenceOf("fetch", around(200, 50)));
      await world.round();
      await world.round();
      expect(await world.learners[0].aggregator.tick()).toEqual({ written: 0, sent: 0, waiting: 0 });
      expect(await world.hub.tick()).toEqual({ messages: 0, ignored: 0, version: null });
      expect(await world.learners[1].sync.tick()).toEqual({ version: 1, applied: false, ignored: 0 });
    });

    test("what was forgotten here is forgotten there", async () => {
      const [one, two] = world.learners;
      one.learns(evidenceOf("fetch", around(200, 50)), evidenceOf("price", around(20, 50)));
      await world.round();
      one.known.delete("step\nfetch\n");
      await world.round();
      expect(two.sync.lessons.step("fetch")).toBe(undefined);
      expect(two.sync.lessons.step("price")).toBeDefined();
      expect(await one.aggregator.tick()).toMatchObject({ written: 0 });
    });

    test("with the hub away everything adds up, and nothing is lost when it is back", async () => {
      const [one, two] = world.learners;
      world.isAway = true;
      for (let samples = 1; samples <= 40; samples++) {
        one.learns(evidenceOf("fetch", around(200, samples)));
        await one.aggregator.tick();
      }
      expect(await one.aggregator.tick()).toEqual({ written: 0, sent: 0, waiting: 16 });
      expect(await two.sync.tick()).toEqual({ version: 0, applied: false, ignored: 0 });
      world.isAway = false;
      await world.round();
      expect(await world.samplesAtHub("fetch")).toBe(16);
      await world.round();
      expect(await world.samplesAtHub("fetch")).toBe(40);
      expect(two.sync.lessons.step("fetch")).toBeDefined();
      world.isAway = true;
      await two.sync.tick();
      expect(two.sync.lessons.step("fetch")).toBeDefined();
    });

    test("another instance of a database knows what the first one has applied, without the hub", async () => {
      world.learners[0].learns(evidenceOf("fetch", around(200, 50)));
      await world.round();
      const again = new LearningWorld(databases.drivers);
      again.isAway = true;
      await again.learners[1].sync.tick();
      expect(again.learners[1].sync.lessons.step("fetch")).toBeDefined();
    });

    test("a publication that gets no acknowledgement is sent again", async () => {
      const [one] = world.learners;
      one.learns(evidenceOf("fetch", around(200, 50)));
      await one.aggregator.tick();
      await world.hubDriver.query("delete from goalpost.messages");
      expect(await one.aggregator.tick()).toMatchObject({ sent: 0, waiting: 1 });
      world.clock.advance(121_000);
      expect(await one.aggregator.tick()).toMatchObject({ sent: 1, waiting: 1 });
      await world.hub.tick();
      expect(await one.aggregator.tick()).toMatchObject({ waiting: 0 });
      expect(await world.samplesAtHub("fetch")).toBe(50);
    });

    test("a hub that starts afresh is told everything again", async () => {
      const [one, two] = world.learners;
      one.learns(evidenceOf("fetch", around(200, 50)));
      await world.round();
      await world.round();
      await forgetLearning(world.hubDriver);
      await world.hub.tick();
      await world.round();
      expect(await world.samplesAtHub("fetch")).toBe(50);
      await world.round();
      expect(two.sync.lessons.step("fetch")).toBeDefined();
    });

    test("a database that was restored from a backup goes on behind what it forgot", async () => {
      const [one] = world.learners;
      one.learns(evidenceOf("fetch", around(200, 50)));
      await world.round();
      await world.round();
      await one.driver.query("update goalpost.fleet_self set seq = 0, acked = 0");
      await one.driver.query("update goalpost.fleet_published set stamp = 'of then'");
      one.learns(evidenceOf("fetch", around(200, 51)));
      await world.round();
      await world.round();
      expect(await world.samplesAtHub("fetch")).toBe(51);
      expect(await one.aggregator.tick()).toMatchObject({ waiting: 0 });
    });

    test("any order and any repetition of messages end the same", async () => {
      const evidence = (seq: number): object[] => [
        wire("fetch", around(100 + seq, 10 + seq)),
        wire(`only:${seq}`, around(50, seq)),
      ];
      const others = [SOURCE, SOURCE.replaceAll("9", "8")];
      const messages = others.flatMap((source) =>
        [1, 2, 3].map((seq) => publication(seq, evidence(seq), source)),
      );
      // The copy of a database publishes under its number, too.
      messages.push(publication(2, [wire("fetch", around(7, 7))]));
      await send(UP_CHANNEL, ...messages);
      await world.hub.tick();
      const expected = await evidenceAtHub();
      const order = fc.array(fc.nat(messages.length - 1), { maxLength: 6 }).chain((repeated) =>
        fc.shuffledSubarray([...messages, ...repeated.map((index) => messages[index] as string)], {
          minLength: messages.length + repeated.length,
        }),
      );
      await fc.assert(
        fc.asyncProperty(order, fc.nat(12), async (shuffled, turnAfter) => {
          await world.hubDriver.query("delete from goalpost.fleet_evidence");
          await send(UP_CHANNEL, ...shuffled.slice(0, turnAfter));
          await world.hub.tick();
          await send(UP_CHANNEL, ...shuffled.slice(turnAfter));
          await world.hub.tick();
          expect(await evidenceAtHub()).toEqual(expected);
        }),
        { numRuns: 8 },
      );
    });

    test("more kinds than fit into one publication are all published", async () => {
      const [one] = world.learners;
      one.learns(...Array.from({ length: 1100 }, (_, index) => evidenceOf(`kind:${index}`, [100, 110])));
      expect(await one.aggregator.tick()).toEqual({ written: 3, sent: 3, waiting: 3 });
      await world.hub.tick();
      const [row] = await world.hubDriver.query("select count(*)::int as count from goalpost.fleet_evidence");
      expect(row).toEqual({ count: 1100 });
    });

    test("more messages than one turn reads are all merged, and said once", async () => {
      await send(
        UP_CHANNEL,
        ...Array.from({ length: 120 }, (_, index) =>
          publication(index + 1, [wire("fetch", around(9, index + 1))]),
        ),
      );
      expect(await world.hub.tick()).toEqual({ messages: 120, ignored: 0, version: 1 });
      expect(await world.samplesAtHub("fetch")).toBe(120);
    });

    test("two hubs on one database take turns, and say nothing twice", async () => {
      world.learners[0].learns(evidenceOf("fetch", around(200, 50)));
      await world.learners[0].aggregator.tick();
      const other = world.anotherHub();
      const turns = await Promise.all([world.hub.tick(), other.tick(), world.hub.tick(), other.tick()]);
      expect(turns.reduce((sum, { messages }) => sum + messages, 0)).toBe(1);
      expect(turns.filter(({ version }) => version !== null)).toHaveLength(1);
    });

    test("a poisoned publication is ignored with a reason, and what is good in it is not", async () => {
      const good = wire("fetch", around(200, 50));
      await send(
        UP_CHANNEL,
        "null",
        '"text"',
        JSON.stringify({ format: 7 }),
        JSON.stringify("x".repeat(5_000_000)),
        `{"format":1,"source":"${SOURCE}","seq":1e999,"evidence":[]}`,
        `{"__proto__":{"format":1},"constructor":1}`,
        publication(1, [
          { ...good, kind: "__proto__" },
          { ...good, logMean: "NaN" },
          { ...good, samples: 1e15 },
          good,
        ]),
      );
      expect(await world.hub.tick()).toEqual({ messages: 7, ignored: 9, version: 1 });
      expect(await world.samplesAtHub("fetch")).toBe(50);
      const reasons = (await listIgnored(world.hubDriver)).map(({ sender, reason, count }) => [
        sender,
        reason,
        count,
      ]);
      expect(reasons).toContainEqual(["unknown", "a message that is too large", 1]);
      expect(reasons).toContainEqual(["unknown", "a format that is not understood", 4]);
      expect(reasons).toContainEqual([SOURCE, "counts out of bounds", 1]);
      expect(world.hubWarnings).toContainEqual({
        sender: SOURCE,
        reason: "a kind that is no name",
        times: 1,
      });
      expect(await listSources(world.hubDriver)).toMatchObject([{ source: SOURCE, seq: 1, kinds: 1 }]);
    });

    test("guidance that is not the hub's changes nothing, and is counted and logged once", async () => {
      const [one, two] = world.learners;
      one.learns(evidenceOf("fetch", around(200, 50)));
      await world.round();
      const before = two.sync.lessons;
      const hub = await hubId();
      await send(
        DOWN_CHANNEL,
        "[]",
        JSON.stringify({ ...bad, hub: SOURCE, version: 2 }),
        JSON.stringify({ ...bad, hub, version: 1e9 }),
        JSON.stringify({ ...bad, hub, version: 1 }),
        JSON.stringify({ ...bad, hub, version: 7, format: 2 }),
      );
      expect(await two.sync.tick()).toEqual({ version: 1, applied: false, ignored: 5 });
      expect(two.sync.lessons).toBe(before);
      expect(await two.sync.tick()).toMatchObject({ ignored: 0 });
      expect(two.warnings).toHaveLength(3);
      one.learns(evidenceOf("fetch", around(300, 60)));
      await world.round();
      expect(two.sync.lessons.version).toBe(7);
      expect(two.sync.lessons.step("fetch")?.medianMs).toBeCloseTo(300, -1);
    });

    test("guidance in another unit than what was measured here is ignored, the rest of it is not", async () => {
      const [one, two] = world.learners;
      two.own.set("fetch", { ...UNKNOWN, samples: 20, medianMs: 200, sigma: 0.4, level: "kind" });
      one.learns(evidenceOf("fetch", around(0.2, 50)), evidenceOf("price", around(20, 50)));
      await world.round();
      expect(two.sync.lessons.step("fetch")).toBe(undefined);
      expect(two.sync.lessons.step("price")).toBeDefined();
      expect(two.warnings).toMatchObject([
        { reason: "run times that contradict what was measured here", times: 1 },
      ]);
      expect(two.sync.lessons.below(two.estimates).of({ step: "fetch" })).toBe(two.own.get("fetch"));
    });

    test("a database that is new to bad guidance only goes by its own", async () => {
      await world.hub.tick();
      await send(DOWN_CHANNEL, "{}");
      const [one] = world.learners;
      expect(await one.sync.tick()).toEqual({ version: 0, applied: false, ignored: 1 });
      expect(await one.sync.tick()).toEqual({ version: 0, applied: false, ignored: 0 });
      const own = one.estimates;
      expect(one.sync.lessons.below(own)).toBe(own);
    });
  });
}
