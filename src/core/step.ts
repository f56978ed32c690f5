import type { z } from "zod";
import type { StepAgents } from "./agent.ts";
import type { StepEmbed } from "./embedding.ts";
import type { Decomposer, Goal } from "./goal.ts";
import type { Json, Stored } from "./json.ts";
import type { Budget, LlmRequest, LlmResult } from "./llm.ts";
import type { Logger } from "./logger.ts";
import { checkFlag, checkPolicy } from "./policy.ts";
import type { GoalResult, RunResult } from "./results.ts";
import type { StepPolicy } from "./retry.ts";
import type { Workflow } from "./workflow.ts";

/** What a step of a goal is told of the run. */
export interface GoalRun {
  /** The goal's text. */
  readonly goal: string;
  readonly context?: Json;
}

/**
 * The input of a step of a goal: the run, and the output of each dependency under its id.
 * Give `Deps` to type them by hand: `({ analyze }: GoalInput<{ analyze: { text: string } }>) => …`.
 */
// biome-ignore lint/suspicious/noExplicitAny: a planned step's dependencies are unknown until the plan is made.
export type GoalInput<Deps = { readonly [dependency: string]: any }> = { readonly run: GoalRun } & Deps;

/** How a step waits. */
export interface KeyOptions {
  /**
   * Tells this wait from the others of the task. Default: which one of the waits without a key it is, counted in the
   * order of the calls. Give keys where that order can change from one call of the step to the next.
   */
  readonly key?: string | undefined;
}

/** How a step waits for a signal. */
export interface WaitForOptions extends KeyOptions {
  /** Milliseconds to wait at most. Default: as long as it takes. */
  readonly timeoutMs?: number | undefined;
}

/** How a step asks a model. */
export interface LlmCallOptions {
  /**
   * Tells this request from the others of the task: as long as the key is the same, so is the answer. Default: by what
   * is asked, so that a changed prompt is a new request, and how often it was asked before in this call of the step.
   */
  readonly key?: string | undefined;
}

/** How a step starts a child run. */
export interface ChildOptions {
  /** Tells this child from the others of the task; the same every time the step is called. */
  readonly key: string;
  /** Milliseconds after which the child fails with RUN_DEADLINE. Default: none. */
  readonly deadlineMs?: number | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** What the child's calls may cost at most; the budgets of the runs above it hold as well. Default: no limit. */
  readonly budget?: Budget | undefined;
}

/** How a step starts a goal as a child run; the limits are those of `executeGoal`. */
export interface ChildGoalOptions extends ChildOptions {
  readonly maxDepth?: number | undefined;
  readonly maxTasks?: number | undefined;
  readonly maxWidth?: number | undefined;
  readonly planTimeoutMs?: number | undefined;
}

/**
 * What every step is given besides its input.
 *
 * `sleep`, `waitFor`, `execute`, `executeGoal`, and `llm` for approvals of tools, wait without holding the worker's slot: the step is unwound by an
 * exception (its finally blocks run) and called again from its first line when there is an answer. Waits that are
 * answered, `once` and `llm` return then what they returned before, and races of them end as they ended before; all else
 * runs again. Do work beside or between waits in `once`. Let the exception pass: once it is thrown every call of ctx
 * rejects, and what the function returns is not taken. It is no attempt, and the step's timeout starts afresh.
 */
export interface StepContext<Input = GoalInput, Args = Json> {
  readonly runId: string;
  readonly taskId: string;
  /** Which try this is, from 1. Losing a worker is not a try. */
  readonly attempt: number;
  /** The item's index in a map; undefined elsewhere. */
  readonly index: number | undefined;
  readonly input: Input;
  /** The task's args, references bound. */
  readonly args: Args;
  /** Aborts on timeout, cancellation, when the step is parked and when the task is no longer this worker's; pass it on to what you call. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** The goal of a planned run; undefined in other workflows. */
  readonly goal: Goal | undefined;
  /**
   * Calls `fn` once for this task and key and remembers what it returned: a retry gets the stored value. If the
   * process dies between the call and its storing, `fn` is called again.
   * @throws OUTPUT_NOT_JSON, OUTPUT_TOO_LARGE, LEASE_LOST
   */
  once<T>(key: string, fn: () => T | Promise<T>): Promise<Stored<T>>;
  /**
   * Says how far the step is, 0 to 1, and on what it works: `gp.runs.get` shows it while the task is running. It costs
   * a write at most every half second.
   * @throws INVALID_INPUT
   */
  progress(fraction: number, note?: string): void;
  /**
   * Asks a model, on the run's account. The answer is remembered for this task: a step that fails after a paid call
   * does not pay again. Turns and calls of tools within the request are remembered, too; only the call that was under
   * way when a process died is made again. Tools with `sideEffect` wait for `gp.runs.approve`.
   *
   * Its time does not count as the step's, unless the step has a `timeoutMs` of its own: it has `request.timeoutMs`
   * (120 s a call by default). The answer's `parsed` is made anew by the schema every time.
   * @throws INVALID_INPUT, NO_PROVIDER, PROVIDER_ERROR, RESPONSE_INVALID, RESPONSE_REFUSED, BUDGET_EXCEEDED
   */
  llm<T = null>(request: LlmRequest<T>, options?: LlmCallOptions): Promise<LlmResult<T>>;
  /**
   * Embeds a text, or many, on the run's account; `gp.embed` says how. Each batch is remembered for this task: a step that
   * fails after a paid call, or is called again in the middle of many, does not pay again. As with `llm`, its time does
   * not count as the step's.
   * @throws INVALID_INPUT, NO_PROVIDER, PROVIDER_ERROR, BUDGET_EXCEEDED
   */
  readonly embed: StepEmbed;
  readonly channels: {
    /**
     * Stores a message in a channel and tells those who listen; returns its id. A step that is called again sends again,
     * unless the call is wrapped in `once`.
     * @throws INVALID_INPUT if JSON cannot hold the message
     */
    send(channel: string, message: unknown): Promise<string>;
  };
  /** Agents that messages can be sent to, and asked. */
  readonly agents: StepAgents;
  /**
   * Waits for that many milliseconds by the database's clock, up to 100 years.
   * @throws INVALID_INPUT, INVALID_STATE if the key was that of another wait
   */
  sleep(ms: number, options?: KeyOptions): Promise<void>;
  /**
   * Waits for a signal that `gp.runs.signal` sends to this run; returns its payload. Each signal is given to one wait,
   * the oldest first; one that came before the wait was kept for it.
   * @throws WAIT_TIMEOUT after `timeoutMs`; INVALID_INPUT, INVALID_STATE if the key was that of another wait
   */
  waitFor<T = Json>(signal: string, options?: WaitForOptions): Promise<T>;
  /**
   * Runs a workflow as a child of this run, on the same workers, and waits for its end. A retry of this step does not
   * start it again. It is cancelled with its parent.
   * @throws RunFailedError if the child fails or is cancelled; INVALID_INPUT, INVALID_STATE if the key was that of
   * another wait
   */
  execute<I, O>(workflow: Workflow<I, O>, input: NoInfer<I>, options: ChildOptions): Promise<RunResult<O>>;
  /**
   * Plans and runs a goal as a child of this run; like `execute` otherwise.
   * @throws RunFailedError if the child fails or is cancelled; INVALID_INPUT, INVALID_STATE if the key was that of
   * another wait
   */
  executeGoal(
    goal: string | Goal,
    decomposer: Decomposer | undefined,
    steps: StepMap | undefined,
    options: ChildGoalOptions,
  ): Promise<GoalResult>;
}

