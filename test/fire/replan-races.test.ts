import { describe, expect, onTestFinished, test } from "vitest";
import {
  type App,
  type Decomposer,
  Goalpost,
  NonRetryableError,
  silentLogger,
  type TaskSpec,
} from "../../src/index.ts";
import { migrate } from "../../src/store/migrate.ts";
import { openDriver } from "../../src/store/open-driver.ts";
import { createDatabase } from "../contract/backends.ts";
import { assertInvariants } from "../invariants.ts";

const task = (id: string, more: Partial<TaskSpec> = {}): TaskSpec => ({
  id,
  description: id,
  step: "work",
  ...more,
});

/** Two of three tasks of each compound task, and one beside them, fail at the same time. */
const FIRST: readonly TaskSpec[] = [
  ...["one", "two"].map((id) => ({
    id,
    description: id,
    subtasks: [
      task(`${id}.ok`),
      task(`${id}.bad`, { step: "fail" }),
      task(`${id}.worse`, { step: "fail" }),
      task(`${id}.never`, { dependsOn: [`${id}.bad`] }),
    ],
  })),
  task("beside"),
  task("bad", { step: "fail" }),
];

const decomposer: Decomposer = async (_, ctx) => {
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
  if (!ctx.replan) {
    return FIRST;
  }
  const part = [task(`${ctx.task?.id ?? "new"}.again.${ctx.replan.version}`)];
  await ctx.stream?.(part);
  return ctx.task
    ? part
    : [
        ...part,
        task("last", { dependsOn: Object.keys(ctx.replan.completed).filter((id) => !id.includes(".")) }),
      ];
};

const app: App = {
  decomposer,
  steps: {
    work: async (_, ctx) => {
      await new Promise(setImmediate);
      return ctx.taskId;
    },
    fail: () => {
      throw new NonRetryableError("no");
    },
  },
};

async function fleet(size: number): Promise<{ url: string; open: () => Promise<Goalpost>; all: Goalpost[] }> {
  const url = await createDatabase();
  const { driver } = await openDriver(url, silentLogger);
  await migrate(driver);
  await driver.close();
  const open = async (): Promise<Goalpost> => {
    const gp = await Goalpost.open({ database: url, logger: silentLogger, workers: { concurrency: 3 } });
    onTestFinished(() => gp.close({ graceMs: 0 }));
    gp.register(app);
    return gp;
  };
  return { url, open, all: await Promise.all(Array.from({ length: size }, open)) };
}

async function checkRows(url: string): Promise<void> {
  const { driver } = await openDriver(url, silentLogger);
  onTestFinished(() => driver.close());
  await assertInvariants(driver);
}

const OPTIONS = { execution: "distributed", replan: { on: "failure", max: 9 } } as const;

describe("several processes", () => {
  test("replace the parts of one plan at once: every run completes with the plan as it finally was", async () => {
    const { url, all } = await fleet(3);
    const handles = await Promise.all(
      Array.from({ length: 24 }, (_, index) =>
        (all[index % 3] as Goalpost).startGoal(`goal ${index}`, undefined, undefined, {
          ...OPTIONS,
          ...(index % 4 === 0 && { maxParallel: 2 }),
        }),
      ),
    );
    const results = await Promise.all(handles.map((handle) => handle.result()));
    for (const { graph, output, outputs } of results) {
      expect(Object.keys(output)).toContain("last");
      const ids = graph.tasks.map(({ id }) => id);
      expect(ids).toContain("last");
      // What had not begun when the task beside it failed is replaced, and not planned again.
      expect(ids.includes("beside")).toBe(Object.hasOwn(outputs, "beside"));
      expect(JSON.stringify(graph)).not.toContain('"step":"fail"');
    }
    await checkRows(url);
  }, 60_000);

  test("are killed, pause runs and cancel them meanwhile: what is not cancelled completes", async () => {
    const { url, open, all } = await fleet(3);
    const keeper = await open();
    const handles = await Promise.all(
      Array.from({ length: 18 }, (_, index) =>
        keeper.startGoal(`goal ${index}`, undefined, undefined, OPTIONS),
      ),
    );
    const meddling = handles.map(async ({ runId }, index) => {
      await new Promise((resolve) => setTimeout(resolve, 20 + index * 15));
      if (index % 6 === 5) {
        await keeper.runs.cancel(runId);
      } else if (index % 3 === 1) {
        await keeper.runs.pause(runId).catch(() => undefined);
        await new Promise((resolve) => setTimeout(resolve, 40));
        await keeper.runs.resume(runId).catch(() => undefined);
      }
    });
    for (const gp of all) {
      await gp.close({ graceMs: 0 });
      await open();
    }
    await Promise.all(meddling);
    const ends = await Promise.all(handles.map(({ runId }) => keeper.runs.wait(runId)));
    expect(ends.map(({ status }, index) => (index % 6 === 5 ? "any" : status))).toEqual(
      ends.map((_, index) => (index % 6 === 5 ? "any" : "completed")),
    );
    await checkRows(url);
  }, 60_000);
});
