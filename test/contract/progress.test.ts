import { expect, test } from "vitest";
import { type TaskSpec, workflow } from "../../src/index.ts";
import { describeOnEachBackend } from "./backends.ts";

describeOnEachBackend("progress", (backend) => {
  test("a cancelled run stays at what was done, and never says 100", async () => {
    const t = await backend.client({ workers: { concurrency: 1 } });
    const w = workflow<null>("stopped")
      .step("a", () => 1)
      .step("b", { after: ["a"] }, () => 1)
      .step("c", { after: ["b"] }, () => 1);
    const handle = await t.gp.start(w, null);
    expect(await handle.progress()).toMatchObject({ waitingTasks: 3, percentage: 0 });
    await t.tick();
    await handle.cancel();
    expect(await handle.progress()).toEqual({
      status: "cancelled",
      totalTasks: 3,
      completedTasks: 1,
      runningTasks: 0,
      failedTasks: 0,
      skippedTasks: 0,
      cancelledTasks: 2,
      waitingTasks: 0,
      percentage: 33,
    });
  });

  test("it never goes back while a goal is planned, and decomposed later, and is 100 at the end", async () => {
    const t = await backend.client({ workers: { concurrency: 1 } });
    const leaf = (id: string): TaskSpec => ({ id, description: "", step: "work" });
    const handle = await t.gp.startGoal(
      "grow",
      (_, { task }) =>
        task
          ? Array.from({ length: 8 }, (_unused, index) => leaf(`late.${index}`))
          : [
              leaf("first"),
              leaf("second"),
              { ...leaf("late"), dependsOn: ["first", "second"], decompose: true },
            ],
      { work: () => 1 },
    );
    const seen: number[] = [];
    for (let tick = 0; tick < 20; tick++) {
      seen.push((await handle.progress()).percentage);
      await t.tick();
    }
    seen.push((await handle.progress()).percentage);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.at(-1)).toBe(100);
    expect(seen).toContain(66);
    expect(seen.filter((percentage) => percentage > 66 && percentage < 100).length).toBeGreaterThan(5);
  });
});
