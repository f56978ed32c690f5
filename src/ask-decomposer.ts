import { GoalpostError } from "./core/errors.ts";
import {
  DEFAULT_LIMITS,
  type DecomposeContext,
  type Decomposer,
  type Goal,
  type GraphLimits,
  type Replan,
  type StepInfo,
  type TaskSpec,
} from "./core/goal.ts";
import type { Json } from "./core/json.ts";
import type { Logger } from "./core/logger.ts";
import type { StepMap } from "./core/step.ts";
import { callDecomposer, type Decomposition, describeSteps } from "./plan/decompose.ts";

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
  /** Somebody is asked before anything of the plan runs. */
  readonly approvePlan?: true;
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
  return callDecomposer(code.decomposer, request.goal, {
    steps: [...(await describeSteps(code.steps)), ...request.agents],
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
  });
}
