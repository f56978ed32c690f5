import { v7 as newId } from "uuid";
import { checkFields } from "./core/budget.ts";
import type { Driver } from "./core/driver.ts";
import { GoalpostError } from "./core/errors.ts";
import { isObject, isStorableText } from "./core/json.ts";
import type { LlmResult } from "./core/llm.ts";
import { check } from "./core/policy.ts";
import type { LlmClient } from "./llm-client.ts";
import {
  LLM_REQUEST_WORKFLOW,
  LlmRequest,
  type LlmRequestInput,
  type LlmRequestOutput,
  toRequest,
} from "./llm-request.ts";
import type { StartOptions } from "./options.ts";
import type { RouteReport } from "./route-report.ts";
import { toRunResult } from "./run-result.ts";
import type { RunWatch, WaitOptions } from "./run-watch.ts";
import { findByKey } from "./store/keyed-runs.ts";
import { isUuid } from "./store/runs.ts";
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

/** What a person thinks of an answer. */
export interface Feedback {
  /** 0: useless, to 1: just right. */
  readonly score: number;
  /** Kept with it, at most 2,000 characters. */
  readonly note?: string | undefined;
}

const MAX_NOTE_LENGTH = 2000;

export interface LlmCallsOptions {
  readonly driver: Driver;
  readonly watch: RunWatch;
  readonly takeOver: TakeOver;
  readonly workflows: WorkflowRuns;
  readonly models: LlmClient;
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
    return this.#o.models.ask(request, options);
  }

  /**
   * Stores a request as a run of the workflow {@link LlmRequest} and returns its id. A request whose id is there already
   * is the same one: it is not asked twice.
   * @throws INVALID_INPUT; INVALID_STATE if another request has the id
   */
  async enqueue(request: LlmRequestInput, options: EnqueueOptions = {}): Promise<string> {
    refuseFunctions(request);
    await this.#o.models.prepare(await toRequest(request));
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

  /**
   * Tells how good an answer was; `llm.routing: "learned"` goes by it. It counts in place of what its schema or a verifier
   * said, and of what was told before: the last one wins.
   * @param id the `requestId` of a result, that of a request that was enqueued, or the id of a call in the ledger
   * @throws INVALID_INPUT; RUN_NOT_FOUND if nothing has the id; INVALID_STATE if it has no answer
   */
  async feedback(id: string, feedback: Feedback): Promise<void> {
    checkFields({ ...feedback }, ["score", "note"], "the feedback");
    checkFeedback(id, feedback);
    const { driver, models } = this.#o;
    const run = await findByKey(driver, LLM_REQUEST_WORKFLOW, id);
    const { score, note = null } = feedback;
    const rated = await models.routes.rate({ id, runId: run?.id ?? (isUuid(id) ? id : null), score, note });
    if (rated.outcome === "unknown") {
      throw new GoalpostError(
        "RUN_NOT_FOUND",
        `no request and no call of a model in this database is "${id}"`,
      );
    }
    if (rated.outcome === "unanswered") {
      throw new GoalpostError("INVALID_STATE", `request or call "${id}" has no answer that could be rated`);
    }
  }

  /**
   * How requests with `model: "auto"` are given to models, by kind of work, and why: what is known of each model, how likely
   * it is chosen, and what speaks against it.
   * @throws INVALID_INPUT
   */
  async routes({ kind }: { readonly kind?: string | undefined } = {}): Promise<RouteReport[]> {
    if (kind !== undefined && (!isStorableText(kind) || kind === "")) {
      throw new GoalpostError(
        "INVALID_INPUT",
        "kind must be a text that is not empty: a taskType, or step:NAME",
      );
    }
    const { models } = this.#o;
    const [parts, stats, { reportRoutes }] = await Promise.all([
      models.parts(),
      models.routes.stats(kind ?? null),
      import("./route-report.ts"),
    ]);
    const kinds = kind === undefined ? [...new Set(stats.map((one) => one.kind))] : [kind];
    return reportRoutes(parts, stats, kinds);
  }
}

/** @throws INVALID_INPUT */
function checkFeedback(id: unknown, { score, note }: Feedback): void {
  if (typeof id !== "string" || !isStorableText(id) || id.length === 0) {
    throw new GoalpostError("INVALID_INPUT", "the id of a request or call must be a text that is not empty");
  }
  if (score === undefined) {
    throw new GoalpostError("INVALID_INPUT", "score is missing; it must be a number from 0 to 1");
  }
  check(score, { what: "score", least: 0, most: 1 });
  if (note !== undefined && !(isStorableText(note) && note.length <= MAX_NOTE_LENGTH)) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `note must be a text of at most ${MAX_NOTE_LENGTH} characters without zero characters`,
    );
  }
}

/** @throws INVALID_INPUT for what cannot be stored */
function refuseFunctions(request: object): void {
  const given = request as Readonly<Record<string, unknown>>;
  const field = ["tools", "maxToolRounds", "onText", "cascade"].find((name) => given[name] !== undefined);
  if (field !== undefined) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `${field} cannot be enqueued: functions, and what needs them, are not stored. Ask with gp.llm.request, or with ctx.llm in a step`,
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
