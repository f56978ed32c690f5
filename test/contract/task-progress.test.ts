import { expect, test, vi } from "vitest";
import { type StepContext, type TaskProgress, workflow } from "../../src/index.ts";
import { describeOnEachBackend } from "./backends.ts";

type Tell = Pick<StepContext, "progress">;

describeOnEachBackend("ctx.progress", (backend) => {
  /** Runs one step that says something, and looks at the run while that goes on, until it shows this fraction. */
  async function whileRunning(
    say: (ctx: Tell, advance: (ms: number) => void) => void,
    fraction?: number,
  ): Promise<TaskProgress | null | undefined> {
    const { gp, clock, settle } = await backend.client();
    let seen: TaskProgress | null | undefined;
    const watched = workflow<null>("watched").step("work", async (_, ctx) => {
      say(ctx, (ms) => clock.advance(ms));
      await vi.waitFor(async () => {
        seen = (await gp.runs.get(ctx.runId)).tasks.find((task) => task.id === "work")?.progress;
        expect(seen?.fraction).toBe(fraction);
      });
    });
    const { result } = await gp.start(watched, null);
    await settle();
    await result();
    return seen;
  }

  test("shows with the task while it runs", async () => {
    expect(await whileRunning((ctx) => ctx.progress(0.25, "page 1 of 4"), 0.25)).toEqual({
      fraction: 0.25,
      note: "page 1 of 4",
    });
  });

  test("the first word is stored at once, and of the others the last one of every half second", async () => {
    const say = (ctx: Tell): void => {
      ctx.progress(0.1);
      ctx.progress(0.2);
      ctx.progress(0.3);
    };
    expect(await whileRunning(say, 0.1)).toEqual({ fraction: 0.1, note: null });
    const later = (ctx: Tell, advance: (ms: number) => void): void => {
      say(ctx);
      advance(500);
    };
    expect(await whileRunning(later, 0.3)).toEqual({ fraction: 0.3, note: null });
  });

  test("nothing shows of a task that is over, or that is tried again and has said nothing yet", async () => {
    const { gp, clock, tick } = await backend.client();
    let seen: TaskProgress | null | undefined;
    const twice = workflow<null>("twice").step("work", { maxAttempts: 2 }, async (_, ctx) => {
      if (ctx.attempt === 1) {
        ctx.progress(0.9);
        await gp.runs.get(ctx.runId);
        throw new Error("once more");
      }
      seen = (await gp.runs.get(ctx.runId)).tasks[0]?.progress;
    });
    const { runId, result } = await gp.start(twice, null);
    await tick();
    clock.advance(60_000);
    await tick();
    await tick();
    await result();
    expect(seen).toBeNull();
    expect((await gp.runs.get(runId)).tasks[0]?.progress).toBeNull();
  });

  test.each([
    [1.5, undefined],
    [-0.1, undefined],
    [Number.NaN, undefined],
    ["half", undefined],
    [0.5, 7],
    [0.5, "x".repeat(501)],
    [0.5, "\u0000"],
  ])("refuses %s, %s", async (fraction, note) => {
    const say = (ctx: Tell): void => {
      expect(() => ctx.progress(fraction as number, note as string)).toThrow(
        expect.objectContaining({ code: "INVALID_INPUT" }),
      );
    };
    expect(await whileRunning(say)).toBeNull();
  });
});
