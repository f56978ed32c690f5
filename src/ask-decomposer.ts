import { GoalpostError } from "./core/errors.ts";
import type { Estimates } from "./core/estimates.ts";
import {
  DEFAULT_LIMITS,
  type DecomposeContext,
  type Decomposer,
  type Goal,
  type GraphLimits,
  type PlanMemory,
  type Replan,
  type StepInfo,
  type TaskSpec,
} from "./core/goal.ts";
import type { Json } from "./core/json.ts";
import type { Logger } from "./core/logger.ts";
import type { OptimizeLevel } from "./core/optimizer.ts";
import type { StepMap } from "./core/step.ts";
import type { Learning } from "./learning.ts";
import { callDecomposer, type Decomposition, describeSteps } from "./plan/decompose.ts";

/** What carries out a goal. */
export interface GoalCode {
  readonly decomposer: Decomposer | undefined;
  readonly steps: StepMap;
  /** What past runs taught. */
  readonly learning?: Learning | undefined;
}

/** What is stored with a planned run besides its goal. */
export interface GoalSettings {
  readonly limits: GraphLimits;
  /** The graph to run, if it was made before. */
  readonly graph: readonly TaskSpec[] | null;
  /** Somebody is asked before anything of the plan runs. */
  readonly approvePlan?: true;
  /** How much of what past runs taught is used. Default "basic". */
  readonly optimize?: OptimizeLevel;
  /** Tasks of the run that can be under way at once, as far as is known. */
  readonly slots?: number;
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

/** Milliseconds that one try of planning may take. */
export const DEFAULT_PLAN_TIMEOUT_MS = 120_000;

export interface PlanRequest {
  readonly goal: Goal;
  readonly limits?: Partial<GraphLimits>;
  readonly depth?: number;
  readonly task?: TaskSpec | undefined;
  readonly outputs?: Readonly<Record<string, Json>>;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly replan?: Replan | undefined;
  readonly stream?: DecomposeContext["stream"];
  readonly streamed?: readonly TaskSpec[] | undefined;
  readonly llm: DecomposeContext["llm"];
  /** Made of what the decomposer is told of the steps. */
  readonly memory?: ((steps: readonly StepInfo[]) => PlanMemory | undefined) | undefined;
  /** Agents that can be steps. */
  readonly agents: readonly StepInfo[];
}

/** Asks the decomposer, told of the steps and the limits. */
export async function askDecomposer(code: GoalCode, request: PlanRequest): Promise<Decomposition> {
  if (!code.decomposer) {
    throw new GoalpostError(
      "INVALID_STATE",
      "this process has no decomposer for the goal; register an app with one",
    );
  }
  const steps = [...(await describeSteps(code.steps)), ...request.agents];
  const known = await code.learning?.ofSteps(steps.map(({ name }) => name));
  return callDecomposer(code.decomposer, request.goal, {
    steps: known ? steps.map((step) => withEstimate(step, known)) : steps,
    limits: { ...DEFAULT_LIMITS, ...request.limits },
    depth: request.depth ?? 0,
    task: request.task,
    outputs: request.outputs ?? {},
    signal: request.signal,
    log: request.log,
    replan: request.replan,
    stream: request.stream,
    streamed: request.streamed,
    llm: request.llm,
    memory: request.memory?.(steps),
  });
}

/** What is known of a step, if anything is. */
function withEstimate(step: StepInfo, known: Estimates): StepInfo {
  const estimate = known.of({ step: step.name });
  return estimate.samples > 0 ? { ...step, estimate } : step;
}
