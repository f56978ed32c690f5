import { type Answer, DEFAULT_USAGE, pieces, type SseEvent, type WireFormat } from "./wire-format.ts";

function usageOf({ usage = DEFAULT_USAGE, costUsd }: Answer): Record<string, unknown> {
  return usage === null
    ? {}
    : {
        usage: {
          input_tokens: usage.input,
          input_tokens_details: {
            cached_tokens: usage.cacheRead ?? 0,
            cache_write_tokens: usage.cacheWrite ?? 0,
          },
          output_tokens: usage.output,
          output_tokens_details: { reasoning_tokens: usage.reasoning ?? 0 },
          total_tokens: usage.input + usage.output,
          ...(costUsd === undefined ? {} : { cost: costUsd }),
        },
      };
}

function output(answer: Answer): Record<string, unknown>[] {
  const { text = "", toolCalls = [], finish, refusal = "I cannot help with that.", reasoning } = answer;
  const content =
    finish === "refusal"
      ? [{ type: "refusal", refusal }]
      : text === ""
        ? []
        : [{ type: "output_text", text, annotations: [] }];
  return [
    ...(reasoning ? [{ type: "reasoning", id: "rs_1", summary: [], encrypted_content: "c2VjcmV0" }] : []),
    ...(content.length > 0
      ? [{ type: "message", id: "msg_1", role: "assistant", status: "completed", content }]
      : []),
    ...toolCalls.map(({ id, name, args }, index) => ({
      type: "function_call",
      id: `fc_${index}`,
      call_id: id ?? `call_${index}`,
      name,
      arguments: typeof args === "string" ? args : JSON.stringify(args),
      status: "completed",
    })),
  ];
}

function whole(answer: Answer): Record<string, unknown> {
  const { finish, model = "served-model" } = answer;
  const incomplete = finish === "length" || finish === "content_filter" || finish === "blocked";
  return {
    id: "resp_1",
    object: "response",
    status: incomplete ? "incomplete" : "completed",
    error: null,
    incomplete_details: incomplete
      ? { reason: finish === "length" ? "max_output_tokens" : "content_filter" }
      : null,
    model,
    output: output(answer),
    ...usageOf(answer),
  };
}

function events(answer: Answer): SseEvent[] {
  const full = whole(answer);
  const items = full.output as Record<string, unknown>[];
  const list: Record<string, unknown>[] = [
    { type: "response.created", response: { ...full, status: "in_progress", output: [], usage: null } },
    { type: "response.in_progress", response: { ...full, status: "in_progress", output: [], usage: null } },
  ];
  items.forEach((item, output_index) => {
    list.push({ type: "response.output_item.added", output_index, item });
    if (item.type === "message" && answer.finish === "refusal") {
      list.push({ type: "response.refusal.delta", output_index, delta: answer.refusal ?? "I cannot" });
    } else if (item.type === "message") {
      list.push(
        ...pieces(answer.text ?? "").map((delta) => ({
          type: "response.output_text.delta",
          output_index,
          delta,
        })),
      );
    } else if (item.type === "function_call") {
      list.push(
        ...pieces(String(item.arguments)).map((delta) => ({
          type: "response.function_call_arguments.delta",
          output_index,
          delta,
        })),
      );
    }
    list.push({ type: "response.output_item.done", output_index, item });
  });
  list.push({
    type: full.status === "incomplete" ? "response.incomplete" : "response.completed",
    response: full,
  });
  return list.map((data, sequence_number) => ({
    event: String(data.type),
    data: { ...data, sequence_number },
  }));
}

/** OpenAI's Responses API. */
export const openAiResponsesFormat: WireFormat = {
  path: /^\/v1\/responses$/,
  isStream: ({ body }) => body.stream === true,
  whole,
  events,
  error: (_, { code = null, message, param = null }) => ({
    error: { message, type: "invalid_request_error", param, code },
  }),
  overloaded: {
    event: "error",
    data: {
      type: "error",
      code: "server_error",
      message: "The server had an error",
      param: null,
      sequence_number: 9,
    },
  },
  requestIdHeader: "x-request-id",
};
