import type { Json } from "./core/json.ts";
import { resolvePolicy } from "./core/policy.ts";
import type { AnyWorkflow } from "./core/workflow.ts";
import type { TaskCall, TaskCode } from "./engine/code.ts";
import type { DefinitionNode } from "./engine/definitions.ts";
import { makeContext } from "./step-context.ts";

/** The code of a static workflow's step; undefined if the workflow has no step of that name. */
export function staticCode(workflow: AnyWorkflow, node: DefinitionNode): TaskCode | undefined {
  const step = workflow.steps.find((candidate) => candidate.name === node.name);
  if (!step) {
    return undefined;
  }
  const { when, map } = step;
  const inputOf = (call: TaskCall): Record<string, Json> =>
    // Items of a map over the run's input are given their element instead of all of it.
    map && map.over === undefined ? { ...call.inputs } : { ...call.inputs, run: call.run.input };
  return {
    policy: resolvePolicy(node.spec, step.policy),
    condition: when && ((call) => when(inputOf(call) as never)),
    async execute(call) {
      const input = inputOf(call);
      const ctx = makeContext(call, { input, args: null, goal: undefined });
      return { output: await step.execute((map ? call.itemInput : input) as never, ctx as never) };
    },
  };
}
