import { resolvePolicy } from "./core/policy.ts";
import type { AnyWorkflow } from "./core/workflow.ts";
import type { TaskCode } from "./engine/code.ts";
import type { DefinitionNode } from "./engine/definitions.ts";
import { makeContext } from "./step-context.ts";

/** The code of a static workflow's step; undefined if the workflow has no step of that name. */
export function staticCode(workflow: AnyWorkflow, node: DefinitionNode): TaskCode | undefined {
  const step = workflow.steps.find((candidate) => candidate.name === node.name);
  if (!step) {
    return undefined;
  }
  return {
    policy: resolvePolicy(node.spec, step.policy),
    async execute(call) {
      const input = { ...call.inputs, run: call.run.input };
      const ctx = makeContext(call, { input, args: null, goal: undefined });
      return { output: await step.execute(input as never, ctx as never) };
    },
  };
}
