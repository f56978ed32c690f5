import type { ModelRequest, ModelResponse, TokenUsage } from "../core/model.ts";

const CHARACTERS_PER_TOKEN = 4;

function count(texts: readonly string[]): number {
  const characters = texts.reduce((sum, text) => sum + text.length, 0);
  return Math.max(1, Math.ceil(characters / CHARACTERS_PER_TOKEN));
}

/** What a call uses, counted from its texts: the same for the same call, on every machine. */
export function countTokens(
  request: ModelRequest,
  answer: Pick<ModelResponse, "text" | "toolCalls">,
): TokenUsage {
  const asked = [
    ...request.messages.map(({ content }) => content),
    ...request.messages.flatMap(({ toolCalls = [] }) => toolCalls.map(({ args }) => JSON.stringify(args))),
    ...(request.tools ?? []).map((tool) => JSON.stringify(tool)),
    request.schema ? JSON.stringify(request.schema.json) : "",
  ];
  const answered = [answer.text, ...answer.toolCalls.map(({ name, args }) => name + JSON.stringify(args))];
  return {
    inputTokens: count(asked),
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    cacheWrite1hTokens: 0,
    outputTokens: count(answered),
    reasoningTokens: 0,
    estimated: false,
  };
}
