import { expect, test } from "vitest";
import { workflow } from "../../src/index.ts";
import { describeOnEachBackend } from "./backends.ts";

describeOnEachBackend("pause, resume and retry", (backend) => {
  const line = (log: string[]) =>
    workflow<null>("line")
      .step("first", async () => log.push("first"))
      .step("second", { after: ["first"] }, async () => log.push("second"));

  test("a paused run starts nothing, and goes on when it is resumed", async () => {
    const { gp, tick, settle } = await backend.client();
    const log: string[] = [];
    const handle = await gp.start(line(log), null);
    await tick();
    await gp.runs.pause(handle.runId);
    await settle();
    expect(log).toEqual(["first"]);
    expect((await gp.runs.get(handle.runId)).status).toBe("paused");

    await gp.runs.resume(handle.runId);
    await settle();
    expect(log).toEqual(["first", "second"]);
    expect((await handle.result()).output).toEqual({ second: 2 });
  });

  test("a run whose last task is under way while it is paused completes", async () => {
    const { gp, settle } = await backend.client();
    const handle = await gp.start(
      workflow<null>("pausing").step("pause", async (_, ctx) => {
        await gp.runs.pause(ctx.runId);
        return "paused meanwhile";
      }),
      null,
    );
    await settle();
    expect((await handle.result()).output).toEqual({ pause: "paused meanwhile" });
  });

  test("only a running run can be paused, only a paused one resumed", async () => {
    const { gp, settle } = await backend.client();
    const handle = await gp.start(line([]), null);
    await expect(gp.runs.resume(handle.runId)).rejects.toMatchObject({ code: "INVALID_STATE" });
    await settle();
    await expect(gp.runs.pause(handle.runId)).rejects.toThrow(/is completed and cannot be paused/);
    await expect(gp.runs.pause("01a1fa04-ba9f-75b8-883b-34960f4e802f")).rejects.toMatchObject({
      code: "RUN_NOT_FOUND",
    });
  });

  test("a retry carries finished outputs over and does the rest again", async () => {
    const { gp, settle } = await backend.client();
    const log: string[] = [];
    let broken = true;
    const handle = await gp.start(
      workflow<null>("breaks")
        .step("kept", async () => {
          log.push("kept");
          return "kept";
        })
        .step("breaks", { after: ["kept"], maxAttempts: 1 }, async ({ kept }) => {
          log.push("breaks");
          if (broken) {
            throw new Error("broken");
          }
          return `${kept} and mended`;
        })
        .step("last", { after: ["breaks"] }, async ({ breaks }) => breaks.length),
      null,
    );
    await settle();
    broken = false;
    const retryId = await gp.runs.retry(handle.runId);
    await settle();
    const run = await gp.runs.wait(retryId);
    expect(run).toMatchObject({ status: "completed", output: { last: 15 }, retryOf: handle.runId });
    expect((await gp.runs.get(handle.runId)).status).toBe("failed");
    expect(log).toEqual(["kept", "breaks", "breaks"]);
  });

  test("a retried goal keeps its plan and its finished tasks, nested ones included", async () => {
    const { gp, settle } = await backend.client();
    const planned: string[] = [];
    const done: string[] = [];
    let broken = true;
    const handle = await gp.startGoal(
      "mend",
      () => {
        planned.push("plan");
        return [
          { id: "a", description: "a", step: "work" },
          {
            id: "group",
            description: "group",
            dependsOn: ["a"],
            subtasks: [
              { id: "b", description: "b", step: "work" },
              { id: "c", description: "c", step: "breaks", dependsOn: ["b"], maxAttempts: 1 },
            ],
          },
          { id: "d", description: "d", step: "work", dependsOn: ["group"] },
        ];
      },
      {
        work: async (_, ctx) => {
          done.push(ctx.taskId);
          return ctx.taskId;
        },
        breaks: async () => {
          if (broken) {
            throw new Error("broken");
          }
          return "mended";
        },
      },
    );
    await settle();
    broken = false;
    const retryId = await gp.runs.retry(handle.runId);
    await settle();
    const run = await gp.runs.get(retryId);
    expect(run).toMatchObject({ status: "completed", output: { d: "d" } });
    expect(run.tasks.find((task) => task.id === "group")?.output).toEqual({ c: "mended" });
    expect(planned).toEqual(["plan"]);
    expect(done).toEqual(["a", "b", "d"]);
  });

  test("a retried run has a deadline of its own, as far away as the first one's", async () => {
    const gp = await backend.liveClient();
    let broken = true;
    const w = workflow<null>("late").step("hang", { maxAttempts: 1 }, (_, ctx) => {
      if (broken) {
        throw new Error("broken");
      }
      return new Promise((_resolve, reject) => {
        ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason));
      });
    });
    const handle = await gp.start(w, null, { deadlineMs: 400 });
    await gp.runs.wait(handle.runId);
    broken = false;
    const retryId = await gp.runs.retry(handle.runId);
    expect(await gp.runs.wait(retryId)).toMatchObject({ status: "failed", error: { code: "RUN_DEADLINE" } });
  });

  test("a run that completed cannot be retried", async () => {
    const { gp, settle } = await backend.client();
    const handle = await gp.start(line([]), null);
    await settle();
    await expect(gp.runs.retry(handle.runId)).rejects.toThrow(/is completed and cannot be retried/);
  });
});
