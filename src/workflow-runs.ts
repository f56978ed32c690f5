import type { CodeRegistry } from "./code-registry.ts";
import type { Driver } from "./core/driver.ts";
import { GoalpostError } from "./core/errors.ts";
import { type AnyWorkflow, mapsRun } from "./core/workflow.ts";
import type { StartRow } from "./engine/protocol.ts";
import { checkStartOptions, hashInput, inputToJson, type StartOptions, toStartFields } from "./options.ts";
import type { RunPlaces } from "./run-place.ts";
import type { RunStarter, StartedRun } from "./run-starter.ts";
import { ensureDefinition } from "./store/definitions.ts";

/** Ids of definitions that are remembered: flows can be made without end. */
const MAX_DEFINITIONS = 1000;

export interface WorkflowRunsOptions {
  readonly driver: Driver;
  readonly registry: CodeRegistry;
  readonly starter: RunStarter;
  readonly workerId: string;
  readonly places: RunPlaces;
}

/** What a JSON text holds, in a word. */
function kindOf(text: string): string {
  return text === "null" ? "null" : text.startsWith("{") ? "an object" : `a ${typeof JSON.parse(text)}`;
}

/** Starts the runs of workflows in code. */
export class WorkflowRuns {
  readonly #o: WorkflowRunsOptions;
  readonly #definitions = new Map<string, Promise<number>>();

  constructor(options: WorkflowRunsOptions) {
    this.#o = options;
  }

  /** Stores a run, or finds the one that has the key. @throws INVALID_INPUT, INVALID_STATE */
  async start(
    workflow: AnyWorkflow,
    input: unknown,
    options: StartOptions & { readonly runId: string },
  ): Promise<StartedRun> {
    return this.#o.starter.start(await this.#row(workflow, input, options), { workflow });
  }

  /** Makes a run and binds its code; it is not stored. @throws INVALID_INPUT */
  async prepare(
    workflow: AnyWorkflow,
    input: unknown,
    options: StartOptions & { readonly runId: string },
  ): Promise<StartRow> {
    const row = await this.#row(workflow, input, options);
    this.#o.registry.bind(row.id, { workflow }, row);
    return row;
  }

  async #row(
    workflow: AnyWorkflow,
    input: unknown,
    options: StartOptions & { readonly runId: string },
  ): Promise<StartRow> {
    checkStartOptions(options);
    if (workflow.steps.length === 0) {
      throw new GoalpostError(
        "INVALID_INPUT",
        `workflow "${workflow.name}" has no steps; add one with .step(name, fn)`,
      );
    }
    const text = inputToJson(input, `the input of workflow "${workflow.name}" is`);
    const overInput = workflow.steps.find((step) => step.map && mapsRun(step.map));
    if (overInput && !text.startsWith("[")) {
      throw new GoalpostError(
        "TYPE_VIOLATION",
        `map "${overInput.name}" of workflow "${workflow.name}" needs an array, but the input of the run is ${kindOf(text)}`,
      );
    }
    const definitionId = await this.#define(workflow);
    const { workerId, places } = this.#o;
    const place = await places.of(options, workflow.shape);
    const { execution, lane } = place;
    const fields = toStartFields(options);
    // Written out in one piece: to copy objects into it takes longer than all else here.
    return {
      priority: fields.priority,
      deadlineMs: fields.deadlineMs,
      labels: fields.labels,
      budget: fields.budget,
      idempotencyKey: fields.idempotencyKey,
      maxParallel: fields.maxParallel,
      delayMs: fields.delayMs,
      execution,
      lane,
      id: options.runId,
      definitionId,
      workflow: workflow.name,
      source: workflow.source ?? "static",
      owner: workerId,
      inputHash: options.idempotencyKey === undefined ? null : hashInput(text),
      input: text,
      settings: null,
      shape: null,
      traced: options.events ?? false,
      beginsWithMap: workflow.steps.some((step) => step.map !== undefined && step.after.length === 0),
    };
  }

  #define(workflow: AnyWorkflow): Promise<number> {
    const known = this.#definitions.get(workflow.hash);
    if (known) {
      return known;
    }
    const { name, hash, shape, source = "static" } = workflow;
    const id = ensureDefinition(this.#o.driver, { name, hash, shape, source });
    this.#definitions.set(hash, id);
    const [oldest] = this.#definitions.keys();
    if (this.#definitions.size > MAX_DEFINITIONS && oldest !== undefined) {
      this.#definitions.delete(oldest);
    }
    id.catch(() => this.#definitions.delete(hash));
    return id;
  }
}
