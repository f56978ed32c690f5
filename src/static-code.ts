import type { Json } from "./core/json.ts";
import { resolvePolicy } from "./core/policy.ts";
import type { StepMap } from "./core/step.ts";
import type { AnyWorkflow, WorkflowStep } from "./core/workflow.ts";
import type { TaskCall, TaskCode } from "./engine/code.ts";
import type { DefinitionNode } from "./engine/definitions.ts";
import { makeContext } from "./step-context.ts";

/** The code of a static workflow's step; undefined if the workflow has no step of that name. */
export function staticCode(workflow: AnyWorkflow, node: DefinitionNode): TaskCode | undefined {
  const step = workflow.steps.find((candidate) => candidate.name === node.name);
  return step && stepCode(step, node);
}

/** The code of a step of a flow that nobody here has started: a registered function of that name. */
export function registeredCode(steps: StepMap, node: DefinitionNode): TaskCode | undefined {
  const execute = Object.hasOwn(steps, node.name) ? steps[node.name] : undefined;
  return typeof execute === "function" ? stepCode({ policy: {}, execute }, node) : undefined;
}

function stepCode(
  { policy, when, execute }: Pick<WorkflowStep, "policy" | "when" | "execute">,
  node: DefinitionNode,
): TaskCode {
  const inputOf = (call: TaskCall): Record<string, Json> =>
    // Items of a map over the run's input are given their element instead of all of it.
    node.spec.over === "run" ? { ...call.inputs } : { ...call.inputs, run: call.run.input };
  return {
    policy: resolvePolicy(node.spec, policy),
    condition: when && ((call) => when(inputOf(call) as never)),
    async execute(call) {
      const input = inputOf(call);
      const ctx = makeContext(call, { input, args: null, goal: undefined });
      return { output: await execute((node.kind === "map" ? call.itemInput : input) as never, ctx as never) };
    },
  };
}
