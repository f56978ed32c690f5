import type { Json } from "./json.ts";
import type { OnExhausted, OnSkip, StepPolicy } from "./retry.ts";
import type { Shape } from "./shape.ts";

/** A step of a static workflow, types aside. */
export interface WorkflowStep {
  readonly name: string;
  /** Names of the steps that it needs, sorted as they were given. */
  readonly after: readonly string[];
  /** Those of them that may have been skipped. */
  readonly optional: readonly string[];
  readonly policy: StepPolicy;
  readonly onSkip?: OnSkip | undefined;
  readonly onExhausted?: OnExhausted | undefined;
  /** Of a map; undefined for other steps. */
  readonly map?: WorkflowMap | undefined;
  /** Decides, when the step is reached, whether it runs. */
  readonly when?: ((input: never) => unknown) | undefined;
  /** Called with the step's input and a StepContext. */
  readonly execute: (input: never, ctx: never) => unknown;
}

export interface WorkflowMap {
  /** The step whose output is mapped over; undefined for the run's input. */
  readonly over?: string | undefined;
  /** What is mapped over, if that is fixed. */
  readonly items?: readonly Json[] | undefined;
  /** Items under way at once; undefined for any number. */
  readonly concurrency?: number | undefined;
}

/** Whether a map goes over the run's input. */
export function mapsRun({ over, items }: WorkflowMap): boolean {
  return over === undefined && items === undefined;
}

/**
 * A static workflow: a DAG of named steps in code. Made by `workflow(name).step(…)`.
 * `Input` is what a run is started with, `Output` what its leaves return, by name.
 */
export interface Workflow<in Input, out Output> {
  readonly name: string;
  readonly steps: readonly WorkflowStep[];
  /** The DAG as it is stored, and the hash that tells versions of it apart. */
  readonly shape: Shape;
  readonly hash: string;
  /** Where the DAG is from: code, or rows. Default: `static`, code. */
  readonly source?: "static" | "dynamic" | undefined;
  /** Carries the types; never called. */
  readonly types?: (input: Input) => Output;
}

/** A workflow of any input and output. */
export type AnyWorkflow = Workflow<never, unknown>;
