import { isGoalpostError } from "../../core/errors.ts";
import {
  type ModelCallContext,
  ModelError,
  type ModelRequest,
  type ModelResponse,
  type TokenUsage,
} from "../../core/model.ts";
import { estimateUsage } from "../estimate.ts";
import { cutShort, type FailedCall, fromErrorBody, malformed, toModelError } from "../model-errors.ts";
import { type Endpoint, secretsOf } from "./endpoint.ts";
import { sumUsage } from "./usage.ts";

/** Longer timers overflow and fire at once. */
const MAX_TIMEOUT_MS = 2_147_483_647;
/** Node's own fetch gives up after 300 s without a byte; a streamed answer sends some earlier. */
const LONGEST_SILENCE_MS = 290_000;

/** One call of a model, from the request to the answer or the error. */
export class Call {
  readonly endpoint: Endpoint;
  readonly request: ModelRequest;
  readonly timeoutMs: number;
  readonly callId: string;
  /** The caller's signal and the deadline in one. */
  readonly signal: AbortSignal;
  /** The answer comes piece by piece: because somebody listens, or because it may take long. */
  readonly streamed: boolean;
  readonly #ctx: ModelCallContext;
  readonly #ender = new AbortController();
  #endedBy: "caller" | "timer" | null = null;
  #closed = false;
  #headers: Headers | null = null;
  #begun = false;
  #told: TokenUsage | null = null;
  /** What was told is of the beginning of the answer only. */
  #partial = false;
  /** Of the hops before this one. */
  #before: TokenUsage | null = null;
  #written = "";

  constructor(endpoint: Endpoint, request: ModelRequest, ctx: ModelCallContext) {
    this.endpoint = endpoint;
    this.request = request;
    this.timeoutMs = Math.min(Math.max(Math.ceil(ctx.timeoutMs), 1), MAX_TIMEOUT_MS);
    this.callId = ctx.callId;
    this.signal = this.#ender.signal;
    this.streamed = ctx.onText !== undefined || this.timeoutMs > LONGEST_SILENCE_MS;
    this.#ctx = ctx;
  }

  /** Carries it out. @throws ModelError, and NO_PROVIDER if the SDK is not installed */
  async run(carryOut: (call: Call) => Promise<ModelResponse>): Promise<ModelResponse> {
    const { signal } = this.#ctx;
    if (signal.aborted) {
      throw new ModelError("aborted", `the call of ${this.endpoint.provider} was aborted before it began`);
    }
    const onAbort = (): void => this.#end("caller");
    const timer = setTimeout(() => this.#end("timer"), this.timeoutMs);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await this.#raceTheEnd(carryOut(this));
    } catch (error) {
      this.#tellWhatIsKnown();
      throw isGoalpostError(error) ? error : toModelError(error, this.failure);
    } finally {
      this.#closed = true;
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** An SDK may overlook a signal; nobody waits for it then. */
  #raceTheEnd(work: Promise<ModelResponse>): Promise<ModelResponse> {
    return new Promise((resolve, reject) => {
      this.signal.addEventListener("abort", () => reject(this.signal.reason), { once: true });
      work.then(resolve, reject);
    });
  }

  #end(by: "caller" | "timer"): void {
    this.#endedBy ??= by;
    this.#ender.abort();
  }

  /** An answer begins to arrive. */
  begin(headers: Headers | null): void {
    this.#headers = headers;
    this.#begun = true;
  }

  /** Of an answer that is an error. */
  noteHeaders(headers: Headers): void {
    this.#headers = headers;
  }

  get headers(): Headers | null {
    return this.#headers;
  }

  /** A piece of the answer's text. */
  write(piece: string): void {
    if (piece !== "" && !this.#closed) {
      this.#written += piece;
      this.#ctx.onText?.(piece);
    }
  }

  /** The answer was to be streamed, and came in one piece. */
  tellWhole(response: ModelResponse): ModelResponse {
    this.write(response.text);
    return response;
  }

  /** Something that was written but is not told: reasoning, args of tools. It counts where usage is estimated. */
  writeUntold(piece: string): void {
    this.#written += piece;
  }

  /**
   * What the provider says this call (or hop) has used; null: nothing.
   * @param partial it was said at the beginning, before the output was counted
   */
  tell(usage: TokenUsage | null, partial = false): void {
    if (usage && !this.#closed) {
      this.#told = usage;
      this.#partial = partial;
      this.#ctx.onUsage(sumUsage(this.#before, usage) ?? usage);
    }
  }

  /** The answer is whole. If the provider never said what it used, an estimate is told. */
  complete(output: string): TokenUsage | null {
    if (this.#told) {
      return sumUsage(this.#before, this.#told);
    }
    const estimate = estimateUsage(this.request, output || this.#written);
    this.#ctx.onUsage(sumUsage(this.#before, estimate) ?? estimate);
    return null;
  }

  /** The provider wants to be called again to go on: what was used counts, and a new count begins. */
  nextHop(output: string): void {
    this.#before = sumUsage(this.#before, this.#told ?? estimateUsage(this.request, output));
    this.#told = null;
    this.#written = "";
    this.#begun = false;
  }

  /**
   * Of a call that failed in the middle of its answer: what the provider said, and what was seen of the answer.
   * Nothing is told if nothing was seen: an estimate of nothing would be worse than what was reserved.
   */
  #tellWhatIsKnown(): void {
    const seen = this.#written === "" ? null : estimateUsage(this.request, this.#written);
    const now =
      this.#told && this.#partial && seen
        ? {
            ...this.#told,
            outputTokens: Math.max(this.#told.outputTokens, seen.outputTokens),
            estimated: true,
          }
        : (this.#told ?? seen);
    const all = sumUsage(this.#before, now);
    if (all) {
      this.#ctx.onUsage(all);
    }
  }

  /** What is known for an error. */
  get failure(): FailedCall {
    return {
      provider: this.endpoint.provider,
      model: this.request.model,
      aborted: this.#endedBy === "caller",
      timedOut: this.#endedBy === "timer",
      timeoutMs: this.timeoutMs,
      begun: this.#begun,
      headers: this.#headers,
      secrets: secretsOf(this.endpoint),
    };
  }

  malformed(what: string): ModelError {
    return malformed(what, this.failure);
  }

  cutShort(): ModelError {
    return cutShort(this.failure);
  }

  /** The provider's answer is an error, whatever its status says. */
  refusedBy(body: unknown): ModelError {
    return fromErrorBody(body, this.failure);
  }
}
