import { v7 as newId } from "uuid";
import type { Driver } from "./core/driver.ts";
import { GoalpostError } from "./core/errors.ts";
import { isObject } from "./core/json.ts";
import type { LlmResult } from "./core/llm.ts";
import type { LlmClient } from "./llm-client.ts";
import {
  LLM_REQUEST_WORKFLOW,
  LlmRequest,
  type LlmRequestInput,
  type LlmRequestOutput,
  toRequest,
} from "./llm-request.ts";
import type { StartOptions } from "./options.ts";
import { toRunResult } from "./run-result.ts";
import type { RunWatch, WaitOptions } from "./run-watch.ts";
import { findByKey } from "./store/keyed-runs.ts";
import type { TakeOver } from "./take-over.ts";
import type { WorkflowRuns } from "./workflow-runs.ts";

/** How a model is asked outside of runs. */
export interface LlmAskOptions {
  /** What the cost is counted under. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How a request is stored to be carried out. */
export type EnqueueOptions = Omit<StartOptions, "idempotencyKey" | "signal">;

export interface LlmCallsOptions {
  readonly driver: Driver;
  readonly watch: RunWatch;
  readonly takeOver: TakeOver;
  readonly workflows: WorkflowRuns;
  readonly client: LlmClient;
}

/** Models, asked from outside of steps; in a step, use `ctx.llm`. */
export class LlmCalls {
  readonly #o: LlmCallsOptions;

  constructor(options: LlmCallsOptions) {
    this.#o = options;
  }

  /**
   * Asks a model and waits for the answer. It is on the ledger, but belongs to no run: if the process dies, the answer
   * is lost; see {@link enqueue}.
   * @throws INVALID_INPUT, NO_PROVIDER, PROVIDER_ERROR, RESPONSE_INVALID, RESPONSE_REFUSED, BUDGET_EXCEEDED, CLOSED, or
   * the signal's reason
   */
  request<T = null>(request: LlmRequest<T>, options: LlmAskOptions = {}): Promise<LlmResult<T>> {
    return this.#o.client.ask(request, options);
  }

  /**
   * Stores a request as a run of the workflow {@link LlmRequest} and returns its id. A request whose id is there already
   * is the same one: it is not asked twice.
   * @throws INVALID_INPUT; INVALID_STATE if another request has the id
   */
  async enqueue(request: LlmRequestInput, options: EnqueueOptions = {}): Promise<string> {
    refuseFunctions(request);
    await this.#o.client.prepare(await toRequest(request));
    const requestId = request.requestId ?? newId();
    const start = { ...options, runId: newId(), idempotencyKey: requestId };
    await this.#o.workflows.start(LlmRequest, { ...request, requestId }, start);
    return requestId;
  }

  /**
   * Waits for the result of a request that was enqueued, by any instance. If the one that carried it out is gone, this
   * one goes on with it.
   * @throws RUN_NOT_FOUND, RunFailedError; WAIT_TIMEOUT, CLOSED, or the signal's reason
   */
  async result(requestId: string, options: WaitOptions = {}): Promise<LlmRequestOutput> {
    const { driver, takeOver, watch } = this.#o;
    const run =
      typeof requestId === "string" ? await findByKey(driver, LLM_REQUEST_WORKFLOW, requestId) : undefined;
    if (!run) {
      throw new GoalpostError("RUN_NOT_FOUND", `no request "${requestId}" was enqueued in this database`);
    }
    await takeOver.follow(run.id, { workflow: LlmRequest });
    const finished = await watch.waitFor(run.id, options);
    const { output } = await toRunResult<{ readonly publish_result: LlmRequestOutput }>(driver, finished);
    return output.publish_result;
  }
}

/** @throws INVALID_INPUT for what cannot be stored */
function refuseFunctions(request: object): void {
  const given = request as Readonly<Record<string, unknown>>;
  const field = ["tools", "maxToolRounds", "onText"].find((name) => given[name] !== undefined);
  if (field !== undefined) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `${field} cannot be enqueued: functions are not stored. Ask with gp.llm.request, or with ctx.llm in a step`,
    );
  }
  // What zod writes as JSON Schema has a hidden "~standard", too.
  if (isObject(given.schema) && ("_zod" in given.schema || Object.keys(given.schema).includes("~standard"))) {
    throw new GoalpostError(
      "INVALID_INPUT",
      'the schema of an enqueued request must be JSON Schema; give z.toJSONSchema(schema, { io: "input" })',
    );
  }
}
