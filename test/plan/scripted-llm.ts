import { z } from "zod";
import type { LlmRequest, LlmResult } from "../../src/core/llm.ts";
import { NO_USAGE } from "../../src/core/usage.ts";
import {
  type DecomposeContext,
  defineStep,
  GoalpostError,
  type StepMap,
  silentLogger,
} from "../../src/index.ts";
import { describeSteps } from "../../src/plan/decompose.ts";

export type Answer =
  | string
  | Error
  | { readonly text: string; readonly finishReason: LlmResult["finishReason"] }
  | ((request: LlmRequest) => string | Promise<string>);

/** A ctx whose models say what they are told to say, in turn; it keeps what they were asked. */
export interface ScriptedContext {
  readonly ctx: DecomposeContext;
  readonly requests: LlmRequest[];
}

/** @param pieceChars how many characters are told at once when an answer is streamed */
export async function scriptedContext(
  answers: readonly Answer[],
  given: Partial<DecomposeContext> & { readonly from?: StepMap; readonly pieceChars?: number } = {},
): Promise<ScriptedContext> {
  const { from = STEPS, pieceChars = 7, ...own } = given;
  const requests: LlmRequest[] = [];
  const left = [...answers];
  const llm = async (request: LlmRequest): Promise<LlmResult> => {
    requests.push(request);
    const next = left.shift();
    if (next === undefined) {
      throw new Error("the model was asked more often than expected");
    }
    if (next instanceof Error) {
      throw next;
    }
    const said = typeof next === "function" ? await next(request) : next;
    const { text, finishReason } =
      typeof said === "string" ? { text: said, finishReason: "stop" as const } : said;
    for (let at = 0; at < text.length; at += pieceChars) {
      request.onText?.(text.slice(at, at + pieceChars));
      await new Promise(setImmediate);
    }
    return answerOf(text, finishReason);
  };
  const ctx: DecomposeContext = {
    steps: own.steps ?? (await describeSteps(from)),
    limits: { maxDepth: 5, maxTasks: 10_000, maxWidth: 10_000 },
    depth: 0,
    outputs: {},
    signal: new AbortController().signal,
    log: silentLogger,
    llm: llm as DecomposeContext["llm"],
    ...own,
  };
  return { ctx, requests };
}

function answerOf(text: string, finishReason: LlmResult["finishReason"]): LlmResult {
  return {
    requestId: "r1",
    response: text,
    parsed: null,
    finishReason,
    provider: "scripted",
    model: "scripted-1",
    servedModel: "scripted-1",
    tokensUsed: 0,
    costCents: 0,
    usage: NO_USAGE,
    messages: [{ role: "assistant", content: text }],
    timestamp: "2026-01-01T00:00:00.000Z",
  };
}

/** What ctx.llm throws for an answer that its schema does not allow. */
export function invalidResponse(response: string): GoalpostError {
  return new GoalpostError("RESPONSE_INVALID", "the answer does not fit the schema", {
    details: { response },
  });
}

const never = (): never => {
  throw new Error("not carried out here");
};

/** A small set of steps with and without schemas. */
export const STEPS: StepMap = {
  search: defineStep({
    description: "searches the web",
    args: z.strictObject({ query: z.string(), limit: z.number().int().max(50).optional() }),
    output: z.object({ items: z.array(z.string()), first: z.string() }),
    execute: never,
  }),
  summarize: defineStep({
    description: "sums up a text",
    args: z.object({ text: z.string(), style: z.enum(["short", "long"]).nullish() }),
    output: z.object({ summary: z.string() }),
    execute: never,
  }),
  compare: defineStep({
    description: "compares several things",
    args: z.object({ things: z.array(z.unknown()) }),
    execute: never,
  }),
  fetch: defineStep({
    description: "fetches pages",
    args: z.object({ url: z.string(), headers: z.record(z.string(), z.string()).optional() }),
    execute: never,
  }),
  report: () => null,
};
