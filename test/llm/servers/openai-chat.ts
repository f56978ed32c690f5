import { type Answer, DEFAULT_USAGE, pieces, type SseEvent, type WireFormat } from "./wire-format.ts";

function usageOf({ usage = DEFAULT_USAGE, costUsd }: Answer): Record<string, unknown> {
  return usage === null
    ? {}
    : {
        usage: {
          prompt_tokens: usage.input,
          completion_tokens: usage.output,
          total_tokens: usage.input + usage.output,
          ...(usage.cacheRead === undefined
            ? {}
            : {
                prompt_tokens_details: {
                  cached_tokens: usage.cacheRead,
                  cache_write_tokens: usage.cacheWrite ?? 0,
                },
              }),
          ...(usage.reasoning === undefined
            ? {}
            : { completion_tokens_details: { reasoning_tokens: usage.reasoning } }),
          ...(costUsd === undefined ? {} : { cost: costUsd }),
        },
      };
}

function finishReason({ finish, toolCalls }: Answer): string {
  switch (finish) {
    case "length":
      return "length";
    case "content_filter":
    case "blocked":
      return "content_filter";
    default:
      return toolCalls ? "tool_calls" : "stop";
  }
}

function calls({ toolCalls = [] }: Answer): Record<string, unknown>[] {
  return toolCalls.map(({ id, name, args }, index) => ({
    id: id ?? `call_${index}`,
    type: "function",
    function: { name, arguments: typeof args === "string" ? args : JSON.stringify(args) },
  }));
}

function head({ model = "served-model" }: Answer, object: string): Record<string, unknown> {
  return { id: "chatcmpl_1", object, created: 1_700_000_000, model };
}

function whole(answer: Answer): Record<string, unknown> {
  const { text = "", finish, refusal = "I cannot help with that.", reasoning } = answer;
  const message = {
    role: "assistant",
    content: finish === "refusal" || (text === "" && answer.toolCalls) ? null : text,
    refusal: finish === "refusal" ? refusal : null,
    ...(reasoning ? { reasoning_details: [{ type: "reasoning.encrypted", data: "c2VjcmV0" }] } : {}),
    ...(answer.toolCalls ? { tool_calls: calls(answer) } : {}),
  };
  return {
    ...head(answer, "chat.completion"),
    choices: [{ index: 0, message, finish_reason: finishReason(answer), logprobs: null }],
    ...usageOf(answer),
  };
}

function events(answer: Answer): SseEvent[] {
  const chunk = (delta: unknown, finish_reason: string | null = null): SseEvent => ({
    data: { ...head(answer, "chat.completion.chunk"), choices: [{ index: 0, delta, finish_reason }] },
  });
  const refused = answer.finish === "refusal";
  return [
    chunk({ role: "assistant", content: "" }),
    ...(answer.reasoning
      ? [chunk({ reasoning_details: [{ type: "reasoning.encrypted", data: "c2VjcmV0" }] })]
      : []),
    ...(refused
      ? pieces(answer.refusal ?? "I cannot help with that.").map((refusal) => chunk({ refusal }))
      : pieces(answer.text ?? "").map((content) => chunk({ content }))),
    ...calls(answer).flatMap((call, index) => {
      const fn = call.function as { name: string; arguments: string };
      return [
        chunk({ tool_calls: [{ ...call, index, function: { name: fn.name, arguments: "" } }] }),
        ...pieces(fn.arguments).map((piece) =>
          chunk({ tool_calls: [{ index, function: { arguments: piece } }] }),
        ),
      ];
    }),
    chunk({}, finishReason(answer)),
    ...(answer.usage === null
      ? []
      : [{ data: { ...head(answer, "chat.completion.chunk"), choices: [], ...usageOf(answer) } }]),
  ];
}

/** OpenAI's Chat Completions, as most servers speak them. */
export const openAiChatFormat: WireFormat = {
  path: /^\/v1\/chat\/completions$/,
  isStream: ({ body }) => body.stream === true,
  whole,
  events,
  error: (_, { code = null, message, param = null }) => ({
    error: { message, type: "invalid_request_error", param, code },
  }),
  overloaded: {
    data: { error: { message: "The engine is overloaded", type: "overloaded_error", code: null } },
  },
  end: "data: [DONE]\n\n",
  requestIdHeader: "x-request-id",
};
