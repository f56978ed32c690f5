import type { Goal } from "./core/goal.ts";
import type { StepContext } from "./core/step.ts";
import type { TaskCall } from "./engine/code.ts";
import type { Waits } from "./engine/waits.ts";
import { stepAgents } from "./step-agents.ts";

/** The ctx of a step, from the engine's view of its try. */
export function makeContext<Input, Args>(
  call: TaskCall,
  own: { readonly input: Input; readonly args: Args; readonly goal: Goal | undefined },
): StepContext<Input, Args> {
  return {
    ...own,
    runId: call.run.id,
    taskId: call.node.name,
    attempt: call.attempt,
    index: call.index,
    signal: call.signal,
    log: call.log,
    once: call.once as StepContext<Input, Args>["once"],
    channels: { send: call.send },
    agents: stepAgents(call),
    progress: call.progress,
    ...makeWaits(call.waits),
  };
}

type WaitCalls = Pick<StepContext, "sleep" | "waitFor" | "execute" | "executeGoal">;

function makeWaits(waits: Waits): WaitCalls {
  return {
    sleep: (ms, options) => waits.sleep(ms, options),
    waitFor: ((name, options) => waits.waitFor(name, options)) as WaitCalls["waitFor"],
    execute: ((workflow, input, options) => waits.execute(workflow, input, options)) as WaitCalls["execute"],
    // biome-ignore lint/complexity/useMaxParams: the call of StepContext.
    executeGoal: (goal, decomposer, steps, options) =>
      waits.executeGoal({ goal, decomposer, steps, options }),
  };
}
