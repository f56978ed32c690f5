import { GoalpostError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { LlmMessage, LlmRequest, LlmResult } from "../core/llm.ts";
import type { ModelRequest, ModelResponse } from "../core/model.ts";
import type { LlmCallContext } from "../core/model-calls.ts";
import type { Usage } from "../core/usage.ts";
import { askModels } from "./ask-models.ts";
import { CallTrail, type TrailEnd } from "./call-trail.ts";
import type { Candidate, LlmParts } from "./llm-parts.ts";
import type { CompiledSchema } from "./schemas.ts";
import { parseAnswer, repairTurn, schemaPrompt } from "./structured.ts";
import { UsageTally } from "./token-usage.ts";
import { type CompiledTools, carryOutCalls, fitsTool } from "./tools.ts";

const DEFAULT_OUTPUT_TOKENS = 4096;
/** What a structured answer may have that was cut off at the default. */
const MORE_OUTPUT_TOKENS = 16_384;
const DEFAULT_REPAIRS = 2;
const DEFAULT_TOOL_ROUNDS = 8;
const MAX_RESPONSE_LENGTH = 10_000;
const ISSUES_IN_MESSAGE = 3;

/** A request whose schemas are read. */
export interface CompiledRequest {
  readonly request: LlmRequest;
  readonly schema: CompiledSchema | undefined;
  readonly tools: CompiledTools;
}

/** What a model said, and which one it was; kept as JSON where another turn follows. */
interface Turn extends Pick<ModelResponse, "text" | "toolCalls" | "finishReason" | "native"> {
  readonly provider: string;
  readonly model: string;
  readonly servedModel: string;
}

/** A turn, and where it came from. */
interface Taken {
  readonly turn: Turn;
  readonly ordinal: number;
  readonly recalled: boolean;
}

/** What is made of a turn: the end, with what the schema made of it, or another turn. */
type Verdict = { readonly done: true; readonly parsed: unknown } | { readonly done: false };

const ANOTHER: Verdict = { done: false };

/** Whom a conversation is with, and where it is held. */
export interface ConversationPlace {
  /** The best first. */
  readonly candidates: readonly Candidate[];
  readonly ctx: LlmCallContext;
  /** Of a request that takes several conversations: what all of them used. */
  readonly tally?: UsageTally | undefined;
  /** Tells the turns of these conversations apart. */
  readonly prefix?: string | undefined;
}

/**
 * One request, from the first call to the answer: tools are carried out and answers repaired until the model is done.
 * In a task every turn that is followed by another is remembered, so that what was paid for is not paid again.
 */
export class Conversation {
  readonly #parts: LlmParts;
  readonly #compiled: CompiledRequest;
  readonly #ctx: LlmCallContext;
  readonly #tally: UsageTally;
  readonly #prefix: string;
  /** Which models were asked, and how they did. */
  readonly trail: CallTrail = new CallTrail();
  readonly #added: LlmMessage[] = [];
  /** Those that are asked yet: who has answered is asked on. */
  #candidates: readonly Candidate[];
  #outputTokens: number;
  #turns = 0;
  #rounds = 0;
  #repairs = 0;
  #end: TrailEnd | undefined;

  constructor(parts: LlmParts, compiled: CompiledRequest, place: ConversationPlace) {
    const { candidates, ctx, tally = new UsageTally(), prefix = "" } = place;
    this.#parts = parts;
    this.#compiled = compiled;
    this.#candidates = candidates;
    this.#ctx = ctx;
    this.#tally = tally;
    this.#prefix = prefix;
    this.#outputTokens = compiled.request.maxOutputTokens ?? DEFAULT_OUTPUT_TOKENS;
  }

  /** @throws PROVIDER_ERROR, RESPONSE_REFUSED, RESPONSE_INVALID, BUDGET_EXCEEDED, or the signal's reason */
  async run(): Promise<LlmResult> {
    for (;;) {
      const taken = await this.#take();
      const verdict = await this.#judge(taken);
      if (verdict.done) {
        this.#added.push(toMessage(taken.turn));
        this.#ended(taken.turn, this.#compiled.schema ? true : null);
        return this.#result(taken.turn, verdict.parsed);
      }
    }
  }

  /** How it ended; undefined if no model had the last word. */
  get end(): TrailEnd | undefined {
    return this.#end;
  }

  #ended({ provider, model, finishReason }: Turn, valid: boolean | null): void {
    this.#end = { model: { provider, model }, finishReason, valid };
  }

  async #take(): Promise<Taken> {
    const { task } = this.#ctx;
    const ordinal = this.#turns++;
    const known = task?.recall(this.#turnKey(ordinal)) as unknown as Turn | undefined;
    if (known) {
      const at = this.#candidates.findIndex(
        ({ provider, model }) => provider.name === known.provider && model === known.model,
      );
      this.#candidates = this.#candidates.slice(Math.max(0, at));
      return { turn: known, ordinal, recalled: true };
    }
    const turn = await (task ? task.keepBusy(() => this.#ask()) : this.#ask());
    return { turn, ordinal, recalled: false };
  }

  async #ask(): Promise<Turn> {
    const { response, index } = await askModels(this.#parts, this.#candidates, {
      limits: this.#compiled.request,
      request: (candidate) => this.#requestFor(candidate),
      ctx: this.#ctx,
      tally: this.#tally,
      trail: this.trail,
    });
    this.#candidates = this.#candidates.slice(index);
    const [{ provider, model }] = this.#candidates as [Candidate];
    const { text, toolCalls, finishReason, native } = response;
    return {
      text,
      toolCalls,
      finishReason,
      native,
      provider: provider.name,
      model,
      servedModel: response.model,
    };
  }

  #requestFor({ provider, model }: Candidate): ModelRequest {
    const { request, schema, tools } = this.#compiled;
    const { temperature, effort, stop, seed } = request;
    const enforced = provider.models.structured;
    const messages =
      schema && !enforced ? withSystem(request.messages, schemaPrompt(schema)) : request.messages;
    return {
      model,
      messages: [...messages, ...this.#added],
      ...(schema && enforced && { schema: { name: "answer", json: schema.json } }),
      ...(tools.size > 0 && {
        tools: [...tools.values()].map(({ spec }) => spec),
        ...(this.#rounds >= this.#maxRounds && { toolChoice: "none" as const }),
      }),
      maxOutputTokens: this.#outputTokens,
      ...(temperature !== undefined && { temperature }),
      ...(effort !== undefined && { effort }),
      ...(stop !== undefined && { stop }),
      ...(seed !== undefined && { seed }),
    };
  }

  get #maxRounds(): number {
    return this.#compiled.request.maxToolRounds ?? DEFAULT_TOOL_ROUNDS;
  }

  async #judge(taken: Taken): Promise<Verdict> {
    const { turn } = taken;
    const { tools, schema } = this.#compiled;
    if (tools.size > 0 && turn.toolCalls.length > 0 && turn.finishReason !== "length") {
      await this.#useTools(taken);
      return ANOTHER;
    }
    if (!schema) {
      return { done: true, parsed: null };
    }
    const parsed = await parseAnswer(turn.text, schema);
    if ("value" in parsed) {
      return { done: true, parsed: parsed.value };
    }
    if (turn.finishReason === "length") {
      await this.#allowMore(taken);
    } else {
      await this.#repair(taken, parsed.problems);
    }
    return ANOTHER;
  }

  async #useTools(taken: Taken): Promise<void> {
    const { turn, ordinal } = taken;
    if (this.#rounds > this.#maxRounds) {
      throw new GoalpostError(
        "RESPONSE_INVALID",
        `${nameOf(turn)} asks for tools after ${this.#maxRounds} rounds of them, and gives no answer; raise maxToolRounds`,
        { details: { ...detailsOf(turn), tools: turn.toolCalls.map(({ name }) => name) } },
      );
    }
    await this.#keep(taken);
    await this.#countTools(turn);
    const results =
      this.#rounds === this.#maxRounds
        ? turn.toolCalls.map(({ id }) => refuse(id))
        : await carryOutCalls(this.#parts, {
            calls: turn.toolCalls,
            tools: this.#compiled.tools,
            turn: ordinal,
            prefix: this.#prefix,
            ctx: this.#ctx,
          });
    this.#rounds += 1;
    this.#added.push(toMessage(turn), ...results);
  }

  /** An answer that was cut off at our own limit gets one more chance; a limit of the caller's is the caller's. */
  async #allowMore(taken: Taken): Promise<void> {
    const limit = this.#outputTokens;
    if (this.#compiled.request.maxOutputTokens !== undefined || limit !== DEFAULT_OUTPUT_TOKENS) {
      this.#ended(taken.turn, false);
      throw new GoalpostError(
        "RESPONSE_INVALID",
        `the answer of ${nameOf(taken.turn)} was cut off at ${limit} tokens; raise maxOutputTokens`,
        { details: detailsOf(taken.turn) },
      );
    }
    await this.#keep(taken);
    this.#outputTokens = MORE_OUTPUT_TOKENS;
  }

  async #repair(taken: Taken, problems: readonly string[]): Promise<void> {
    if (this.#repairs >= (this.#compiled.request.maxRepairs ?? DEFAULT_REPAIRS)) {
      this.#ended(taken.turn, false);
      throw invalid(taken.turn, problems, this.#repairs);
    }
    this.trail.repaired(taken.turn);
    await this.#keep(taken);
    this.#repairs += 1;
    this.#added.push(toMessage(taken.turn), { role: "user", content: repairTurn(problems) });
  }

  async #keep({ turn, ordinal, recalled }: Taken): Promise<void> {
    if (!recalled) {
      await this.#ctx.task?.remember(this.#turnKey(ordinal), turn);
    }
  }

  #turnKey(ordinal: number): string {
    return `${this.#prefix}turn/${ordinal}`;
  }

  async #countTools(turn: Turn): Promise<void> {
    const { tools } = this.#compiled;
    const fits = await Promise.all(turn.toolCalls.map((call) => fitsTool(call, tools)));
    const good = fits.filter(Boolean).length;
    this.trail.usedTools(turn, { good, bad: fits.length - good });
  }

  async #result(turn: Turn, parsed: unknown): Promise<LlmResult> {
    const usage = await this.#usage();
    const { provider, model, servedModel, finishReason } = turn;
    return {
      requestId: this.#ctx.requestId,
      response: turn.text,
      parsed,
      finishReason,
      provider,
      model,
      servedModel,
      tokensUsed: usage.inputTokens + usage.outputTokens,
      costCents: usage.costUsd === null ? null : Math.round(usage.costUsd * 1e9) / 1e7,
      usage,
      messages: this.#added,
      timestamp: new Date(this.#parts.clock.now()).toISOString(),
    };
  }

  /** The ledger knows of calls that another process made for this request. */
  async #usage(): Promise<Usage> {
    if (this.#ctx.resumed) {
      try {
        return await this.#parts.ledger.usageOf(this.#ctx.requestId);
      } catch (error) {
        this.#parts.logger.warn({ error: String(error) }, "the usage of a request could not be read");
      }
    }
    return this.#tally.usage;
  }
}

