import type OpenAI from "openai";
import type { FinishReason, LlmMessage, ToolCall } from "../../core/llm.ts";
import type { ChatModels, ModelResponse } from "../../core/model.ts";
import { requestIdOf } from "../model-errors.ts";
import { limitsOf } from "../rate-limit-headers.ts";
import { Call } from "./call.ts";
import { readChatStream } from "./chat-stream.ts";
import { type Concession, Concessions } from "./concessions.ts";
import { type Endpoint, isEventStream, readWhole } from "./endpoint.ts";
import { isOpenAi, openAiClient, requestOptions } from "./openai-client.ts";
import { costOf } from "./openai-responses.ts";
import { askInWords, type Structured, structuredOf, type Tools, toolsOf } from "./structured.ts";
import { usageOfChat } from "./usage.ts";
import { nativeItems, nativeOf, object, objects, text, textOrNull, type Wire } from "./wire.ts";

const FORMAT = "openai.chat";

type Refusable = "max-tokens" | "schema" | "json" | "stream-options" | "strict-tools";

/** The name is refused; not: the number. */
const MAX_TOKENS: Concession<Refusable> = {
  name: "max-tokens",
  pattern:
    /^(?!.*(too (large|big|high|small|low)|at (most|least)|exceed|greater|less than|maximum|minimum|must be)).*max_(completion_)?tokens/is,
};
const SCHEMA: Concession<Refusable> = {
  name: "schema",
  pattern: /response_format|json_schema|structured output|guided|grammar|schema/i,
};
const JSON_OBJECT: Concession<Refusable> = {
  name: "json",
  pattern: /response_format|json_object|json mode/i,
};
const STREAM_OPTIONS: Concession<Refusable> = {
  name: "stream-options",
  pattern: /stream_options|include_usage/i,
};
const STRICT_TOOLS: Concession<Refusable> = { name: "strict-tools", pattern: /\bstrict\b/i };

/**
 * Models over Chat Completions: OpenAI's own, and those of servers that speak it (vLLM, Ollama, LM Studio, OpenRouter,
 * Groq, DeepSeek, …). What a server refuses is left out from then on: `response_format` by schema, then any, and the
 * name of the parameter for the number of tokens.
 */
export function openAiChat(endpoint: Endpoint): ChatModels {
  const client = openAiClient(endpoint);
  const concessions = new Concessions<Refusable>();
  return {
    provider: endpoint.provider,
    structured: true,
    generate: (request, ctx) =>
      new Call(endpoint, request, ctx).run(async (call) => {
        const possible = [
          MAX_TOKENS,
          ...(request.tools ? [STRICT_TOOLS] : []),
          ...(request.schema ? [SCHEMA, JSON_OBJECT] : []),
          ...(call.streamed ? [STREAM_OPTIONS] : []),
        ];
        const openai = await client();
        return concessions.ask(request.model, possible, (without) => ask(openai, call, without));
      }),
  };
}

async function ask(openai: OpenAI, call: Call, without: ReadonlySet<Refusable>): Promise<ModelResponse> {
  const own = isOpenAi(call.endpoint.baseUrl);
  const dialect = own ? "openai" : "compatible";
  const shape: Shape = {
    own,
    structured: structuredOf(call.request, dialect),
    tools: toolsOf(call.request, dialect, !own),
    without,
  };
  const body = bodyOf(call, shape);
  const options = requestOptions(call);
  if (!call.streamed) {
    const pending = openai.chat.completions.create(body, options);
    call.begin((await pending.asResponse()).headers);
    return readCompletion(await pending, call, shape);
  }
  const stream_options = without.has("stream-options") ? {} : { stream_options: { include_usage: true } };
  const pending = openai.chat.completions.create({ ...body, stream: true, ...stream_options }, options);
  const response = await pending.asResponse();
  call.begin(response.headers);
  if (!isEventStream(response)) {
    return call.tellWhole(readCompletion(await readWhole(response), call, shape));
  }
  return readCompletion(await readChatStream(await pending, call), call, shape);
}

interface Shape {
  /** It is OpenAI itself. */
  readonly own: boolean;
  readonly structured: Structured | undefined;
  readonly tools: Tools;
  readonly without: ReadonlySet<Refusable>;
}

