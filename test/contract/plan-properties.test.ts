import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type Decomposer,
  type GoalResult,
  NonRetryableError,
  type StepMap,
  type TaskSpec,
} from "../../src/index.ts";
import { assertInvariants } from "../invariants.ts";
import { anyTree } from "../random-plan.ts";
import { describeOnEachBackend } from "./backends.ts";

const RUNS = { numRuns: 12 };

/** The tasks that do work, with the step "work". */
function withStep(
  tasks: readonly TaskSpec[],
  more: (id: string) => Partial<TaskSpec> = () => ({}),
): TaskSpec[] {
  return tasks.map((task) =>
    task.subtasks?.length
      ? { ...task, subtasks: withStep(task.subtasks, more) }
      : { ...task, ...(!task.decompose && { step: "work", ...more(task.id) }) },
  );
}

/** The same without tasks that are decomposed when they are reached. */
function atOnce(tasks: readonly TaskSpec[]): TaskSpec[] {
  return tasks.map(({ decompose: _, subtasks, ...task }) => ({
    ...task,
    ...(subtasks && { subtasks: atOnce(subtasks) }),
  }));
}

function leavesOf(tasks: readonly TaskSpec[]): string[] {
  return tasks.flatMap((task) => (task.subtasks?.length ? leavesOf(task.subtasks) : [task.id]));
}

/** What is left to do of a plan. */
function leftOf(tasks: readonly TaskSpec[], completed: object): TaskSpec[] {
  return tasks
    .filter(({ id }) => !Object.hasOwn(completed, id))
    .map((task) => (task.subtasks ? { ...task, subtasks: leftOf(task.subtasks, completed) } : task));
}

describeOnEachBackend("plans of any form", (backend) => {
  const late: Decomposer = (_, { task }) => [
    { id: `${task?.id}.a`, description: "", step: "work" },
    { id: `${task?.id}.b`, description: "", step: "work", dependsOn: [`${task?.id}.a`] },
  ];

  test("end the same, in the same order, handed on in any parts or made at once", async () => {
    const t = await backend.client();
    const steps: StepMap = {
      work: (input) => Object.keys(input).sort(),
      fail: () => {
        throw new NonRetryableError("no");
      },
    };
    const run = async (decomposer: Decomposer): Promise<GoalResult> => {
      const handle = await t.gp.startGoal("a goal", decomposer, steps, { maxDepth: 10 });
      await t.settle();
      return handle.result();
    };
    const policies = fc.array(fc.constantFrom(undefined, undefined, undefined, "cascade", "continue"), {
      minLength: 1,
    });
    await fc.assert(
      fc.asyncProperty(anyTree, fc.array(fc.boolean()), policies, async (tree, cuts, each) => {
        const fails = (id: string): Partial<TaskSpec> => {
          const onExhausted = each[Number(id.slice(1)) % each.length];
          return onExhausted ? { step: "fail", onExhausted } : {};
        };
        const tasks = withStep(tree, fails);
        const whole = await run((goal, ctx) => (ctx.task ? late(goal, ctx) : tasks));
        const streamed = await run(async (goal, ctx) => {
          const all = ctx.task ? ((await late(goal, ctx)) as TaskSpec[]) : tasks;
          let part: TaskSpec[] = [];
          for (const [index, task] of all.entries()) {
            part.push(task);
            if (cuts[index]) {
              await ctx.stream?.(part);
              part = [];
            }
          }
          return all;
        });
        expect(streamed).toEqual({ ...whole, runId: streamed.runId, durationMs: streamed.durationMs });
        expect(JSON.stringify(streamed.output)).toBe(JSON.stringify(whole.output));
        // Which of two tasks is decomposed first is open.
        const planned = ({ outputs }: GoalResult): string[] =>
          Object.keys(outputs).filter((id) => !id.includes("."));
        expect(planned(streamed)).toEqual(planned(whole));
      }),
      RUNS,
    );
    await assertInvariants(backend.driver);
  }, 120_000);

  test("are carried through when any of their tasks fail once, each task to one completion", async () => {
    const t = await backend.client({ workers: { concurrency: 3 } });
    await fc.assert(
      fc.asyncProperty(anyTree, fc.array(fc.nat(30), { maxLength: 4 }), async (tree, failing) => {
        const tasks = withStep(atOnce(tree));
        const failed = new Set<string>();
        const completed: string[] = [];
        const handle = await t.gp.startGoal(
          "a goal",
          (_, ctx) => (ctx.replan ? leftOf(ctx.replan.tasks, ctx.replan.completed) : tasks),
          {
            work: async (_, ctx) => {
              await new Promise(setImmediate);
              const number = Number(ctx.taskId.replace(/\D/g, ""));
              if (failing.includes(number) && !failed.has(ctx.taskId)) {
                failed.add(ctx.taskId);
                throw new NonRetryableError("once");
              }
              completed.push(ctx.taskId);
              return ctx.taskId;
            },
          },
          { replan: { on: "failure", max: 20 } },
        );
        const seen: number[] = [];
        let ticks = 1;
        while (ticks > 0) {
          ticks = await t.tick();
          seen.push((await handle.progress()).percentage);
        }
        const { graph, outputs } = await handle.result();
        expect(completed.toSorted()).toEqual(leavesOf(tasks).toSorted());
        expect(leavesOf(graph.tasks).toSorted()).toEqual(leavesOf(tasks).toSorted());
        expect(Object.keys(outputs)).toEqual(expect.arrayContaining(completed));
        expect(seen).toEqual(seen.toSorted((a, b) => a - b));
        const { plans } = await t.gp.runs.get(handle.runId);
        expect(plans.length > 1).toBe(failed.size > 0);
      }),
      RUNS,
    );
    await assertInvariants(backend.driver);
  }, 120_000);
});
