import type { GraphIssue } from "./errors.ts";
import type { Estimate } from "./estimates.ts";
import type { Json } from "./json.ts";
import type { LlmRequest, LlmResult } from "./llm.ts";
import type { Logger } from "./logger.ts";
import type { OnExhausted } from "./retry.ts";

/** What is wanted. A string stands for a goal with that text. */
export interface Goal {
  readonly text: string;
  /** Facts that the decomposer and every step can read. */
  readonly context?: Json | undefined;
}

/** Why a task waits for another: it reads its output, somebody ordered it so, or both touch one thing. */
export type EdgeReason = "data" | "order" | "conflict";

export interface Dependency {
  readonly id: string;
  readonly reason?: EdgeReason | undefined;
  /** The task runs even if this dependency was skipped. Default false. */
  readonly optional?: boolean | undefined;
}

/** A planned task. */
export interface TaskSpec {
  /** Unique in the whole graph; see the README for allowed names. */
  readonly id: string;
  readonly description: string;
  readonly dependsOn?: readonly (string | Dependency)[] | undefined;
  /** The step that does it. Default: the id. A task with subtasks, or to be decomposed, needs none. */
  readonly step?: string | undefined;
  /** May hold `{ "$ref": "taskId", "path": "a.b" }` anywhere; a reference adds its data dependency. */
  readonly args?: unknown;
  /** Makes this a compound task: its output holds the outputs of its leaves by id. */
  readonly subtasks?: readonly TaskSpec[] | undefined;
  /** Ask the decomposer again when this task is reached. Default false. */
  readonly decompose?: boolean | undefined;
  /** What it reads and writes, for the optimizer. */
  readonly effects?:
    | { readonly reads?: readonly string[] | undefined; readonly writes?: readonly string[] | undefined }
    | undefined;
  /**
   * Does the task once for every element of the output of task `over`, an array. The step sees its element where the
   * output of `over` would be, in its input and in references; the task's output is the array of what it returned.
   */
  readonly map?:
    | {
        readonly over: string;
        /** Items under way at once. Default: any number. */
        readonly concurrency?: number | undefined;
      }
    | undefined;
  /** What becomes of the run when the task has failed for good. Default `"fail"`. */
  readonly onExhausted?: OnExhausted | undefined;
  /** Tries in all, the first included. Default: the step's, else 3. */
  readonly maxAttempts?: number | undefined;
  /** Milliseconds that one try may take, with the time in `ctx.llm`. Default: the step's, else 30,000 without it. */
  readonly timeoutMs?: number | undefined;
  /** It is not carried out before `gp.runs.approve` says so. Not for tasks with subtasks. Default false. */
  readonly approval?: boolean | undefined;
}

/** Tasks and their dependencies. */
export interface TaskGraph {
  readonly tasks: readonly TaskSpec[];
  /** Who made it, and with what; kept with the run. */
  readonly origin?: PlanOrigin | undefined;
}

/** Where a graph comes from. */
export interface PlanOrigin {
  /** What made it: "llm", "fallback", or a word of your own. */
  readonly by: string;
  /** The model that was asked. */
  readonly model?: string | undefined;
  /** SHA-256 of the prompt it was asked with, in hex: of the template, before anything was put in. */
  readonly promptSha256?: string | undefined;
  /** Times that the model had to repair it. */
  readonly repairs?: number | undefined;
}

declare const valid: unique symbol;

/** A task graph that `validate` has checked: only such a graph can be stored and run. */
export interface ValidTaskGraph extends TaskGraph {
  readonly [valid]: true;
  /** Oddities that do not stop a run, such as tasks whose output nobody uses. */
  readonly warnings: readonly GraphIssue[];
  /** Tasks in all, nested ones included. */
  readonly taskCount: number;
  /** Levels of nesting; 1 for a flat graph. */
  readonly depth: number;
  /** The most tasks that can run at once. */
  readonly width: number;
}

/** What a graph may not exceed. */
export interface GraphLimits {
  /** Levels of nesting, not length of chains. Default 5. */
  readonly maxDepth: number;
  /** Tasks in all, inclusive. Default 10,000. */
  readonly maxTasks: number;
  /** Tasks that could run at once. Default 10,000. */
  readonly maxWidth: number;
}

