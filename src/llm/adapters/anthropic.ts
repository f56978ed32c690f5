import type Anthropic from "@anthropic-ai/sdk";
import type { FinishReason, ToolCall } from "../../core/llm.ts";
import type { ChatModels, ModelResponse } from "../../core/model.ts";
import { requestIdOf } from "../model-errors.ts";
import { limitsOf } from "../rate-limit-headers.ts";
import { ANTHROPIC_FORMAT, systemOf, turnsOf } from "./anthropic-messages.ts";
import { readAnthropicStream } from "./anthropic-stream.ts";
import { Call } from "./call.ts";
import { type Concession, Concessions } from "./concessions.ts";
import { type Endpoint, fetchOf, isEventStream, readWhole } from "./endpoint.ts";
import { loadSdk, once } from "./load-sdk.ts";
import { askInWords, type Structured, structuredOf, type Tools, toolsOf } from "./structured.ts";
import { usageOfAnthropic } from "./usage.ts";
import { nativeOf, object, objects, text, textOrNull, type Wire } from "./wire.ts";

type Refusable = "schema";

/** Older models, gateways, and schemas that are beyond the limits of the grammar. */
const SCHEMA: Concession<Refusable> = {
  name: "schema",
  pattern: /output_config|output_format|schema|grammar/i,
};

/** A model that pauses more often than this is going in circles. */
const MAX_HOPS = 20;

/** Anthropic's models over the Messages API. It knows no seed. */
export function anthropic(endpoint: Endpoint): ChatModels {
  const client = once(() => makeClient(endpoint));
  const concessions = new Concessions<Refusable>();
  return {
    provider: endpoint.provider,
    structured: true,
    generate: (request, ctx) =>
      new Call(endpoint, request, ctx).run(async (call) => {
        const sdk = await client();
        const possible = request.schema ? [SCHEMA] : [];
        return concessions.ask(request.model, possible, (without) => ask(sdk, call, without));
      }),
  };
}

async function makeClient(endpoint: Endpoint): Promise<Anthropic> {
  const sdk = await loadSdk("@anthropic-ai/sdk", () => import("@anthropic-ai/sdk"));
  return new sdk.default({
    apiKey: endpoint.apiKey,
    baseURL: endpoint.baseUrl,
    defaultHeaders: endpoint.headers,
    fetch: fetchOf(endpoint),
    // Tries are ours to make and to count.
    maxRetries: 0,
    // The SDK would print what it cannot parse.
    logLevel: "off",
    // Spans of calls are ours; the SDK's would double them.
    openTelemetry: false,
  });
}

interface Shape {
  readonly structured: Structured | undefined;
  /** The shape is asked for in words: the API has no words for it, or refused it. */
  readonly inWords: boolean;
  readonly tools: Tools;
}

/** The model may pause: it goes on when it is given what it has said so far. Each hop is billed. */
async function ask(sdk: Anthropic, call: Call, without: ReadonlySet<Refusable>): Promise<ModelResponse> {
  const structured = structuredOf(call.request, "anthropic");
  const shape: Shape = {
    structured,
    inWords: structured !== undefined && (!structured.strict || without.has("schema")),
    tools: toolsOf(call.request, "anthropic", true),
  };
  const content: Wire[] = [];
  for (let hop = 1; ; hop++) {
    const message = await askOnce(sdk, call, bodyOf(call, shape, content));
    content.push(...objects(message.content));
    if (message.stop_reason !== "pause_turn" || hop === MAX_HOPS) {
      return readMessage({ ...message, content }, call, shape);
    }
    call.nextHop(textOf(objects(message.content)));
  }
}

