import type { StepPolicy } from "./retry.ts";
import type { Shape } from "./shape.ts";
import type { StepContext } from "./step.ts";

/** A step of a static workflow, types aside. */
export interface WorkflowStep {
  readonly name: string;
  readonly after: readonly string[];
  readonly policy: StepPolicy;
  readonly execute: (input: never, ctx: StepContext<never, null>) => unknown;
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
