import type { Json } from "./json.ts";
import type { StepPolicy } from "./retry.ts";
import type { StepContext } from "./step.ts";

/** Every option can be left out, or be undefined or null: that is its default. */
export type Optional<T> = { readonly [K in keyof T]?: T[K] | null | undefined };

/** How a flow is run: the defaults of its steps, and of its runs. */
export interface FlowOptions extends StepPolicy {
  /** Of its runs; larger is sooner. Default 0. */
  readonly priority?: number | undefined;
  /** Milliseconds after which a run of it fails with RUN_DEADLINE. Default: none. */
  readonly deadlineMs?: number | undefined;
}

/** How a step of a flow is run; what is not said is the flow's. */
export interface FlowStepOptions extends StepPolicy {
  /** The steps whose outputs it needs; they are there already. Default: none, it starts with the run. */
  readonly after?: readonly string[] | undefined;
}

/** How a map step of a flow is run: once for each item. */
export interface FlowMapOptions extends FlowStepOptions {
  /** The step whose output, an array, it goes over. Default: the run's input, an array, or `items`. */
  readonly over?: string | undefined;
  /** What it goes over, if that is fixed: at most 10,000 items. Not together with `over`. */
  readonly items?: readonly Json[] | undefined;
  /** Items carried out at once. Default: no limit of its own. */
  readonly concurrency?: number | undefined;
}

/** A step of a flow as it is stored. */
export interface FlowStep extends StepPolicy {
  readonly name: string;
  readonly kind: "step" | "map";
  /** Steps are numbered from 0 in the order in which they were added. */
  readonly position: number;
  /** The steps it comes after, sorted; without the one that a map goes over. */
  readonly after: readonly string[];
  /** Of a map: the step whose output it goes over; null: the run's input, or `items`. */
  readonly over: string | null;
  /** Of a map: what it goes over, if that is fixed. */
  readonly items: readonly Json[] | null;
  /** Of a map: items carried out at once; null: no limit of its own. */
  readonly concurrency: number | null;
}

/** A flow without its steps. */
export interface FlowSummary {
  readonly name: string;
  /** As it was created with; what was left out is not there. */
  readonly options: FlowOptions;
  readonly stepCount: number;
  readonly createdAt: Date;
}

/** A flow, in the order in which its steps were added. */
export interface Flow extends FlowSummary {
  readonly steps: readonly FlowStep[];
}

/** A flow, or its name. */
export type FlowRef = string | { readonly name: string };

/**
 * What carries out a step of a flow: a function of `{ run, [dependency]: output }`, or, for a map, of one item. Method
 * syntax, so that what is given can be typed by hand.
 */
// biome-ignore lint/suspicious/noExplicitAny: flows are built at run time, so what their steps are given is unknown.
export type FlowFunction = { step(input: any, ctx: StepContext<any, null>): unknown }["step"];

/** Functions by the name of the step that they carry out. */
export type FlowFunctions = { readonly [step: string]: FlowFunction };
