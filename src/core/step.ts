import type { z } from "zod";
import type { Goal } from "./goal.ts";
import type { Json, Stored } from "./json.ts";
import type { Logger } from "./logger.ts";
import { checkPolicy } from "./policy.ts";
import type { StepPolicy } from "./retry.ts";

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

/** What every step is given besides its input. */
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
  /** Aborts on timeout, cancellation and when the task is no longer this worker's; pass it on to what you call. */
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
}

const STEP: unique symbol = Symbol.for("goalpost.step") as never;

/** A step with a description and a schema; made by {@link defineStep}. */
export interface Step<Args, Output> extends StepPolicy {
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

export interface StepDefinition<A extends z.ZodType, O extends z.ZodType> extends StepPolicy {
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
  return { ...definition, [STEP]: true } as unknown as Step<z.output<A>, z.output<O>>;
}

/** True for what {@link defineStep} made, in this or another copy of the library. */
export function isStep(value: unknown): value is Step<unknown, unknown> {
  return typeof value === "object" && value !== null && STEP in value;
}
