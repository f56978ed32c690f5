import { type Answer, DEFAULT_USAGE, pieces, type SseEvent, type WireFormat } from "./wire-format.ts";

function usageOf({ usage = DEFAULT_USAGE }: Answer): Record<string, unknown> | undefined {
  if (usage === null) {
    return undefined;
  }
  const { input, cacheRead = 0, cacheWrite = 0, output, reasoning } = usage;
  return {
    input_tokens: input - cacheRead - cacheWrite,
    cache_creation_input_tokens: cacheWrite,
    cache_read_input_tokens: cacheRead,
    cache_creation: { ephemeral_5m_input_tokens: cacheWrite, ephemeral_1h_input_tokens: 0 },
    output_tokens: output,
    output_tokens_details: reasoning === undefined ? null : { thinking_tokens: reasoning },
    service_tier: "standard",
  };
}

function stopReason({ finish, toolCalls }: Answer): string {
  switch (finish) {
    case "length":
      return "max_tokens";
    case "refusal":
    case "content_filter":
    case "blocked":
      return "refusal";
    case "pause":
      return "pause_turn";
    default:
      return toolCalls ? "tool_use" : "end_turn";
  }
}

function blocks({ text = "", toolCalls = [], reasoning }: Answer): Record<string, unknown>[] {
  return [
    ...(reasoning ? [{ type: "thinking", thinking: "hm", signature: "c2ln" }] : []),
    ...(text === "" ? [] : [{ type: "text", text }]),
    ...toolCalls.map(({ id, name, args }, index) => ({
      type: "tool_use",
      id: id ?? `toolu_${index}`,
      name,
      input: args,
    })),
  ];
}

function whole(answer: Answer): Record<string, unknown> {
  const refused = stopReason(answer) === "refusal";
  const usage = usageOf(answer);
  return {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: answer.model ?? "served-model",
    content: blocks(answer),
    stop_reason: stopReason(answer),
    stop_sequence: null,
    stop_details: refused
      ? { type: "refusal", category: null, explanation: answer.refusal ?? "I cannot help with that." }
      : null,
    ...(usage ? { usage } : {}),
  };
}

function deltas(block: Record<string, unknown>): Record<string, unknown>[] {
  switch (block.type) {
    case "text":
      return pieces(String(block.text)).map((text) => ({ type: "text_delta", text }));
    case "thinking":
      return [
        { type: "thinking_delta", thinking: block.thinking },
        { type: "signature_delta", signature: block.signature },
      ];
    default: {
      const json = typeof block.input === "string" ? block.input : JSON.stringify(block.input);
      return ["", ...pieces(json)].map((partial_json) => ({ type: "input_json_delta", partial_json }));
    }
  }
}

function empty(block: Record<string, unknown>): Record<string, unknown> {
  switch (block.type) {
    case "text":
      return { type: "text", text: "" };
    case "thinking":
      return { type: "thinking", thinking: "", signature: "" };
    default:
      return { ...block, input: {} };
  }
}

function events(answer: Answer): SseEvent[] {
  const { content, stop_reason, stop_details, usage, ...message } = whole(answer) as Record<
    string,
    unknown
  > & {
    usage?: Record<string, unknown>;
    content: Record<string, unknown>[];
  };
  const started = usage ? { usage: { ...usage, output_tokens: 1 } } : {};
  const list: Record<string, unknown>[] = [
    {
      type: "message_start",
      message: { ...message, content: [], stop_reason: null, stop_details: null, ...started },
    },
    { type: "ping" },
  ];
  content.forEach((block, index) => {
    list.push({ type: "content_block_start", index, content_block: empty(block) });
    list.push(...deltas(block).map((delta) => ({ type: "content_block_delta", index, delta })));
    list.push({ type: "content_block_stop", index });
  });
  const said = usage
    ? { usage: { output_tokens: usage.output_tokens, output_tokens_details: usage.output_tokens_details } }
    : {};
  list.push({ type: "message_delta", delta: { stop_reason, stop_sequence: null, stop_details }, ...said });
  list.push({ type: "message_stop" });
  return list.map((data) => ({ event: String(data.type), data }));
}

const TYPES: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  500: "api_error",
  504: "timeout_error",
  529: "overloaded_error",
};

/** Anthropic's Messages API. */
export const anthropicFormat: WireFormat = {
  path: /^\/v1\/messages$/,
  isStream: ({ body }) => body.stream === true,
  whole,
  events,
  error: (status, { code, message }) => ({
    type: "error",
    error: {
      type: TYPES[status] ?? "api_error",
      message,
      ...(code === undefined ? {} : { details: { error_code: code } }),
    },
    request_id: "req_body",
  }),
  overloaded: {
    event: "error",
    data: { type: "error", error: { type: "overloaded_error", message: "Overloaded" } },
  },
  requestIdHeader: "request-id",
};
