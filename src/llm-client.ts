import { setMaxListeners } from "node:events";
import { v7 as newId } from "uuid";
import type { Clock } from "./core/clock.ts";
import type { EmbedOptions } from "./core/embed-options.ts";
import type { Embedded } from "./core/embedding.ts";
import { GoalpostError } from "./core/errors.ts";
import type { LlmRequest, LlmResult } from "./core/llm.ts";
import type { LlmOptions } from "./core/llm-options.ts";
import type { Logger } from "./core/logger.ts";
import type {
  LlmCallContext,
  ModelCalls,
  PreparedRequest,
  TextsToEmbed,
  UsualModel,
} from "./core/model-calls.ts";
import type { EmbedModels } from "./embed-models.ts";
import type { LlmParts } from "./llm/llm-parts.ts";
import { checkRouting } from "./llm/routing-options.ts";
import { Settlements } from "./llm/settlements.ts";
import type { LlmBackends } from "./llm-backends.ts";
import type { ModelRoutes } from "./model-routes.ts";

export interface LlmClientOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The name of the instance. */
  readonly name: string;
  readonly llm: LlmOptions;
  readonly embed: EmbedOptions;
  readonly backends: LlmBackends;
}

/** Of a request that is made outside of tasks. */
export interface AskOptions {
  readonly workflow?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Calls models for a client. Nothing is loaded before the first request. */
export class LlmClient implements ModelCalls {
  readonly #o: LlmClientOptions;
  readonly #settlements: Settlements;
  /** Of requests outside of tasks; tasks are aborted by their workers. */
  readonly #underWay = new Map<AbortController, Promise<unknown>>();
  #parts: Promise<LlmParts> | undefined;
  #embedModels: Promise<EmbedModels> | undefined;
  #closed = false;

  /** @throws INVALID_INPUT if llm.routing makes no sense */
  constructor(options: LlmClientOptions) {
    checkRouting(options.llm.routing, "llm.routing");
    this.#o = options;
    this.#settlements = new Settlements({ ...options, ledger: options.backends.ledger });
  }

  /** What is known of models. */
  get routes(): ModelRoutes {
    return this.#o.backends.routes;
  }

  /** What models are called with. */
  parts(): Promise<LlmParts> {
    this.#parts ??= this.#open();
    return this.#parts;
  }

  get instance(): string {
    return this.#o.name;
  }

  async prepare<T>(request: LlmRequest<T>): Promise<PreparedRequest<T>> {
    const [parts, { prepareRequest }] = await Promise.all([this.parts(), import("./llm/llm-caller.ts")]);
    return prepareRequest(parts, request);
  }

  async usual(): Promise<UsualModel> {
    try {
      const [parts, { usualModel }] = await Promise.all([this.parts(), import("./llm/choose-models.ts")]);
      return usualModel(parts);
    } catch (error) {
      // A plan that asks no models needs none; who asks is told.
      this.#o.logger.debug({ error: String(error) }, "there is no usual model");
      return { model: null, choices: [], isLearned: false };
    }
  }

  async embed(texts: TextsToEmbed, ctx: LlmCallContext): Promise<Embedded> {
    const llm = await this.parts();
    this.#embedModels ??= import("./embed-models.ts").then(
      ({ EmbedModels }) => new EmbedModels(this.#o.embed, llm.providers),
    );
    const [models, { embedWith }] = await Promise.all([this.#embedModels, import("./embed-calls.ts")]);
    return embedWith({ llm, model: models.find(texts.model) }, texts, ctx);
  }

  /** Asks outside of tasks: nothing is remembered. */
  ask<T>(request: LlmRequest<T>, options: AskOptions = {}): Promise<LlmResult<T>> {
    return this.#apart(options, async (ctx) => (await this.prepare(request)).ask(ctx));
  }

  /** Embeds outside of tasks: nothing is remembered. */
  embedApart(texts: TextsToEmbed, options: AskOptions = {}): Promise<Embedded> {
    return this.#apart(options, (ctx) => this.embed(texts, ctx));
  }

  /** Does work outside of tasks, until the client is closed. */
  async #apart<T>(options: AskOptions, work: (ctx: LlmCallContext) => Promise<T>): Promise<T> {
    this.#refuseWhenClosed();
    options.signal?.throwIfAborted();
    const abort = new AbortController();
    setMaxListeners(0, abort.signal, ...(options.signal ? [options.signal] : []));
    const forward = (): void => abort.abort(options.signal?.reason);
    options.signal?.addEventListener("abort", forward, { once: true });
    const asked = work(this.#contextOf(options, abort.signal));
    this.#underWay.set(abort, asked);
    try {
      return await asked;
    } finally {
      this.#underWay.delete(abort);
      options.signal?.removeEventListener("abort", forward);
    }
  }

  /** Aborts what is under way outside of tasks, and brings into the ledger what can be. */
  async close(): Promise<void> {
    this.#closed = true;
    const asked = [...this.#underWay];
    for (const [abort] of asked) {
      abort.abort(new GoalpostError("CLOSED", "the client was closed before the model had answered"));
    }
    await Promise.allSettled(asked.map(([, promise]) => promise));
    await this.#embedModels?.then((models) => models.close());
    await this.#settlements.close();
    await this.#o.backends.routes.close();
  }

  #contextOf({ workflow, labels }: AskOptions, signal: AbortSignal): LlmCallContext {
    const none = { runId: null, position: null, taskId: null, item: null };
    return {
      requestId: newId(),
      scope: {
        ...none,
        workflow: workflow ?? null,
        attempt: 1,
        instance: this.instance,
        labels: labels ?? null,
      },
      signal,
      deadlineAt: null,
      resumed: false,
      task: null,
    };
  }

  async #open(): Promise<LlmParts> {
    const { clock, logger, llm, backends } = this.#o;
    try {
      const [providers, prices] = await Promise.all([backends.providers(), backends.prices()]);
      const { ledger, routes: routing } = backends;
      const settlements = this.#settlements;
      const book = { ledger, prices, settlements, routing };
      return { clock, logger, ...book, providers, options: llm, random: Math.random };
    } catch (error) {
      // What was missing may be there the next time.
      this.#parts = undefined;
      throw error;
    }
  }

  #refuseWhenClosed(): void {
    if (this.#closed) {
      throw new GoalpostError("CLOSED", "this client is closed; open another one with Goalpost.open()");
    }
  }
}