function withSystem(messages: readonly LlmMessage[], text: string): readonly LlmMessage[] {
  const [first, ...rest] = messages;
  return first?.role === "system"
    ? [{ ...first, content: `${first.content}\n\n${text}` }, ...rest]
    : [{ role: "system", content: text }, ...messages];
}

function toMessage({ text, toolCalls, native, provider }: Turn): LlmMessage {
  return {
    role: "assistant",
    content: text,
    ...(toolCalls.length > 0 && { toolCalls }),
    ...(native !== null && { native: { provider, items: native } }),
  };
}

function refuse(toolCallId: string): LlmMessage {
  const content = "no more tools can be used: answer now with what is known";
  return { role: "tool", content, toolCallId, isError: true };
}

function nameOf({ provider, model }: Turn): string {
  return `${provider} ${model}`;
}

function detailsOf({ provider, model, finishReason, text }: Turn): Record<string, Json> {
  return { provider, model, finishReason, response: text.slice(0, MAX_RESPONSE_LENGTH) };
}

/** No answer of the model fits. */
export function invalid(turn: Turn, problems: readonly string[], repairs: number): GoalpostError {
  const more = problems.length - ISSUES_IN_MESSAGE;
  const list = `${problems.slice(0, ISSUES_IN_MESSAGE).join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
  const after = repairs === 0 ? "" : ` after ${repairs === 1 ? "1 repair" : `${repairs} repairs`}`;
  return new GoalpostError(
    "RESPONSE_INVALID",
    `the answer of ${nameOf(turn)} does not fit the schema${after}: ${list}. Its text is in details.response.`,
    { details: { ...detailsOf(turn), problems, repairs } },
  );
}