const STEP: unique symbol = Symbol.for("goalpost.step") as never;

/** What a step does to others, as its author says; what is left out is taken for no. Only planned tasks heed it. */
export interface StepEffects {
  /**
   * It reads and changes nothing that others can see: the same args and input give the same output. Tasks that do the same
   * are then carried out once, and order that no data needs may be dropped. A task's own `effects` count before it.
   * Default false.
   */
  readonly effectFree?: boolean | undefined;
  /**
   * Two copies of one task may be carried out at once, and twice has the effect of once. With `optimize: "aggressive"` a
   * slow try is then overtaken by a second copy in a free slot; the slower one is aborted. What `ctx.once` makes is made
   * once for both, models are asked by both, and waits (`ctx.sleep`, `ctx.waitFor`, child runs) are the first copy's alone.
   * Default: what `effectFree` says.
   */
  readonly idempotent?: boolean | undefined;
}

/** A step with a description and a schema; made by {@link defineStep}. */
export interface Step<Args, Output> extends StepPolicy, StepEffects {
  readonly [STEP]: true;
  readonly description: string;
  readonly args: z.ZodType<Args>;
  readonly output?: z.ZodType<Output> | undefined;
  execute(args: Args, ctx: StepContext<GoalInput, Args>): unknown;
}

/** A step as a plain function of its input. Method syntax, so that inputs typed by hand are accepted. */
// biome-ignore lint/suspicious/noExplicitAny: the args of a plain function have no schema.
export type StepFunction = { step(input: GoalInput, ctx: StepContext<GoalInput, any>): unknown }["step"];

/** Steps by name. */
// biome-ignore lint/suspicious/noExplicitAny: a map holds steps of any args and output.
export type StepMap = { readonly [name: string]: StepFunction | Step<any, any> };

/** Gives its argument back; types the parameters of the steps in it. */
export function defineSteps<const S extends StepMap>(steps: S): S {
  return steps;
}

export interface StepDefinition<A extends z.ZodType, O extends z.ZodType> extends StepPolicy, StepEffects {
  /** What it does; decomposers read it. */
  readonly description: string;
  /** The schema of its args: checked when a plan is validated and again when the task starts. */
  readonly args: A;
  /** The schema of its output: checked before it is stored. */
  readonly output?: O | undefined;
  readonly execute: (
    args: z.output<A>,
    ctx: StepContext<GoalInput, z.output<A>>,
  ) => z.input<O> | Promise<z.input<O>>;
}

/**
 * Makes a step with a description and schemas.
 * @throws INVALID_INPUT for numbers out of range
 */
export function defineStep<A extends z.ZodType, O extends z.ZodType = z.ZodType<unknown>>(
  definition: StepDefinition<A, O>,
): Step<z.output<A>, z.output<O>> {
  checkPolicy(definition, "defineStep");
  checkFlag(definition.effectFree, "defineStep: effectFree");
  checkFlag(definition.idempotent, "defineStep: idempotent");
  return { ...definition, [STEP]: true } as unknown as Step<z.output<A>, z.output<O>>;
}

/** True for what {@link defineStep} made, in this or another copy of the library. */
export function isStep(value: unknown): value is Step<unknown, unknown> {
  return typeof value === "object" && value !== null && STEP in value;
}

/** Whether two copies of one task of the step may be carried out at once. */
export function mayRunTwice({ idempotent, effectFree }: StepEffects): boolean {
  return idempotent ?? effectFree ?? false;
}