export const DEFAULT_LIMITS: GraphLimits = { maxDepth: 5, maxTasks: 10_000, maxWidth: 10_000 };

/** A JSON Schema document. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** What a decomposer is told of a step. */
export interface StepInfo {
  readonly name: string;
  readonly description?: string;
  readonly argsSchema?: JsonSchema;
  readonly outputSchema?: JsonSchema;
  /** What past runs tell of it. Left out where nothing is known. */
  readonly estimate?: Estimate;
}

/** A plan that reached a goal like the one that is planned. */
export interface RecalledPlan {
  readonly goal: string;
  readonly tasks: readonly TaskSpec[];
  /** Of the goals' texts: cosine of their vectors, at most 1. */
  readonly similarity: number;
}

/** When a plan is used again as it stands. */
export interface ReuseRule {
  /**
   * Its share of runs that reach the goal is at least this, and that with 95 % certainty. Default 0.9, which takes 28
   * runs without a failure.
   */
  readonly least?: number | undefined;
  /** Milliseconds since it was last carried out. Default 90 days. */
  readonly maxAgeMs?: number | undefined;
}

/** Who made a plan that is used again as it stands: `origin.by`. */
export const BY_RECALL = "recall";

/** What earlier runs left for planning a goal. */
export interface PlanMemory {
  /**
   * Plans that reached goals like this one, the nearest first, one for each goal. Only those whose steps are there, and
   * take and give what they did then. Never fails; asked again in one planning, it answers the same.
   */
  near(count: number): Promise<readonly RecalledPlan[]>;
  /**
   * The plan that reached this very goal, with the very steps that there are now, if its runs speak for using it as it
   * stands; else null. It is still to be validated. Never fails.
   */
  same(rule?: ReuseRule): Promise<readonly TaskSpec[] | null>;
}

/** What a decomposer is given besides the goal. */
export interface DecomposeContext {
  readonly steps: readonly StepInfo[];
  readonly limits: GraphLimits;
  /** Levels above the tasks to be made: 0 for the goal itself. */
  readonly depth: number;
  /** The task to be decomposed; undefined for the goal itself. */
  readonly task?: TaskSpec | undefined;
  /** Outputs of the dependencies of that task, by id. */
  readonly outputs: Readonly<Record<string, Json>>;
  /** Aborts when planning takes too long or the run is cancelled. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Why the tasks are to be made again; undefined the first time. */
  readonly replan?: Replan | undefined;
  /**
   * Hands tasks on while the rest is still being planned: they may start at once. Each comes after those it depends on,
   * and is part of the final answer as it is now. Undefined where nothing runs before the plan is whole.
   * @throws InvalidGraphError
   */
  readonly stream?: ((tasks: readonly TaskSpec[]) => Promise<void>) | undefined;
  /**
   * What an earlier try of this planning handed on: it is under way, and the final answer has to contain it unchanged. To
   * hand it on again does nothing. Undefined if there is nothing.
   */
  readonly streamed?: readonly TaskSpec[] | undefined;
  /** What earlier runs left for this goal. Undefined for parts of a goal, and where nothing is kept. */
  readonly memory?: PlanMemory | undefined;
  /** Asks a model; on the run's account. A repeated planning gets the answers that it got before. */
  llm<T>(request: LlmRequest<T>): Promise<LlmResult<T>>;
}

/** What a decomposer is told when a task of its plan has failed for good. */
export interface Replan {
  /** Which plan it will be: 2 for the first that replaces another. */
  readonly version: number;
  /** What failed. */
  readonly failed: {
    readonly id: string;
    readonly step: string;
    readonly code: string;
    readonly message: string;
  };
  /** The plan that failed, without what is above it. */
  readonly tasks: readonly TaskSpec[];
  /** Outputs of those of its tasks that are completed; they stay, and new tasks may depend on them. */
  readonly completed: Readonly<Record<string, Json>>;
}

/** Turns a goal into tasks: a plain function, {@link rules}, or an LLM. */
export type Decomposer = (
  goal: Goal,
  ctx: DecomposeContext,
) => readonly TaskSpec[] | TaskGraph | Promise<readonly TaskSpec[] | TaskGraph>;
