import { expect, onTestFinished, test } from "vitest";
import { adviseModels } from "../../src/advised-models.ts";
import { evidenceJson } from "../../src/fleet/evidence.ts";
import { sendMail } from "../../src/fleet/mailbox.ts";
import { DOWN_CHANNEL, UP_CHANNEL } from "../../src/fleet/publication.ts";
import { Hub, silentLogger, workflow } from "../../src/index.ts";
import { around, evidenceOf } from "../fleet/evidence-of.ts";
import { rejection } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

const OTHER = "77777777-7777-4777-8777-777777777777";

describeOnEachBackend("a client that learns with others", (backend) => {
  /** A hub, and a client that learns by it; the database of one is that of the other. */
  const open = async () => {
    const { gp, settle, clock } = await backend.client({ hub: { database: backend.database, start: false } });
    const hub = await Hub.open({ database: backend.database, start: false, logger: silentLogger, clock });
    onTestFinished(() => hub.close());
    return { gp, settle, hub, clock, fleet: gp.learning.fleet };
  };
  const publish = (seq: number, ...evidence: readonly object[]): Promise<number> =>
    sendMail(backend.driver, UP_CHANNEL, JSON.stringify({ format: 1, source: OTHER, seq, evidence }));

  test("publishes what its workers have seen, and the hub knows it then", async () => {
    const { gp, settle, hub, fleet } = await open();
    const measure = workflow("measured").step("measured", () => null);
    for (let run = 0; run < 5; run++) {
      const handle = await gp.start(measure, null);
      await settle();
      await handle.result();
    }
    await gp.learning.flush();
    expect(await fleet?.publish()).toMatchObject({ written: 1, sent: 1 });
    expect(await hub.tick()).toMatchObject({ messages: 1, ignored: 0 });
    const [known] = await backend.query<{ body: string }>(
      "select body from goalpost.fleet_evidence where kind = 'measured' and model = ''",
    );
    expect(JSON.parse(known?.body ?? "null")).toMatchObject({ samples: 5, successes: 5, failures: 0 });
    expect(await fleet?.publish()).toMatchObject({ waiting: 0 });
  });

  test("plans steps that it has never run by what others learned of them", async () => {
    const { gp, hub, fleet } = await open();
    await publish(1, evidenceJson(evidenceOf("elsewhere", around(300, 40))));
    await hub.tick();
    expect(await fleet?.sync()).toMatchObject({ applied: true });
    const estimate = (await gp.learning.snapshot({ steps: ["elsewhere"] })).of({ step: "elsewhere" });
    expect(estimate).toMatchObject({ level: "fleet", p95Ms: null, samples: 8 });
    expect(estimate.medianMs).toBeCloseTo(300, -1);
  });

  test("chooses models by what others learned of them, less the more it knows itself", async () => {
    const { hub, fleet } = await open();
    const about = { topic: "model", model: "openai/small", successes: 2, failures: 38 } as const;
    await publish(2, evidenceJson(evidenceOf("coder", around(900, 40), about)));
    await hub.tick();
    await fleet?.sync();
    const lessons = fleet?.lessons.filter(({ kind }) => kind === "coder") ?? [];
    const [advised] = adviseModels("coder", [], lessons);
    expect(advised).toMatchObject({ provider: "openai", model: "small", calls: 1 });
    expect(advised?.failures).toBeGreaterThan(7);
    const own = { ...advised, successes: 30, failures: 0 } as NonNullable<typeof advised>;
    expect(adviseModels("coder", [own], lessons)).toEqual([own]);
  });

  test("publishes how models did, with their time, tokens and cost", async () => {
    const { hub, fleet } = await open();
    await backend.query(
      `insert into goalpost.model_stats (kind, provider, model, samples, successes, failures, calls, priced, cost_usd,
         input_tokens, output_tokens, log_ms, log_ms_squares, changed_at)
       values ('parser', 'openai', 'gpt-5-mini', 10, 9, 1, 10, 10, 0.5, 1000, 200, 70, 492, '2026-01-01')`,
    );
    expect(await fleet?.publish()).toMatchObject({ written: 1, sent: 1 });
    expect(await hub.tick()).toMatchObject({ ignored: 0 });
    const [known] = await backend.query<{ body: string }>(
      "select body from goalpost.fleet_evidence where kind = 'parser'",
    );
    expect(JSON.parse(known?.body ?? "null")).toMatchObject({
      topic: "model",
      model: "openai/gpt-5-mini",
      samples: 10,
      logMean: 7,
      successes: 9,
      failures: 1,
      costUsd: { samples: 10, mean: 0.05 },
      inputTokens: 100,
      outputTokens: 20,
      lastAt: Date.UTC(2026, 0, 1),
    });
    expect(await fleet?.publish()).toMatchObject({ waiting: 0 });
  });

  test("plans as if there were no hub after guidance that cannot be believed", async () => {
    const { gp, hub, fleet } = await open();
    const before = await gp.learning.snapshot({ steps: ["poisoned"] });
    await hub.tick();
    const id = (await hub.status()).id;
    const absurd = {
      topic: "step",
      kind: "poisoned",
      model: "",
      samples: 1e300,
      medianMs: -1,
      quantilesMs: [1],
    };
    const body = { format: 1, hub: id, estimates: [absurd], routing: "none", patterns: [] };
    const last = await sendMail(backend.driver, DOWN_CHANNEL, JSON.stringify({ ...body, version: 1e12 }));
    await sendMail(backend.driver, DOWN_CHANNEL, JSON.stringify({ ...body, version: last + 1, routing: [] }));
    expect(await fleet?.sync()).toMatchObject({ ignored: 1 });
    const after = await gp.learning.snapshot({ steps: ["poisoned"] });
    expect(after.of({ step: "poisoned" })).toEqual(before.of({ step: "poisoned" }));
    expect((await fleet?.status())?.ignored).not.toEqual([]);
  });

  test("works without the hub, and says that what it learned waits", async () => {
    const { gp, settle } = await backend.client({
      hub: { database: "postgres://127.0.0.1:9/none", start: false },
    });
    const handle = await gp.start(
      workflow("alone").step("alone", () => null),
      null,
    );
    await settle();
    await handle.result();
    await gp.learning.flush();
    const fleet = gp.learning.fleet;
    expect(await fleet?.publish()).toEqual({ written: 1, sent: 0, waiting: 1 });
    expect(await fleet?.sync()).toMatchObject({ ignored: 0 });
    expect(await fleet?.status()).toMatchObject({ waiting: 1 });
  });

  test("refuses a hub that nobody else could reach", async () => {
    for (const hub of ["memory:", "", 7, { database: "memory:" }]) {
      expect(await rejection(backend.client({ hub: hub as never }))).toMatchObject({ code: "INVALID_INPUT" });
    }
  });
});
