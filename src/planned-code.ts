import { GoalpostError } from "./core/errors.ts";
import {
  DEFAULT_LIMITS,
  type DecomposeContext,
  type Decomposer,
  type Goal,
  type GraphLimits,
  type StepInfo,
  type TaskSpec,
  type ValidTaskGraph,
} from "./core/goal.ts";
import type { Json } from "./core/json.ts";
import type { Logger } from "./core/logger.ts";
import { resolvePolicy } from "./core/policy.ts";
import type { Shape } from "./core/shape.ts";
import { type GoalInput, isStep, type Step, type StepFunction, type StepMap } from "./core/step.ts";
import type { TaskCall, TaskCode } from "./engine/code.ts";
import type { DefinitionNode, RunDefinition } from "./engine/definitions.ts";
import { parseArgs } from "./plan/check-args.ts";
import { compileGraph } from "./plan/compile.ts";
import { callDecomposer, describeSteps } from "./plan/decompose.ts";
import { bindRefs } from "./plan/refs.ts";
import { validate } from "./plan/validate.ts";
import { agentStep, agentSteps, isAgentStep } from "./step-agents.ts";
import { makeContext } from "./step-context.ts";

/** What carries out a goal. */
export interface GoalCode {
  readonly decomposer: Decomposer | undefined;
  readonly steps: StepMap;
}

/** What is stored with a planned run besides its goal. */
export interface GoalSettings {
  readonly limits: GraphLimits;
  /** The graph to run, if it was made before. */
  readonly graph: readonly TaskSpec[] | null;
}

/** How a planned run's input is stored; every step is given it as `run`. */
export interface StoredGoal {
  readonly goal: string;
  readonly context?: Json;
}

export function toGoal(input: Json): Goal {
  const { goal, context } = input as unknown as StoredGoal;
  return { text: goal, ...(context !== undefined && { context }) };
}

/** The code of a node of a planned run; undefined if the step is unknown here. */
export function plannedCode(
  code: GoalCode,
  definition: RunDefinition,
  node: DefinitionNode,
): TaskCode | undefined {
  if (node.kind === "plan") {
    return planCode(code, definition, node);
  }
  const name = node.spec.step ?? node.name;
  const agent = isAgentStep(name) ? agentStep(name, node.spec.description ?? "") : undefined;
  const step = Object.hasOwn(code.steps, name) ? code.steps[name] : agent;
  return step && stepCode(name, step, node);
}

function stepCode(name: string, step: StepMap[string], node: DefinitionNode): TaskCode {
  return {
    policy: resolvePolicy(node.spec, isStep(step) ? step : undefined),
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

function planCode(code: GoalCode, definition: RunDefinition, node: DefinitionNode): TaskCode {
  return {
    policy: resolvePolicy(node.spec, { timeoutMs: DEFAULT_PLAN_TIMEOUT_MS }),
    async execute(call) {
      const settings = call.run.settings as unknown as GoalSettings;
      const depth = node.spec.depth ?? 0;
      const parent = node.spec.parent;
      const join = definition.joinOf(node.position);
      if (!join) {
        throw new GoalpostError("INVALID_STATE", `plan node "${node.name}" leads into nothing`);
      }
      const graph = await planTasks({ code, call, settings, definition, node });
      const shape = compileGraph(graph, {
        position: node.position,
        join: join.position,
        depth,
        inputs: definition.inputsOf(node.position),
        ...(parent && { parent }),
      });
      return { output: graph, shape: withRequirements(shape, code.steps) };
    },
  };
}

/** What steps require is known to the code only; the database needs it to choose their lanes. */
function withRequirements(shape: Shape, steps: StepMap): Shape {
  const nodes = shape.nodes.map((node) => {
    const name = node.spec.step ?? node.name;
    const step = node.kind === "step" && Object.hasOwn(steps, name) ? steps[name] : undefined;
    const requires = isStep(step) ? step.requires : undefined;
    return requires?.length ? { ...node, spec: { ...node.spec, requires } } : node;
  });
  return { ...shape, nodes };
}

/** Milliseconds that one try of planning may take. */
export const DEFAULT_PLAN_TIMEOUT_MS = 120_000;

interface Planning {
  readonly code: GoalCode;
  readonly call: TaskCall;
  readonly settings: GoalSettings;
  readonly definition: RunDefinition;
  readonly node: DefinitionNode;
}

async function planTasks({ code, call, settings, definition, node }: Planning): Promise<ValidTaskGraph> {
  const { parent: taskId, description = "", depth = 0, args } = node.spec;
  const goal = toGoal(call.run.input);
  const agents = await agentSteps(call.agents);
  const steps = { ...agents.steps, ...code.steps };
  if (taskId === undefined && settings.graph) {
    return validate(settings.graph, { steps, limits: settings.limits });
  }
  const task =
    taskId === undefined
      ? undefined
      : { id: taskId, description, ...(args !== undefined && { args: bindRefs(args, call.inputs) }) };
  const tasks = await askDecomposer(code, {
    goal: task ? { ...goal, text: description } : goal,
    limits: settings.limits,
    depth,
    task,
    outputs: call.inputs,
    signal: call.signal,
    log: call.log,
    llm: noModels,
    agents: agents.infos,
  });
  const within = { depth, taken: definition.names(), finished: new Set(Object.keys(call.inputs)) };
  return validate(tasks, { steps, limits: settings.limits, ...(task && { within }) });
}

export const noModels: DecomposeContext["llm"] = () =>
  Promise.reject(new GoalpostError("NO_PROVIDER", "no model can be called here"));

export interface PlanRequest {
  readonly goal: Goal;
  readonly limits?: Partial<GraphLimits>;
  readonly depth?: number;
  readonly task?: TaskSpec | undefined;
  readonly outputs?: Readonly<Record<string, Json>>;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly llm: DecomposeContext["llm"];
  /** Agents that can be steps. */
  readonly agents: readonly StepInfo[];
}

/** Asks the decomposer, told of the steps and the limits. */
export async function askDecomposer(code: GoalCode, request: PlanRequest): Promise<readonly unknown[]> {
  if (!code.decomposer) {
    throw new GoalpostError(
      "INVALID_STATE",
      "this process has no decomposer for the goal; register an app with one",
    );
  }
  return callDecomposer(code.decomposer, request.goal, {
    steps: [...(await describeSteps(code.steps)), ...request.agents],
    limits: { ...DEFAULT_LIMITS, ...request.limits },
    depth: request.depth ?? 0,
    task: request.task,
    outputs: request.outputs ?? {},
    signal: request.signal,
    log: request.log,
    llm: request.llm,
  });
}
