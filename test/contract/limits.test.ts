import { expect, test } from "vitest";
import { workflow } from "../../src/index.ts";
import { rejection } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

/** Counts how many calls are under way at once. */
class Gauge {
  now = 0;
  most = 0;

  async through(): Promise<number> {
    this.most = Math.max(this.most, ++this.now);
    await new Promise(setImmediate);
    this.now -= 1;
    return this.most;
  }
}

describeOnEachBackend("limits", (backend) => {
  const wide = (name: string, gauge: Gauge) =>
    Array.from({ length: 12 }, (_, i) => `s${i}`).reduce(
      (w, step) => w.step(step as "s", () => gauge.through()) as unknown as typeof w,
      workflow(name),
    );

  test.each([1, 3])("a run has no more tasks under way than maxParallel: %i", async (maxParallel) => {
    const gauge = new Gauge();
    const t = await backend.client();
    const handle = await t.gp.start(wide("parallel", gauge), null, { maxParallel });
    await t.settle();
    expect(await handle.progress()).toMatchObject({ status: "completed" });
    expect(gauge.most).toBe(maxParallel);
  });

  test("the items of a map count for maxParallel", async () => {
    const gauge = new Gauge();
    const t = await backend.client();
    const w = workflow<number[]>("parallel_map").map("each", () => gauge.through());
    const handle = await t.gp.start(w, [1, 2, 3, 4, 5, 6, 7], { maxParallel: 2 });
    await t.settle();
    expect((await handle.progress()).status).toBe("completed");
    expect(gauge.most).toBe(2);
  });

  test("a run with a limit that is paused and resumed keeps to it, and ends", async () => {
    const gauge = new Gauge();
    const t = await backend.client();
    const handle = await t.gp.start(wide("paused", gauge), null, { maxParallel: 2 });
    await t.tick();
    await t.gp.runs.pause(handle.runId);
    await t.settle();
    await t.gp.runs.resume(handle.runId);
    await t.settle();
    expect((await handle.progress()).status).toBe("completed");
    expect(gauge.most).toBe(2);
  });

  test("a task that waits for its next try leaves its place to others", async () => {
    const t = await backend.client();
    const order: string[] = [];
    const w = workflow("retrying")
      .step("flaky", { retry: { baseMs: 1000, jitter: false } }, (_, ctx) => {
        order.push(`flaky ${ctx.attempt}`);
        if (ctx.attempt === 1) {
          throw new Error("again");
        }
      })
      .step("after_flaky", { after: ["flaky"] }, () => order.push("after"))
      .step("other", () => order.push("other"));
    await t.gp.start(w, null, { maxParallel: 1 });
    await t.settle();
    t.clock.advance(1000);
    await t.settle();
    expect(order).toEqual(["flaky 1", "other", "flaky 2", "after"]);
  });

  test("a queue's limit holds over several clients and runs", async () => {
    const gauge = new Gauge();
    const queue = `limited_${Math.random().toString(36).slice(2)}`;
    const app = { workflows: [wide("limited", gauge)] };
    const clients = await Promise.all(
      [1, 2].map(() => backend.client({ workers: { queues: [queue], concurrency: 10 } })),
    );
    for (const { gp } of clients) {
      gp.register(app);
    }
    const [first, second] = clients;
    await first?.gp.queues.limit(queue, 3);
    const handles = await Promise.all(
      clients.map(({ gp }) => gp.start(app.workflows[0] as never, null as never, { queue })),
    );
    for (let round = 0; round < 40; round++) {
      await Promise.all([first?.tick(), second?.tick()]);
    }
    for (const handle of handles) {
      expect((await handle.progress()).status).toBe("completed");
    }
    expect(gauge.most).toBe(3);
    expect(await first?.gp.queues.list()).toContainEqual({ name: queue, maxRunning: 3, running: 0 });
  });

  test("what a cancelled run had under way is given back to its queue", async () => {
    const queue = `given_back_${Math.random().toString(36).slice(2)}`;
    const hang = workflow("hang").step(
      "hang",
      (_, ctx) => new Promise((_resolve, reject) => ctx.signal.addEventListener("abort", reject)),
    );
    const gp = await backend.liveClient({ workers: { queues: [queue] } });
    gp.register({ workflows: [hang] });
    await gp.queues.limit(queue, 1);
    for (let round = 0; round < 3; round++) {
      const handle = await gp.start(hang, null, { queue });
      await expect.poll(async () => (await handle.progress()).runningTasks, { timeout: 5000 }).toBe(1);
      await handle.cancel();
    }
    expect(await gp.queues.list()).toContainEqual({ name: queue, maxRunning: 1, running: 0 });
  });

  test("a run that is to start later starts then", async () => {
    const t = await backend.client();
    const w = workflow<number[]>("later").map("each", (n) => n);
    const handle = await t.gp.start(w, [1], { delayMs: 60_000, deadlineMs: 1000, events: true });
    await t.settle();
    expect((await handle.progress()).status).toBe("queued");
    t.clock.advance(60_000);
    await t.settle();
    expect((await handle.result()).output).toEqual({ each: [1] });
  });

  test("a run that is to start later can be cancelled before", async () => {
    const t = await backend.client();
    const handle = await t.gp.start(
      workflow("never").step("a", () => 1),
      null,
      { delayMs: 1000 },
    );
    expect(await handle.cancel()).toBe(true);
    t.clock.advance(2000);
    await t.settle();
    expect((await t.gp.runs.get(handle.runId)).tasks).toMatchObject([{ status: "cancelled", attempts: 0 }]);
  });

  test.each([0, 1.5, -1])("a queue cannot be limited to %s", async (maxRunning) => {
    const t = await backend.client();
    expect(await rejection(t.gp.queues.limit("q", maxRunning))).toMatchObject({ code: "INVALID_INPUT" });
  });
});
