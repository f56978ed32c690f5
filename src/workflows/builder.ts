import { createHash } from "node:crypto";
import { GoalpostError } from "../core/errors.ts";
import type { Stored } from "../core/json.ts";
import { checkName } from "../core/names.ts";
import { check, checkOneOf, checkPolicy } from "../core/policy.ts";
import type { OnExhausted, OnSkip, StepPolicy } from "../core/retry.ts";
import type { Shape } from "../core/shape.ts";
import type { StepContext } from "../core/step.ts";
import type { Workflow, WorkflowStep } from "../core/workflow.ts";
import { toShape } from "./to-shape.ts";

/** Step name to the type of its stored output. */
type Slots = Record<never, unknown>;

type Pretty<T> = { [K in keyof T]: T[K] } & {};

/** The step's name, or a type that says why it cannot be one. */
type Fresh<N extends string, S> = N extends "run"
  ? "the name run is reserved"
  : N extends keyof S
    ? `step "${N}" is already there`
    : N;

type Named<S> = keyof S & string;

/** The outputs of the steps that a step comes after; of optional ones they may be absent. */
export type Outputs<S, D extends keyof S, O extends keyof S = never> = Pretty<
  { readonly [K in D]: S[K] } & { readonly [K in O]?: S[K] }
>;

/** What a step is given: the run's input, and the outputs of the steps it comes after. */
export type StepInput<I, S, D extends keyof S, O extends keyof S = never> = Pretty<
  { readonly run: I } & Outputs<S, D, O>
>;

/** What a finished run returns: the outputs of the steps that no step comes after. */
export type OutputOf<S, Used> = Pretty<{ readonly [K in Exclude<keyof S, Used>]: S[K] }>;

/** An element of an array. */
export type ItemOf<T> = T extends readonly (infer Item)[] ? Item : never;

interface CommonOptions<D extends string, O extends string> extends StepPolicy {
  /** The steps whose outputs this one needs. Default: none, it starts with the run. */
  readonly after?: readonly D[] | undefined;
  /** Steps that it comes after, too, and runs without if they were skipped: their outputs may be absent. */
  readonly optional?: readonly O[] | undefined;
  /**
   * When this step is skipped: `"cascade"` skips the steps that need it, too; `"continue"` lets them run without its
   * output. Default `"cascade"`.
   */
  readonly onSkip?: OnSkip | undefined;
  /**
   * When it has failed for good: `"fail"` ends the run, `"cascade"` skips the steps that need it, `"continue"` lets
   * them run without its output. Default `"fail"`.
   */
  readonly onExhausted?: OnExhausted | undefined;
}

/** How a step is placed and tried. `Input` is what `when` is given: the step's input. */
export interface StepOptions<D extends string, O extends string = never, Input = never>
  extends CommonOptions<D, O> {
  /**
   * Asked when the step is reached: false skips it. Neither that nor a throw is an attempt; a throw fails the task
   * without another try.
   */
  readonly when?: ((input: Input) => boolean | Promise<boolean>) | undefined;
}

/** How a map is placed and tried. */
export interface MapOptions<Over extends string, D extends string, O extends string = never>
  extends CommonOptions<D, O> {
  /** The step whose output, an array, is mapped over. Default: the run's input is. */
  readonly over?: Over | undefined;
  /** Items that may be under way at once. Default: any number. */
  readonly concurrency?: number | undefined;
}

type Step<Input, Out> = (input: Input, ctx: StepContext<Input, null>) => Out | Promise<Out>;
type Each<Item, Input, Out> = (item: Item, ctx: StepContext<Input, null>) => Out | Promise<Out>;
type With<S, N extends string, T> = Pretty<S & { readonly [K in N]: T }>;

/** A workflow that can be extended; every call returns a new one. */
export interface WorkflowBuilder<I, S, Used> extends Workflow<I, OutputOf<S, Used>> {
  step<const N extends string, Out>(
    name: Fresh<N, S>,
    execute: Step<StepInput<I, S, never>, Out>,
  ): WorkflowBuilder<I, With<S, N, Stored<Out>>, Used>;
  step<const N extends string, Out, const D extends Named<S> = never, const O extends Named<S> = never>(
    name: Fresh<N, S>,
    options: StepOptions<D, O, StepInput<I, S, D, O>>,
    execute: Step<StepInput<I, S, D, O>, Out>,
  ): WorkflowBuilder<I, With<S, N, Stored<Out>>, Used | D | O>;

