import { expect, test } from "vitest";
import { type GoalpostError, workflow } from "../../src/index.ts";
import { rejection } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

describeOnEachBackend("learning", (backend) => {
  test("what the workers see is kept by step, run time apart from the wait in the queue", async () => {
    const t = await backend.client();
    const w = workflow<number>("seen_flow").step("seen", () => {
      t.clock.advance(40);
      return 1;
    });
    for (let run = 0; run < 20; run++) {
      await t.gp.start(w, run);
      t.clock.advance(1000);
      await t.settle();
    }
    const [kind, ...others] = await t.gp.learning.estimates({ step: "seen" });
    expect(kind).toMatchObject({ level: "kind", step: "seen", samples: 20, costUsd: 0, drift: 0 });
    expect(kind?.medianMs).toBeCloseTo(40, -1);
    expect(kind?.queueWaitMs).toBeGreaterThan(900);
    expect(kind?.p95Ms).toBeCloseTo(40, -1);
    expect(kind?.successRate).toBeCloseTo(21 / 22);
    expect(others.map(({ level }) => level).sort()).toEqual(["model", "step"]);
  });

  test("instances that share a database add to the same rows", async () => {
    const one = await backend.client();
    const other = await backend.client();
    for (const t of [one, other, one]) {
      const w = workflow("shared_flow").step("shared", () => 1);
      await t.gp.start(w, null);
      await t.settle();
      await t.gp.learning.flush();
    }
    const [kind] = await one.gp.learning.estimates({ step: "shared" });
    expect(kind?.samples).toBe(3);
  });

  test("a retry is no sample of a run time, and tells how such failures end", async () => {
    const t = await backend.client();
    let calls = 0;
    const w = workflow("retried_flow").step("retried", () => {
      calls += 1;
      if (calls === 1) {
        throw new Error("not now");
      }
      return 1;
    });
    await t.gp.start(w, null);
    await t.settle();
    t.clock.advance(60_000);
    await t.settle();
    const [kind] = await t.gp.learning.estimates({ step: "retried" });
    expect(calls).toBe(2);
    expect(kind).toMatchObject({ samples: 0, retries: { STEP_FAILED: { samples: 1, successRate: 2 / 3 } } });
  });

  test("a try that timed out says that it takes longer than that", async () => {
    const t = await backend.client();
    const w = workflow("slow_flow").step("slow", { timeoutMs: 100, maxAttempts: 1 }, () => {
      t.clock.advance(150);
      return new Promise(() => undefined);
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    await rejection(handle.result());
    const [kind] = await t.gp.learning.estimates({ step: "slow" });
    expect(kind).toMatchObject({ samples: 0, timedOut: 1 });
    expect(kind?.medianMs).toBeGreaterThan(150);
  });

  test("a clock that jumps back is not believed, and counted", async () => {
    const t = await backend.client();
    const w = workflow("jumpy_flow").step("jumpy", () => {
      t.clock.advance(-5000);
      return 1;
    });
    await t.gp.start(w, null);
    await t.settle();
    expect(await t.gp.learning.estimates({ step: "jumpy" })).toEqual([]);
    expect(t.gp.learning.ignored).toEqual({ negative: 1 });
    t.clock.advance(5000);
  });

  test("statistics are stored some seconds later, and when the client closes", async () => {
    const t = await backend.client();
    const w = workflow("closed_flow").step("closed", () => 1);
    await t.gp.start(w, null);
    await t.settle();
    const rows = () =>
      backend.query("select 1 from goalpost.step_stats where step = 'closed' and level = 'kind'");
    expect(await rows()).toEqual([]);
    await t.close();
    expect(await rows()).toHaveLength(1);
  });

  test("a client that does not learn keeps nothing", async () => {
    const t = await backend.client({ learning: false });
    const w = workflow("unlearned_flow").step("unlearned", () => 1);
    await t.gp.start(w, null);
    await t.settle();
    expect(await t.gp.learning.estimates({ step: "unlearned" })).toEqual([]);
  });

  test("reset forgets one step, or everything", async () => {
    const t = await backend.client();
    const w = workflow("forgotten_flow")
      .step("forgotten", () => 1)
      .step("kept", () => 1);
    await t.gp.start(w, null);
    await t.settle();
    expect(await t.gp.learning.reset({ step: "forgotten" })).toBe(3);
    expect(await t.gp.learning.estimates({ step: "forgotten" })).toEqual([]);
    expect(await t.gp.learning.estimates({ step: "kept" })).toHaveLength(3);
    await t.gp.learning.reset();
    expect(await t.gp.learning.estimates()).toEqual([]);
  });

  test("a row that cannot be read counts as nothing known, and is made anew", async () => {
    const t = await backend.client();
    const w = workflow("spoilt_flow").step("spoilt", () => 1);
    await t.gp.start(w, null);
    await t.settle();
    await t.gp.learning.flush();
    await backend.query(
      `update goalpost.step_stats set summary = '{"v":1,"sums":[1e99]}' where step = 'spoilt'`,
    );
    expect(await t.gp.learning.estimates({ step: "spoilt" })).toEqual([]);
    await t.gp.start(w, null);
    await t.settle();
    expect((await t.gp.learning.estimates({ step: "spoilt" }))[0]?.samples).toBe(1);
  });

  test.each([{ step: "not a name" }, { limit: 0 }, { limit: 1.5 }])("%o is refused", async (options) => {
    const t = await backend.client();
    expect(await rejection<GoalpostError>(t.gp.learning.estimates(options))).toMatchObject({
      code: "INVALID_INPUT",
    });
  });
});
