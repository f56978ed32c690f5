import { createHash } from "node:crypto";
import type { Driver } from "./core/driver.ts";
import { GoalpostError } from "./core/errors.ts";
import type { FlowFunctions, FlowOptions, FlowRef } from "./core/flow.ts";
import { isObject, type Json } from "./core/json.ts";
import type { StepPolicy } from "./core/retry.ts";
import type { Shape } from "./core/shape.ts";
import type { Workflow, WorkflowStep } from "./core/workflow.ts";
import { flowName } from "./flow-options.ts";
import type { StartOptions } from "./options.ts";
import { findFlow, getFlow, type StoredFlow } from "./store/flows.ts";
import { toShape } from "./workflows/to-shape.ts";

/** Compiled flows that are kept. */
const MAX_COMPILED = 100;

/** A step of a flow, without its function. */
type FlowStep = Omit<WorkflowStep, "execute">;

interface CompiledFlow {
  readonly id: string;
  readonly name: string;
  readonly options: FlowOptions;
  readonly steps: readonly FlowStep[];
  readonly shape: Shape;
  readonly hash: string;
}

/** A flow that is ready to be run. */
export interface PreparedFlow {
  readonly workflow: Workflow<unknown, Readonly<Record<string, Json>>>;
  readonly options: StartOptions;
}

/** Makes workflows of flows and the functions that carry out their steps. */
export class FlowRuns {
  readonly #driver: Driver;
  readonly #compiled = new Map<string, CompiledFlow>();

  constructor(driver: Driver) {
    this.#driver = driver;
  }

  /**
   * The flow as it is now, with its functions. Functions that it has no step for are left alone: one set of functions
   * can serve several flows.
   * @throws FLOW_NOT_FOUND; INVALID_INPUT if it has no steps, or a function is missing
   */
  async prepare(flow: FlowRef, functions: FlowFunctions, options: StartOptions): Promise<PreparedFlow> {
    const name = flowName(flow);
    checkFunctions(name, functions);
    const compiled = await this.#compile(name);
    const { shape, hash } = compiled;
    return {
      workflow: { name, shape, hash, source: "dynamic", steps: bind(compiled, functions) },
      options: {
        ...options,
        priority: options.priority ?? compiled.options.priority,
        deadlineMs: options.deadlineMs ?? compiled.options.deadlineMs,
      },
    };
  }

  /** Steps are only ever added: as long as there are as many as when the flow was compiled, it is the same. */
  async #compile(name: string): Promise<CompiledFlow> {
    const { id, stepCount } = await findFlow(this.#driver, name);
    const known = this.#compiled.get(name);
    if (known?.id === id && known.steps.length === stepCount) {
      return known;
    }
    const compiled = compile(await getFlow(this.#driver, name));
    this.#compiled.delete(name);
    this.#compiled.set(name, compiled);
    const [oldest] = this.#compiled.keys();
    if (this.#compiled.size > MAX_COMPILED && oldest !== undefined) {
      this.#compiled.delete(oldest);
    }
    return compiled;
  }
}

function compile(flow: StoredFlow): CompiledFlow {
  const { id, name, options } = flow;
  const steps = flow.steps.map((step): FlowStep => {
    const [over, items, concurrency] = [
      step.over ?? undefined,
      step.items ?? undefined,
      step.concurrency ?? undefined,
    ];
    return {
      name: step.name,
      after: [...new Set([...(over === undefined ? [] : [over]), ...step.after])],
      optional: [],
      policy: inherit(step, options),
      ...(step.kind === "map" && { map: { over, items, concurrency } }),
    };
  });
  const shape = toShape(steps);
  // The id keeps a flow apart from one that was deleted, and from a workflow in code of the same name.
  const hash = createHash("sha256")
    .update(JSON.stringify(["dynamic", id, name, shape]))
    .digest("hex");
  return { id, name, options, steps, shape, hash };
}

/** What a step does not say is its flow's; what that does not say is the default of the day. */
function inherit(step: StepPolicy, flow: StepPolicy): StepPolicy {
  const maxAttempts = step.maxAttempts ?? flow.maxAttempts;
  const timeoutMs = step.timeoutMs ?? flow.timeoutMs;
  const retry = { ...flow.retry, ...step.retry };
  return {
    ...(maxAttempts !== undefined && { maxAttempts }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(Object.keys(retry).length > 0 && { retry }),
  };
}

function checkFunctions(name: string, functions: unknown): asserts functions is FlowFunctions {
  if (!isObject(functions)) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `the steps of flow "${name}" must be an object of functions by the name of the step: { fetch: async (input, ctx) => … }`,
    );
  }
}

function bind({ name, steps }: CompiledFlow, functions: FlowFunctions): WorkflowStep[] {
  if (steps.length === 0) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `flow "${name}" has no steps; add one with gp.flows.addStep("${name}", name)`,
    );
  }
  const missing: string[] = [];
  const bound = steps.flatMap((step) => {
    const execute = Object.hasOwn(functions, step.name) ? functions[step.name] : undefined;
    if (typeof execute !== "function") {
      missing.push(step.name);
      return [];
    }
    return [{ ...step, execute }];
  });
  if (missing.length > 0) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `flow "${name}" has steps that no function was given for: ${missing.join(", ")}; ` +
        "give each of them a function of (input, ctx) under its name",
      { details: { missing } },
    );
  }
  return bound;
}
