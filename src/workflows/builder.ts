import { createHash } from "node:crypto";
import { dagShape } from "../core/dag-shape.ts";
import { GoalpostError } from "../core/errors.ts";
import type { Stored } from "../core/json.ts";
import { checkName } from "../core/names.ts";
import { checkPolicy } from "../core/policy.ts";
import type { StepPolicy } from "../core/retry.ts";
import type { Shape } from "../core/shape.ts";
import type { StepContext } from "../core/step.ts";
import type { Workflow, WorkflowStep } from "../core/workflow.ts";

/** Step name to the type of its stored output. */
type Slots = Record<never, unknown>;

type Pretty<T> = { [K in keyof T]: T[K] } & {};

/** The step's name, or a type that says why it cannot be one. */
type Fresh<N extends string, S> = N extends "run"
  ? "the name run is reserved"
  : N extends keyof S
    ? `step "${N}" is already there`
    : N;

/** What a step is given: the run's input, and the outputs of the steps it comes after. */
export type StepInput<I, S, D extends keyof S> = Pretty<{ readonly run: I } & { readonly [K in D]: S[K] }>;

/** What a finished run returns: the outputs of the steps that no step comes after. */
export type OutputOf<S, Used> = Pretty<{ readonly [K in Exclude<keyof S, Used>]: S[K] }>;

export interface StepOptions<D extends string> extends StepPolicy {
  /** The steps whose outputs this one needs. Default: none, it starts with the run. */
  readonly after?: readonly D[] | undefined;
}

/** A workflow that can be extended; every call returns a new one. */
export interface WorkflowBuilder<I, S, Used> extends Workflow<I, OutputOf<S, Used>> {
  step<const N extends string, Out>(
    name: Fresh<N, S>,
    execute: (
      input: StepInput<I, S, never>,
      ctx: StepContext<StepInput<I, S, never>, null>,
    ) => Out | Promise<Out>,
  ): WorkflowBuilder<I, Pretty<S & { readonly [K in N]: Stored<Out> }>, Used>;
  step<const N extends string, Out, const D extends keyof S & string = never>(
    name: Fresh<N, S>,
    options: StepOptions<D>,
    execute: (input: StepInput<I, S, D>, ctx: StepContext<StepInput<I, S, D>, null>) => Out | Promise<Out>,
  ): WorkflowBuilder<I, Pretty<S & { readonly [K in N]: Stored<Out> }>, Used | D>;
}

/**
 * Begins a static workflow. Steps are added with `.step(name, [{ after }], fn)`; a step can only come after steps
 * that are there already, so the graph cannot have a cycle.
 * @throws INVALID_INPUT for a name that is not allowed
 */
export function workflow<Input = null>(name: string): WorkflowBuilder<Input, Slots, never> {
  checkName(name, "workflow");
  return build(name, []) as WorkflowBuilder<Input, Slots, never>;
}

type Execute = WorkflowStep["execute"];

interface UntypedBuilder extends Workflow<never, unknown> {
  step(name: string, options: StepOptions<string> | Execute, execute?: Execute): UntypedBuilder;
}

function build(name: string, steps: readonly WorkflowStep[]): UntypedBuilder {
  let shape: Shape | undefined;
  let hash: string | undefined;
  return {
    name,
    steps,
    get shape() {
      shape ??= dagShape(steps.map((step) => ({ ...step, kind: "step" })));
      return shape;
    },
    get hash() {
      hash ??= createHash("sha256")
        .update(JSON.stringify([name, this.shape]))
        .digest("hex");
      return hash;
    },
    step(stepName, options, execute) {
      const added =
        typeof options === "function"
          ? makeStep(stepName, {}, options)
          : makeStep(stepName, options, execute);
      checkStep(name, steps, added);
      return build(name, [...steps, added]);
    },
  };
}

function makeStep(name: string, options: StepOptions<string>, execute: Execute | undefined): WorkflowStep {
  if (typeof execute !== "function") {
    throw new GoalpostError(
      "INVALID_INPUT",
      `step "${name}" has no function; use .step(name, [options], fn)`,
    );
  }
  const { after, ...policy } = options;
  checkPolicy(policy, `step "${name}"`);
  return { name, after: [...new Set(after ?? [])], policy, execute };
}

function checkStep(workflowName: string, steps: readonly WorkflowStep[], added: WorkflowStep): void {
  checkName(added.name, "step");
  const names = new Set(steps.map((step) => step.name));
  if (names.has(added.name)) {
    throw new GoalpostError("INVALID_INPUT", `workflow "${workflowName}" already has a step "${added.name}"`);
  }
  for (const dependency of added.after) {
    if (!names.has(dependency)) {
      throw new GoalpostError(
        "INVALID_INPUT",
        `step "${added.name}" comes after "${dependency}", which is not a step of workflow "${workflowName}". ` +
          `Steps so far: ${[...names].join(", ") || "none"}.`,
      );
    }
  }
}
