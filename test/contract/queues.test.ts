import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { z } from "zod";
import { type AnyWorkflow, defineStep, type WorkersOptions, workflow } from "../../src/index.ts";
import type { FakeClock, TestGoalpost } from "../../src/testing/index.ts";
import { rejection } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

/** A queue of the test's own. */
function newQueue(): string {
  return `q_${randomUUID()}`;
}

describeOnEachBackend("a distributed run", (backend) => {
  async function clientFor(workers: WorkersOptions, of: readonly AnyWorkflow[] = []): Promise<TestGoalpost> {
    const { start: _, ...rest } = workers;
    const t = await backend.client({ workers: rest });
    t.gp.register({ workflows: of });
    return t;
  }

  async function statusOf(t: TestGoalpost, runId: string): Promise<string> {
    return (await t.gp.runs.get(runId)).status;
  }

  test("is carried out by a client that serves its queue and registered the workflow", async () => {
    const queue = newQueue();
    const w = workflow<number>("add_one")
      .step("add", ({ run }) => run + 1)
      .step("double", { after: ["add"] }, ({ add }) => add * 2);
    const starter = await clientFor({ queues: [] });
    const worker = await clientFor({ queues: [queue] }, [w]);
    const handle = await starter.gp.start(w, 20, { queue });
    await starter.settle();
    expect(await statusOf(starter, handle.runId)).toBe("running");
    await worker.settle();
    expect((await handle.result()).output).toEqual({ double: 42 });
  });

  test("is carried out by the client that started it, too, if that serves the default queue", async () => {
    const t = await backend.client();
    const w = workflow("at_home").step("a", () => "done");
    const handle = await t.gp.start(w, null, { execution: "distributed" });
    await t.settle();
    expect((await handle.result()).output).toEqual({ a: "done" });
  });

  test("is left alone by clients that serve other queues", async () => {
    const queue = newQueue();
    const w = workflow("not_mine").step("a", () => "done");
    const starter = await clientFor({ queues: [] });
    const other = await clientFor({ queues: [newQueue()] }, [w]);
    const { runId } = await starter.gp.start(w, null, { queue });
    expect(await other.tick()).toBe(0);
    expect(await statusOf(starter, runId)).toBe("running");
  });

  test("is left alone by clients without any code of their own", async () => {
    const queue = newQueue();
    const w = workflow("no_code").step("a", () => "done");
    const starter = await clientFor({ queues: [] });
    const bare = await backend.client({ workers: { queues: [queue] } });
    await starter.gp.start(w, null, { queue });
    expect(await bare.tick()).toBe(0);
  });

  test("is put off by a client that lacks its code, 1 s and doubling, and counts no attempt", async () => {
    const queue = newQueue();
    const w = workflow("unknown_here").step("a", (_, ctx) => ctx.attempt);
    const starter = await clientFor({ queues: [] });
    const lacking = await clientFor({ queues: [queue] }, [workflow("other").step("a", () => 0)]);
    const knowing = await backend.client({ clock: lacking.clock, workers: { queues: [queue] } });
    knowing.gp.register({ workflows: [w] });
    const handle = await starter.gp.start(w, null, { queue });
    const wait = async (clock: FakeClock, ms: number): Promise<number> => {
      clock.advance(ms);
      return lacking.tick();
    };
    expect(await lacking.tick()).toBe(1);
    expect(await wait(lacking.clock, 999)).toBe(0);
    expect(await wait(lacking.clock, 1)).toBe(1);
    expect(await wait(lacking.clock, 1999)).toBe(0);
    lacking.clock.advance(1);
    await knowing.settle();
    expect((await handle.result()).output).toEqual({ a: 1 });
  });

  test("sends steps that require something to workers that have it, and their children back", async () => {
    const queue = newQueue();
    const where: string[] = [];
    const note = (name: string) => () => {
      where.push(name);
    };
    const of = (client: string) =>
      workflow("needs_gpu")
        .step("load", note(`load ${client}`))
        .step("train", { after: ["load"], requires: ["gpu", "big"] }, note(`train ${client}`))
        .step("store", { after: ["train"] }, note(`store ${client}`));
    const plain = await clientFor({ queues: [queue] }, [of("plain")]);
    const half = await clientFor({ queues: [queue], capabilities: ["gpu"] }, [of("half")]);
    const strong = await clientFor({ queues: [queue], capabilities: ["big", "other", "gpu"] }, [
      of("strong"),
    ]);
    const starter = await clientFor({ queues: [] });
    const handle = await starter.gp.start(of("nobody"), null, { queue });
    await plain.settle();
    await half.settle();
    expect(where).toEqual(["load plain"]);
    expect(await strong.tick()).toBe(1);
    expect(where).toEqual(["load plain", "train strong"]);
    await plain.settle();
    await handle.result();
    expect(where).toEqual(["load plain", "train strong", "store plain"]);
  });

  test("keeps its lane when a step that requires something is tried again", async () => {
    const queue = newQueue();
    let tries = 0;
    const w = workflow("gpu_again").step("train", { requires: ["gpu"] }, () => {
      tries += 1;
      if (tries === 1) {
        throw new Error("not yet");
      }
      return tries;
    });
    const strong = await clientFor({ queues: [queue], capabilities: ["gpu"] }, [w]);
    const plain = await backend.client({ clock: strong.clock, workers: { queues: [queue] } });
    plain.gp.register({ workflows: [w] });
    const handle = await plain.gp.start(w, null, { queue });
    await strong.settle();
    strong.clock.advance(1000);
    expect(await plain.tick()).toBe(0);
    expect(await strong.tick()).toBe(1);
    expect((await handle.result()).output).toEqual({ train: 2 });
  });

  test("a local run is carried out here whatever its steps require", async () => {
    const t = await backend.client();
    const w = workflow("local_gpu").step("train", { requires: ["gpu"] }, () => "here");
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect((await handle.result()).output).toEqual({ train: "here" });
  });

  test("of a goal is planned and carried out by a client with the app's decomposer and steps", async () => {
    const queue = newQueue();
    const where: string[] = [];
    const appOf = (client: string) => ({
      decomposer: () => [
        { id: "read", description: "read" },
        { id: "train", description: "train", dependsOn: ["read"] },
      ],
      steps: {
        read: () => {
          where.push(`read ${client}`);
        },
        train: defineStep({
          description: "train",
          args: z.object({}),
          requires: ["gpu"],
          execute: () => {
            where.push(`train ${client}`);
            return "trained";
          },
        }),
      },
    });
    const starter = await backend.client({ workers: { queues: [] } });
    const plain = await backend.client({ workers: { queues: [queue] } });
    const strong = await backend.client({ workers: { queues: [queue], capabilities: ["gpu"] } });
    plain.gp.register(appOf("plain"));
    strong.gp.register(appOf("strong"));
    const { decomposer, steps } = appOf("starter");
    const handle = await starter.gp.startGoal("train it", decomposer, steps, { queue });
    await plain.settle();
    expect(where).toEqual(["read plain"]);
    await strong.settle();
    expect((await handle.result()).output).toEqual({ train: "trained" });
    expect(where).toEqual(["read plain", "train strong"]);
  });

  test("of a goal is put off by a client that has steps but no decomposer", async () => {
    const queue = newQueue();
    const decomposer = () => [{ id: "work", description: "work" }];
    const steps = { work: () => "done" };
    const starter = await backend.client({ workers: { queues: [] } });
    const lacking = await backend.client({ workers: { queues: [queue] } });
    lacking.gp.register({ steps });
    const handle = await starter.gp.startGoal("plan elsewhere", decomposer, steps, { queue });
    await lacking.settle();
    expect(await statusOf(starter, handle.runId)).toBe("running");
    lacking.gp.register({ decomposer });
    lacking.clock.advance(1000);
    await lacking.settle();
    expect((await handle.result()).output).toEqual({ work: "done" });
  });

  test("is not taken over as if it were local: it needs no owner", async () => {
    const queue = newQueue();
    const t = await backend.client({ workers: { queues: [] } });
    const { runId } = await t.gp.start(
      workflow("no_owner").step("a", () => 0),
      null,
      { queue },
    );
    await t.close();
    const other = await backend.client();
    const rows = await backend.query(
      "select goalpost.adopt_run($1::uuid, $2::uuid, 'instance:x') as adopted",
      [runId, randomUUID()],
    );
    expect(rows).toEqual([{ adopted: false }]);
    expect(await other.gp.runs.get(runId)).toMatchObject({ status: "running", ownerless: false });
  });

  test.each([
    [{ execution: "remote" }, 'execution is "remote"'],
    [{ queue: "no good" }, 'queue name "no good"'],
    [{ queue: "emails", execution: "local" }, "waits in no queue"],
  ])("is refused with %j", async (options, message) => {
    const t = await backend.client();
    const w = workflow("refused").step("a", () => 0);
    expect(await rejection(t.gp.start(w, null, options as never))).toMatchObject({
      code: "INVALID_INPUT",
      message: expect.stringContaining(message),
    });
  });

  test("a step's requirements are checked when it is made", () => {
    expect(() => workflow("bad").step("a", { requires: ["a+b"] }, () => 0)).toThrow(/requires: name "a\+b"/);
    expect(() => workflow("bad").step("a", { requires: "gpu" as never }, () => 0)).toThrow(/list of names/);
  });
});