  /**
   * Adds a step that runs once for every element of an array: of the output of the step named by `over`, else of the
   * run's input. Its output is the array of what the items returned, in their order. An item is retried by itself; one
   * that fails for good fails the whole map. `ctx.index` is the item's index, `ctx.input` what other steps are given
   * as their input.
   */
  map<const N extends string, Out>(
    name: Fresh<N, S>,
    execute: Each<ItemOf<I>, Outputs<S, never>, Out>,
  ): WorkflowBuilder<I, With<S, N, Stored<Out>[]>, Used>;
  map<
    const N extends string,
    Out,
    const Over extends Named<S>,
    const D extends Named<S> = never,
    const O extends Named<S> = never,
  >(
    name: Fresh<N, S>,
    options: MapOptions<Over, D, O> & { readonly over: Over },
    execute: Each<ItemOf<S[Over]>, StepInput<I, S, D, O>, Out>,
  ): WorkflowBuilder<I, With<S, N, Stored<Out>[]>, Used | Over | D | O>;
  map<const N extends string, Out, const D extends Named<S> = never, const O extends Named<S> = never>(
    name: Fresh<N, S>,
    options: MapOptions<never, D, O>,
    execute: Each<ItemOf<I>, Outputs<S, D, O>, Out>,
  ): WorkflowBuilder<I, With<S, N, Stored<Out>[]>, Used | D | O>;
}

/**
 * Begins a static workflow. Steps are added with `.step(name, [{ after }], fn)` and `.map(name, [{ over }], fn)`; a step
 * can only come after steps that are there already, so the graph cannot have a cycle.
 * @throws INVALID_INPUT for a name that is not allowed
 */
export function workflow<Input = null>(name: string): WorkflowBuilder<Input, Slots, never> {
  checkName(name, "workflow");
  return build(name, []) as unknown as WorkflowBuilder<Input, Slots, never>;
}

type Execute = WorkflowStep["execute"];
type AnyStepOptions = StepOptions<string, string>;
type AnyMapOptions = MapOptions<string, string, string>;

interface UntypedBuilder extends Workflow<never, unknown> {
  step(name: string, options: AnyStepOptions | Execute, execute?: Execute): UntypedBuilder;
  map(name: string, options: AnyMapOptions | Execute, execute?: Execute): UntypedBuilder;
}

function build(name: string, steps: readonly WorkflowStep[]): UntypedBuilder {
  let shape: Shape | undefined;
  let hash: string | undefined;
  const extend = (added: WorkflowStep): UntypedBuilder => {
    checkStep(name, steps, added);
    return build(name, [...steps, added]);
  };
  return {
    name,
    steps,
    get shape() {
      shape ??= toShape(steps);
      return shape;
    },
    get hash() {
      hash ??= createHash("sha256")
        .update(JSON.stringify([name, this.shape]))
        .digest("hex");
      return hash;
    },
    step: (stepName, options, execute) =>
      extend(
        typeof options === "function"
          ? makeStep(stepName, {}, options)
          : makeStep(stepName, options, execute),
      ),
    map: (stepName, options, execute) =>
      extend(
        typeof options === "function" ? makeMap(stepName, {}, options) : makeMap(stepName, options, execute),
      ),
  };
}

function makeStep(name: string, options: AnyStepOptions, execute: Execute | undefined): WorkflowStep {
  const { when, ...common } = options;
  if (when !== undefined && typeof when !== "function") {
    throw new GoalpostError("INVALID_INPUT", `step "${name}": when must be a function of the step's input`);
  }
  return { ...makeCommon(name, common, execute), ...(when && { when }) };
}

function makeMap(name: string, options: AnyMapOptions, execute: Execute | undefined): WorkflowStep {
  const { over, concurrency, ...common } = options;
  check(concurrency, { what: `map "${name}": concurrency`, least: 1, whole: true });
  if (over !== undefined && [...(common.after ?? []), ...(common.optional ?? [])].includes(over)) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `map "${name}" maps over "${over}": its items are given their elements, not the whole; leave it out of after`,
    );
  }
  const after = [...(over === undefined ? [] : [over]), ...(common.after ?? [])];
  return { ...makeCommon(name, { ...common, after }, execute), map: { over, concurrency } };
}

function makeCommon(
  name: string,
  options: CommonOptions<string, string>,
  execute: Execute | undefined,
): WorkflowStep {
  if (typeof execute !== "function") {
    throw new GoalpostError(
      "INVALID_INPUT",
      `step "${name}" has no function; use .step(name, [options], fn) or .map(name, [options], fn)`,
    );
  }
  const { after = [], optional = [], onSkip, onExhausted, ...policy } = options;
  checkPolicy(policy, `step "${name}"`);
  checkOneOf(onExhausted, {
    what: `step "${name}": onExhausted`,
    allowed: ["fail", "cascade", "continue"],
  });
  checkOneOf(onSkip, { what: `step "${name}": onSkip`, allowed: ["cascade", "continue"] });
  return {
    name,
    after: [...new Set([...after, ...optional])],
    optional: [...new Set(optional)],
    policy,
    ...(onSkip && { onSkip }),
    ...(onExhausted && { onExhausted }),
    execute,
  };
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
