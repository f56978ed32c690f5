import fc from "fast-check";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { workflow } from "../../src/index.ts";
import { putBack } from "../../src/store/instances.ts";
import { getTasks } from "../../src/store/task-rows.ts";
import { Fleet, type FleetOptions } from "../fleet.ts";
import { assertInvariants, inflateAll } from "../invariants.ts";
import { buildGraph, foresee, GraphWatch, randomGraph } from "../random-graph.ts";

/** So many at once that two calls are under way together. */
const MANY: readonly number[] = Array.from({ length: 40 }, () => 0);
const TIMEOUT = { timeout: 60_000 };

async function startFleet(options: Partial<FleetOptions> = {}): Promise<Fleet> {
  const fleet = await Fleet.start({ workers: 2, local: true, ...options });
  onTestFinished(() => fleet.stop());
  return fleet;
}

/** How many runs are compact now. */
async function countCompact(fleet: Fleet): Promise<number> {
  const [row] = await fleet.driver.query<{ n: number }>(
    "select count(*)::int as n from goalpost.runs where journal is not null",
  );
  return row?.n ?? 0;
}

/** Inflates what is there again and again until it is stopped. */
function keepInflating(fleet: Fleet): () => Promise<void> {
  let stopped = false;
  const loop = (async () => {
    while (!stopped) {
      await inflateAll(fleet.driver);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 8));
    }
  })();
  return () => {
    stopped = true;
    return loop;
  };
}

const cases = [
  { name: "left alone", inflates: false, loss: 0 },
  { name: "inflated at any moment", inflates: true, loss: 0 },
  { name: "whose answers get lost", inflates: false, loss: 0.1 },
  { name: "inflated at any moment while answers get lost", inflates: true, loss: 0.1 },
];

describe("compact runs", () => {
  test.each(cases)(
    "$name end as any others do, in order, with every row as it must be",
    TIMEOUT,
    async (how) => {
      const fleet = await startFleet({ losesAnswer: () => Math.random() < how.loss, concurrency: 100 });
      const stop = how.inflates ? keepInflating(fleet) : async () => undefined;
      let graphs = 0;
      let compact = 0;
      await fc.assert(
        fc.asyncProperty(randomGraph, async (drawn) => {
          graphs += 1;
          // Most of it as plain as compact runs are; what fails or is skipped makes them inflate on their way.
          const graph = drawn.filter(
            (node) => node.kind === "step" && node.after.every((n) => drawn[n]?.kind === "step"),
          );
          const plain = graph.length === drawn.length ? drawn : drawn.slice(0, 1);
          const expected = foresee(plain);
          const watch = new GraphWatch(plain);
          const built = buildGraph(`random${graphs}`, plain, watch);
          // The first run makes the worker know the definition.
          for (const vias of [[0], [0, 0, 0, 0], MANY]) {
            const runs = await Promise.all(vias.map((via) => fleet.submit(built, via)));
            compact += await countCompact(fleet);
            const ended = await Promise.all(runs.map((run) => run.ended));
            expect(ended.map((run) => run.status)).toEqual(runs.map(() => expected.status));
            expect(watch.broken).toEqual([]);
            for (const { runId } of runs) {
              const tasks = await getTasks(fleet.driver, runId, { outputs: false });
              const statuses = Object.fromEntries(tasks.map((task) => [task.id, task.status]));
              expect(statuses).toMatchObject(expected.tasks);
            }
          }
        }),
        { numRuns: 15 },
      );
      await stop();
      await assertInvariants(fleet.driver);
      expect(compact).toBeGreaterThan(how.inflates ? -1 : 0);
    },
  );

  test("what a lost worker held goes to the one that takes over, and its late result is refused", async () => {
    const fleet = await startFleet();
    const calls: string[] = [];
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let holds = false;
    const chain = workflow("chain")
      .step("a", async () => calls.push("a") && "a")
      .step("b", { after: ["a"] }, async ({ a }) => {
        calls.push("b");
        if (holds) {
          holds = false;
          await held;
          return "late";
        }
        return `${a}b`;
      })
      .step("c", { after: ["b"] }, async ({ b }) => calls.push("c") && `${b}c`);
    await (await fleet.submit(chain, 0)).ended;
    calls.length = 0;
    holds = true;
    const { runId, ended } = await fleet.submit(chain, 0);
    await vi.waitFor(() => expect(calls).toEqual(["a", "b"]));
    expect(await countCompact(fleet)).toBe(1);
    expect(await putBack(fleet.driver, { worker: fleet.worker(0).id, status: "lost", maxLosses: 5 })).toBe(1);
    const { id, lane } = fleet.worker(1);
    await fleet.driver.query("select goalpost.adopt_run($1::uuid, $2::uuid, $3)", [runId, id, lane]);
    expect((await ended).output).toEqual({ c: "abc" });
    release();
    await vi.waitFor(async () => expect(calls).toEqual(["a", "b", "b", "c"]));
    const tasks = await getTasks(fleet.driver, runId, { outputs: true });
    expect(tasks.map(({ output }) => output)).toEqual(["a", "ab", "abc"]);
    expect(tasks[1]?.history.map(({ outcome }) => outcome)).toEqual(["lost"]);
    await assertInvariants(fleet.driver, { instances: false });
  });

  test("tell of their tasks as others do, before and after they are inflated", async () => {
    const fleet = await startFleet();
    let reached = false;
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let holds = false;
    const diamond = workflow("diamond")
      .step("a", () => "\u0000 and \ud800")
      .step("b", { after: ["a"] }, async () => {
        reached = true;
        await (holds ? held : undefined);
        return [1, { x: null }];
      })
      .step("c", { after: ["a"] }, () => ({ of: "c" }))
      .step("d", { after: ["b", "c"] }, ({ b, c }) => ({ b, c }));
    await (await fleet.submit(diamond, 0)).ended;
    holds = true;
    reached = false;
    const { runId, ended } = await fleet.submit(diamond, 0);
    await vi.waitFor(async () => {
      expect(reached).toBe(true);
      const tasks = await getTasks(fleet.driver, runId, { outputs: true });
      expect(tasks.map(({ status }) => status)).toEqual(["completed", "running", "completed", "waiting"]);
    });
    const before = await getTasks(fleet.driver, runId, { outputs: true });
    await inflateAll(fleet.driver);
    expect(await getTasks(fleet.driver, runId, { outputs: true })).toEqual(before);
    await assertInvariants(fleet.driver);
    release();
    expect((await ended).output).toEqual({ d: { b: [1, { x: null }], c: { of: "c" } } });
    const tasks = await getTasks(fleet.driver, runId, { outputs: true });
    expect(tasks.map(({ status, attempts }) => [status, attempts])).toEqual(
      tasks.map(() => ["completed", 1]),
    );
    expect(tasks[0]?.output).toBe("\u0000 and \ud800");
  });
});