async function askOnce(
  sdk: Anthropic,
  call: Call,
  body: Anthropic.MessageCreateParamsNonStreaming,
): Promise<Wire> {
  // Without a timeout the SDK insists on streaming where many tokens are allowed.
  const options = {
    signal: call.signal,
    timeout: call.timeoutMs,
    headers: { "x-client-request-id": call.callId },
  };
  const pending = sdk.messages.create({ ...body, stream: call.streamed }, options);
  const response = await pending.asResponse();
  call.begin(response.headers);
  let message: Wire;
  if (call.streamed && isEventStream(response)) {
    message = await readAnthropicStream((await pending) as unknown as AsyncIterable<unknown>, call);
  } else {
    message = object(call.streamed ? await readWhole(response) : await pending);
    call.tell(usageOfAnthropic(object(message.usage)));
    call.write(textOf(objects(message.content)));
  }
  if (message.type === "error" || message.error) {
    throw call.refusedBy(message);
  }
  if (!Array.isArray(message.content)) {
    throw call.malformed("answered with what is no message; check the base URL");
  }
  return message;
}

function bodyOf(
  { request, endpoint: { provider } }: Call,
  { structured, inWords, tools }: Shape,
  saidSoFar: readonly Wire[],
): Anthropic.MessageCreateParamsNonStreaming {
  const system = systemOf(request.messages, structured && inWords ? askInWords(structured) : undefined);
  const format = structured && !inWords ? { format: { type: "json_schema", schema: structured.schema } } : {};
  const effort = request.effort === undefined ? {} : { effort: request.effort };
  const outputConfig = { ...format, ...effort };
  const turns = turnsOf(request.messages, provider);
  const body = {
    model: request.model,
    max_tokens: request.maxOutputTokens,
    ...(system === "" ? {} : { system }),
    messages: saidSoFar.length === 0 ? turns : [...turns, { role: "assistant", content: saidSoFar }],
    ...(Object.keys(outputConfig).length === 0 ? {} : { output_config: outputConfig }),
    // Not in the SDK's types: newer models refuse it.
    ...(request.temperature === undefined ? {} : { temperature: request.temperature }),
    ...(request.stop === undefined || request.stop.length === 0 ? {} : { stop_sequences: request.stop }),
    ...(tools.specs.length === 0
      ? {}
      : {
          tools: tools.specs.map(({ name, description, compiled: { schema } }) => ({
            name,
            description,
            input_schema: schema,
          })),
          ...(request.toolChoice === undefined ? {} : { tool_choice: { type: request.toolChoice } }),
        }),
  };
  return body as unknown as Anthropic.MessageCreateParamsNonStreaming;
}

function textOf(content: readonly Wire[]): string {
  return content.map((block) => (block.type === "text" ? text(block.text) : "")).join("");
}

function readMessage(message: Wire, call: Call, { structured, tools }: Shape): ModelResponse {
  const content = objects(message.content);
  const answer = textOf(content);
  const toolCalls = content
    .filter(({ type }) => type === "tool_use")
    .map((block): ToolCall => {
      const name = text(block.name);
      return { id: text(block.id), name, args: tools.readArgs(name, block.input) };
    });
  const usage = call.complete(answer + JSON.stringify(toolCalls));
  const finishReason = finishOf(message.stop_reason, toolCalls);
  return {
    text: structured ? structured.restore(answer) : answer,
    toolCalls,
    finishReason,
    refusal: finishReason === "refusal" ? refusalOf(object(message.stop_details), answer) : null,
    usage,
    model: textOrNull(message.model) ?? call.request.model,
    responseId: textOrNull(message.id),
    requestId: requestIdOf(call.headers),
    costUsd: null,
    native: nativeOf(ANTHROPIC_FORMAT, content),
    limits: limitsOf(call.headers),
  };
}

function finishOf(reason: unknown, toolCalls: readonly ToolCall[]): FinishReason {
  switch (reason) {
    case "max_tokens":
    case "model_context_window_exceeded":
    case "pause_turn":
      return "length";
    case "refusal":
      return "refusal";
    default:
      return toolCalls.length > 0 ? "tool_calls" : "stop";
  }
}

function refusalOf(details: Wire, answer: string): string {
  return textOrNull(details.explanation) ?? textOrNull(answer) ?? textOrNull(details.category) ?? "refused";
}
