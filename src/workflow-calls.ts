import { v7 as newId } from "uuid";
import type { FlowFunctions, FlowRef } from "./core/flow.ts";
import type { Workflow } from "./core/workflow.ts";
import { FlowRuns } from "./flow-runs.ts";
import type { StartOptions } from "./options.ts";
import { type FlowResult, type RunHandle, type RunResult, toRunResult } from "./run-result.ts";
import { type StartAndWaitParts, startAndWait } from "./start-and-wait.ts";

/** A flow and what carries it out. */
export interface FlowCall {
  readonly flow: FlowRef;
  readonly input: unknown;
  readonly steps: FlowFunctions;
}

/** Starts runs of workflows and flows, and waits for them. */
export class WorkflowCalls {
  readonly #o: StartAndWaitParts;
  readonly #flows: FlowRuns;

  constructor(options: StartAndWaitParts) {
    this.#o = options;
    this.#flows = new FlowRuns(options.driver);
  }

  execute<I, O>(
    workflow: Workflow<I, O>,
    input: NoInfer<I>,
    options: StartOptions = {},
  ): Promise<RunResult<O>> {
    return startAndWait(this.#o, { workflow, input }, options);
  }

  async start<I, O>(
    workflow: Workflow<I, O>,
    input: NoInfer<I>,
    options: StartOptions = {},
  ): Promise<RunHandle<RunResult<O>>> {
    const { driver, watch, runs, workflows } = this.#o;
    const { runId, attached } = await workflows.start(workflow, input, { ...options, runId: newId() });
    return {
      runId,
      attached,
      result: async (wait) => toRunResult<O>(driver, await watch.waitFor(runId, wait)),
      progress: () => runs.progress(runId),
      events: (from) => runs.events(runId, from),
      cancel: (reason) => runs.cancel(runId, { reason }),
    };
  }

  async executeFlow({ flow, input, steps }: FlowCall, options: StartOptions = {}): Promise<FlowResult> {
    const prepared = await this.#flows.prepare(flow, steps, options);
    return this.execute(prepared.workflow, input, prepared.options);
  }

  async startFlow(
    { flow, input, steps }: FlowCall,
    options: StartOptions = {},
  ): Promise<RunHandle<FlowResult>> {
    const prepared = await this.#flows.prepare(flow, steps, options);
    return this.start(prepared.workflow, input, prepared.options);
  }
}
