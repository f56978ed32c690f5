import { type Answer, DEFAULT_USAGE, pieces, type SseEvent, type WireFormat } from "./wire-format.ts";

function usageOf({ usage = DEFAULT_USAGE }: Answer): Record<string, unknown> {
  if (usage === null) {
    return {};
  }
  const { input, cacheRead, output, reasoning = 0 } = usage;
  return {
    usageMetadata: {
      promptTokenCount: input,
      ...(cacheRead === undefined ? {} : { cachedContentTokenCount: cacheRead }),
      candidatesTokenCount: output - reasoning,
      ...(reasoning === 0 ? {} : { thoughtsTokenCount: reasoning }),
      totalTokenCount: input + output,
    },
  };
}

const REASONS: Readonly<Record<string, string>> = {
  length: "MAX_TOKENS",
  refusal: "SAFETY",
  content_filter: "SAFETY",
  pause: "CONTINUATION",
};

function tail(answer: Answer): Record<string, unknown> {
  return { modelVersion: answer.model ?? "served-model", responseId: "gem_1" };
}

function candidate(answer: Answer, parts: unknown[], done: boolean): Record<string, unknown> {
  return {
    content: { role: "model", parts },
    index: 0,
    ...(done ? { finishReason: REASONS[answer.finish ?? "stop"] ?? "STOP" } : {}),
    ...(done && answer.finish === "pause" ? { continuationToken: "go-on" } : {}),
  };
}

function callParts({ toolCalls = [], reasoning }: Answer): Record<string, unknown>[] {
  return toolCalls.map(({ id, name, args }, index) => ({
    functionCall: { ...(id === undefined ? {} : { id }), name, args },
    ...(reasoning && index === 0 ? { thoughtSignature: "c2ln" } : {}),
  }));
}

function thoughts({ reasoning }: Answer): Record<string, unknown>[] {
  return reasoning ? [{ text: "hm", thought: true }] : [];
}

function blocked(answer: Answer): Record<string, unknown> {
  return { promptFeedback: { blockReason: "SAFETY" }, ...usageOf(answer), ...tail(answer) };
}

function whole(answer: Answer): Record<string, unknown> {
  if (answer.finish === "blocked") {
    return blocked(answer);
  }
  const text = answer.text ? [{ text: answer.text }] : [];
  const parts = [...thoughts(answer), ...text, ...callParts(answer)];
  return { candidates: [candidate(answer, parts, true)], ...usageOf(answer), ...tail(answer) };
}

function events(answer: Answer): SseEvent[] {
  if (answer.finish === "blocked") {
    return [{ data: blocked(answer) }];
  }
  const parts = [
    ...thoughts(answer),
    ...pieces(answer.text ?? "").map((text) => ({ text })),
    ...callParts(answer),
  ];
  const usage = usageOf(answer).usageMetadata as Record<string, number> | undefined;
  // Cumulative, and growing.
  const started = usage ? { usageMetadata: { promptTokenCount: usage.promptTokenCount } } : {};
  return [
    ...parts.map((part) => ({
      data: { candidates: [candidate(answer, [part], false)], ...started, ...tail(answer) },
    })),
    { data: { candidates: [candidate(answer, [{ text: "" }], true)], ...usageOf(answer), ...tail(answer) } },
  ];
}

const STATES: Readonly<Record<number, string>> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  429: "RESOURCE_EXHAUSTED",
  500: "INTERNAL",
  503: "UNAVAILABLE",
  504: "DEADLINE_EXCEEDED",
};

/** Google's Gemini API. */
export const geminiFormat: WireFormat = {
  path: /^\/v1(beta)?\/models\/[^/:]+:(generateContent|streamGenerateContent)$/,
  isStream: ({ path }) => path.includes("streamGenerateContent"),
  whole,
  events,
  error: (status, { code, message }) => ({
    error: {
      code: status,
      message,
      status: STATES[status] ?? "UNKNOWN",
      ...(code === undefined
        ? {}
        : { details: [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: code }] }),
    },
  }),
  overloaded: { data: { error: { code: 503, message: "The model is overloaded.", status: "UNAVAILABLE" } } },
  requestIdHeader: "x-request-id",
};
