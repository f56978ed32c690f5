import { type GoalCode, toGoal } from "./ask-decomposer.ts";
import { GoalpostError } from "./core/errors.ts";
import { type ResolvedPolicy, resolvePolicy } from "./core/policy.ts";
import { bindRefs } from "./core/refs.ts";
import type { TaskHint } from "./core/shape.ts";
import {
  type GoalInput,
  isStep,
  mayRunTwice,
  type Step,
  type StepFunction,
  type StepMap,
} from "./core/step.ts";
import type { TaskCode, TaskPolicy } from "./engine/code.ts";
import type { DefinitionNode, RunDefinition } from "./engine/definitions.ts";
import { parseArgs } from "./plan/check-args.ts";
import { planCode } from "./planning.ts";
import { agentStep, isAgentStep } from "./step-agents.ts";
import { makeContext } from "./step-context.ts";

/** The code of a node of a planned run; undefined if the step is unknown here. */
export function plannedCode(
  code: GoalCode,
  definition: RunDefinition,
  node: DefinitionNode,
): TaskCode | undefined {
  if (node.kind === "plan") {
    return planCode(code, definition, node);
  }
  if (node.spec.same !== undefined) {
    return sameCode(node.spec.same);
  }
  const name = node.spec.step ?? node.name;
  const agent = isAgentStep(name) ? agentStep(name, node.spec.description ?? "") : undefined;
  const step = Object.hasOwn(code.steps, name) ? code.steps[name] : agent;
  return step && stepCode(name, step, node);
}

/** Of a task that another one stands for. */
function sameCode(id: string): TaskCode {
  return { policy: resolvePolicy(), execute: async ({ inputs }) => ({ output: inputs[id] }) };
}

function stepCode(name: string, step: StepMap[string], node: DefinitionNode): TaskCode {
  return {
    policy: withHint(resolvePolicy(node.spec, isStep(step) ? step : undefined), {
      hint: node.spec.hint,
      mayRunTwice: isStep(step) && mayRunTwice(step),
    }),
    async execute(call) {
      const { over } = node.spec;
      const inputs = over === undefined ? call.inputs : { ...call.inputs, [over]: call.itemInput };
      const input = { ...inputs, run: call.run.input } as unknown as GoalInput;
      const given = call.approvedArgs ?? node.spec.args ?? (isStep(step) ? {} : null);
      const bound = bindRefs(given, inputs);
      const args = await parseArgs(name, step, bound);
      const ctx = makeContext(call, { input, args, goal: toGoal(call.run.input) });
      if (!isStep(step)) {
        return { output: await (step as StepFunction)(input, ctx) };
      }
      const output = await step.execute(args, ctx);
      return { output: await parseOutput(name, step, output) };
    },
  };
}

/** What was learned counts where nobody chose. */
function withHint(
  policy: ResolvedPolicy,
  { hint, mayRunTwice }: { readonly hint: TaskHint | undefined; readonly mayRunTwice: boolean },
): TaskPolicy {
  return hint
    ? {
        ...policy,
        learnedTimeoutMs: policy.timeoutGiven ? undefined : hint.timeoutMs,
        finalErrors: hint.finalErrors,
        hedgeAfterMs: mayRunTwice && !policy.approval ? hint.hedgeAfterMs : undefined,
      }
    : policy;
}

async function parseOutput(name: string, step: Step<unknown, unknown>, output: unknown): Promise<unknown> {
  const result = await step.output?.safeParseAsync(output);
  if (!result || result.success) {
    return result ? result.data : output;
  }
  const problems = result.error.issues.map(
    (issue) => `${["output", ...issue.path.map(String)].join(".")}: ${issue.message}`,
  );
  throw new GoalpostError(
    "STEP_FAILED",
    `step "${name}" returned what its output schema does not allow: ${problems.join("; ")}`,
  );
}
