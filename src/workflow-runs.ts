import type { CodeRegistry } from "./code-registry.ts";
import type { Driver } from "./core/driver.ts";
import { GoalpostError } from "./core/errors.ts";
import type { AnyWorkflow } from "./core/workflow.ts";
import type { Worker } from "./engine/worker.ts";
import { checkStartOptions, inputToJson, type StartOptions } from "./options.ts";
import { ensureDefinition } from "./store/definitions.ts";

/** Ids of definitions that are remembered: flows can be made without end. */
const MAX_DEFINITIONS = 1000;

export interface WorkflowRunsOptions {
  readonly driver: Driver;
  readonly registry: CodeRegistry;
  readonly worker: Worker;
  readonly workerId: string;
  readonly lane: string;
}

/** Starts the runs of workflows in code. */
export class WorkflowRuns {
  readonly #o: WorkflowRunsOptions;
  readonly #definitions = new Map<string, Promise<number>>();

  constructor(options: WorkflowRunsOptions) {
    this.#o = options;
  }

  /** Stores a run. @throws INVALID_INPUT */
  async start(
    workflow: AnyWorkflow,
    input: unknown,
    options: StartOptions & { readonly runId: string },
  ): Promise<void> {
    checkStartOptions(options);
    if (workflow.steps.length === 0) {
      throw new GoalpostError(
        "INVALID_INPUT",
        `workflow "${workflow.name}" has no steps; add one with .step(name, fn)`,
      );
    }
    const text = inputToJson(input, `the input of workflow "${workflow.name}" is`);
    const definitionId = await this.#define(workflow);
    const { registry, worker, workerId, lane } = this.#o;
    registry.bind(options.runId, { workflow });
    try {
      await worker.submit({
        id: options.runId,
        definitionId,
        workflow: workflow.name,
        source: workflow.source ?? "static",
        execution: "local",
        lane,
        priority: options.priority ?? 0,
        owner: workerId,
        inputHash: null,
        deadlineMs: options.deadlineMs ?? null,
        labels: options.labels ?? null,
        input: text,
        settings: null,
        shape: null,
      });
    } catch (error) {
      registry.release(options.runId);
      throw error;
    }
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
