import type { Goal } from "./core/goal.ts";
import type { StepContext } from "./core/step.ts";
import type { TaskCall } from "./engine/code.ts";

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
  };
}
