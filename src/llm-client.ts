import { setMaxListeners } from "node:events";
import { v7 as newId } from "uuid";
import type { Clock } from "./core/clock.ts";
import { GoalpostError } from "./core/errors.ts";
import type { LlmRequest, LlmResult } from "./core/llm.ts";
import type { LlmOptions } from "./core/llm-options.ts";
import type { Logger } from "./core/logger.ts";
import type { ModelCalls, PreparedRequest } from "./core/model-calls.ts";
import type { LlmParts } from "./llm/llm-parts.ts";
import { Settlements } from "./llm/settlements.ts";
import type { LlmBackends } from "./llm-backends.ts";

export interface LlmClientOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The name of the instance. */
  readonly name: string;
  readonly llm: LlmOptions;
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
  #closed = false;

  constructor(options: LlmClientOptions) {
    this.#o = options;
    this.#settlements = new Settlements({ ...options, ledger: options.backends.ledger });
  }

  get instance(): string {
    return this.#o.name;
  }

  async prepare<T>(request: LlmRequest<T>): Promise<PreparedRequest<T>> {
    this.#parts ??= this.#open();
    const [parts, { prepareRequest }] = await Promise.all([this.#parts, import("./llm/llm-caller.ts")]);
    return prepareRequest(parts, request);
  }

  /** Asks outside of tasks: nothing is remembered. */
  async ask<T>(request: LlmRequest<T>, options: AskOptions = {}): Promise<LlmResult<T>> {
    this.#refuseWhenClosed();
    options.signal?.throwIfAborted();
    const abort = new AbortController();
    setMaxListeners(0, abort.signal, ...(options.signal ? [options.signal] : []));
    const forward = (): void => abort.abort(options.signal?.reason);
    options.signal?.addEventListener("abort", forward, { once: true });
    const asked = this.#ask(request, { ...options, signal: abort.signal });
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
    await this.#settlements.close();
  }

  async #ask<T>(
    request: LlmRequest<T>,
    options: AskOptions & { signal: AbortSignal },
  ): Promise<LlmResult<T>> {
    const prepared = await this.prepare(request);
    const { workflow = null, labels = null, signal } = options;
    const none = { runId: null, position: null, taskId: null, item: null };
    return prepared.ask({
      requestId: newId(),
      scope: { ...none, workflow, attempt: 1, instance: this.instance, labels },
      signal,
      deadlineAt: null,
      resumed: false,
      task: null,
    });
  }

  async #open(): Promise<LlmParts> {
    const { clock, logger, llm, backends } = this.#o;
    try {
      const [providers, prices] = await Promise.all([backends.providers(), backends.prices()]);
      const { ledger } = backends;
      const settlements = this.#settlements;
      return { clock, logger, ledger, prices, settlements, providers, options: llm, random: Math.random };
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