describeOnEachBackend("an additional worker", (backend) => {
  test("serves its queues in a client that has no other", async () => {
    const queue = newQueue();
    const t = await backend.client({ workers: { queues: [] } });
    const w = workflow("extra").step("a", () => "done");
    t.gp.register({ workflows: [w] });
    const worker = t.gp.worker({ queues: [queue], concurrency: 2 });
    const handle = await t.gp.start(w, null, { queue });
    expect(await t.tick()).toBe(0);
    expect(await worker.tick()).toBe(1);
    expect((await handle.result()).output).toEqual({ a: "done" });
  });

  test("takes no more at once than its concurrency", async () => {
    const queue = newQueue();
    const t = await backend.client({ workers: { queues: [] } });
    const w = workflow("narrow").step("a", () => "done");
    t.gp.register({ workflows: [w] });
    const worker = t.gp.worker({ queues: [queue], concurrency: 2 });
    await Promise.all([1, 2, 3].map(() => t.gp.start(w, null, { queue })));
    expect(await worker.tick()).toBe(2);
    expect(await worker.tick()).toBe(1);
  });

  test("that is stopped puts back what it did not finish, for another to do", async () => {
    const queue = newQueue();
    const t = await backend.client({ workers: { queues: [] } });
    let hangs = true;
    const w = workflow("handed_on").step("a", (_, ctx) =>
      hangs ? new Promise(() => undefined) : `attempt ${ctx.attempt}`,
    );
    t.gp.register({ workflows: [w] });
    const first = t.gp.worker({ queues: [queue] });
    const handle = await t.gp.start(w, null, { queue });
    const ticking = first.tick();
    await expect.poll(async () => (await t.gp.runs.progress(handle.runId)).runningTasks).toBe(1);
    const stopped = first.stop({ graceMs: 0 });
    t.clock.advance(0);
    await Promise.all([ticking, stopped]);
    hangs = false;
    const second = t.gp.worker({ queues: [queue] });
    expect(await second.tick()).toBe(1);
    expect((await handle.result()).output).toEqual({ a: "attempt 1" });
    expect((await t.gp.runs.get(handle.runId)).tasks[0]?.history).toEqual([]);
  });

  test("is stopped with its client, and refused afterwards", async () => {
    const t = await backend.client();
    const worker = t.gp.worker();
    await t.close();
    expect(await rejection(worker.start())).toMatchObject({ code: "CLOSED" });
    expect(() => t.gp.worker()).toThrow(/closed/);
  });

  test.each([
    [{ queues: [] }, "at least one queue"],
    [{ queues: ["a b"] }, "has a character that is not allowed"],
    [{ capabilities: "gpu" }, "list of names"],
    [{ concurrency: 0 }, "concurrency is 0"],
  ])("is refused with %j", async (options, message) => {
    const t = await backend.client();
    expect(() => t.gp.worker(options as never)).toThrow(message);
  });
});