function bodyOf(
  { request, endpoint: { provider } }: Call,
  { own, structured, tools, without }: Shape,
): OpenAI.ChatCompletionCreateParamsNonStreaming {
  // Compatible servers often know the older name only; OpenAI's newer models, the newer one only.
  const newName = own !== without.has("max-tokens");
  const inWords = structured && without.has("schema");
  const messages = request.messages.flatMap((message) => messageOf(message, provider));
  return {
    model: request.model,
    messages: (inWords
      ? withSystem(messages, askInWords(structured))
      : messages) as readonly unknown[] as OpenAI.ChatCompletionMessageParam[],
    ...(newName
      ? { max_completion_tokens: request.maxOutputTokens }
      : { max_tokens: request.maxOutputTokens }),
    // What is not stored by default today may be tomorrow.
    ...(own ? { store: false } : {}),
    ...(request.temperature === undefined ? {} : { temperature: request.temperature }),
    ...(request.effort === undefined ? {} : { reasoning_effort: request.effort }),
    ...(request.stop === undefined || request.stop.length === 0 ? {} : { stop: [...request.stop] }),
    ...(request.seed === undefined ? {} : { seed: request.seed }),
    ...(structured && !inWords ? { response_format: formatOf(structured) } : {}),
    ...(inWords && !without.has("json") ? { response_format: { type: "json_object" as const } } : {}),
    ...(tools.specs.length === 0
      ? {}
      : {
          tools: tools.specs.map(({ name, description, compiled: { schema, strict } }) => ({
            type: "function" as const,
            function: {
              name,
              description,
              parameters: schema as Record<string, unknown>,
              ...(own && !without.has("strict-tools") ? { strict } : {}),
            },
          })),
          ...(request.toolChoice === undefined ? {} : { tool_choice: request.toolChoice }),
        }),
  };
}

function formatOf({ name, schema, strict }: Structured): OpenAI.ResponseFormatJSONSchema {
  return { type: "json_schema", json_schema: { name, schema: schema as Record<string, unknown>, strict } };
}

/** One system message at the front: many templates of local models know no other. */
function withSystem(messages: readonly Wire[], more: string): readonly Wire[] {
  const [first, ...rest] = messages;
  return first?.role === "system"
    ? [{ ...first, content: `${text(first.content)}\n\n${more}` }, ...rest]
    : [{ role: "system", content: more }, ...messages];
}

function messageOf(message: LlmMessage, provider: string): readonly Wire[] {
  const { role, content, toolCalls = [], toolCallId } = message;
  if (role === "tool") {
    return [{ role, tool_call_id: toolCallId ?? "", content }];
  }
  if (role !== "assistant") {
    return [{ role, content }];
  }
  const calls = toolCalls.map(({ id, name, args }) => ({
    id,
    type: "function",
    function: { name, arguments: JSON.stringify(args) },
  }));
  return (
    nativeItems(message, { provider, format: FORMAT }) ?? [
      calls.length === 0 ? { role, content } : { role, content: content || null, tool_calls: calls },
    ]
  );
}

function readCompletion(data: unknown, call: Call, { structured, tools }: Shape): ModelResponse {
  const completion = object(data);
  const saidUsage = object(completion.usage);
  call.tell(usageOfChat(saidUsage));
  const [choice] = objects(completion.choices);
  const error = completion.error ?? choice?.error;
  if (error) {
    throw call.refusedBy({ error });
  }
  if (!choice || typeof choice.message !== "object" || choice.message === null) {
    throw call.malformed("answered with what is no chat completion (no choices); check the base URL");
  }
  const message = object(choice.message);
  const answer = contentOf(message.content);
  const refusal = text(message.refusal);
  const toolCalls = objects(message.tool_calls).map((item, index) => toolCallOf(item, index, tools));
  const usage = call.complete(answer + refusal + JSON.stringify(toolCalls));
  return {
    text: structured ? structured.restore(answer) : answer,
    toolCalls,
    finishReason: finishOf(choice.finish_reason, refusal, toolCalls),
    refusal: textOrNull(refusal),
    usage,
    model: textOrNull(completion.model) ?? call.request.model,
    responseId: textOrNull(completion.id),
    requestId: requestIdOf(call.headers),
    costUsd: costOf(saidUsage),
    native: nativeOf(FORMAT, [replayable(message, toolCalls)]),
    limits: limitsOf(call.headers),
  };
}

/** Some servers give the content in parts. */
function contentOf(content: unknown): string {
  return typeof content === "string"
    ? content
    : objects(content)
        .map((part) => text(part.text))
        .join("");
}

/** Servers that show reasoning want it back within a loop of tools, and refuse it elsewhere. */
function replayable(message: Wire, toolCalls: readonly ToolCall[]): Wire {
  const { reasoning_content, ...rest } = message;
  const kept = toolCalls.length > 0 && reasoning_content !== undefined ? { reasoning_content } : {};
  // Ids that were missing have to be the same in the results.
  const calls = objects(message.tool_calls).map((item, index) => ({ ...item, id: toolCalls[index]?.id }));
  return { ...rest, role: "assistant", ...kept, ...(calls.length > 0 ? { tool_calls: calls } : {}) };
}

function toolCallOf(item: Wire, index: number, tools: Tools): ToolCall {
  const fn = object(item.function);
  const name = text(fn.name);
  return {
    id: textOrNull(item.id) ?? `call_${index}_${name}`,
    name,
    args: tools.readArgs(name, fn.arguments),
  };
}

function finishOf(given: unknown, refusal: string, toolCalls: readonly ToolCall[]): FinishReason {
  if (given === "length" || given === "content_filter") {
    return given;
  }
  if (refusal !== "") {
    return "refusal";
  }
  // Some servers say "stop" although they ask for tools.
  return toolCalls.length > 0 ? "tool_calls" : "stop";
}
