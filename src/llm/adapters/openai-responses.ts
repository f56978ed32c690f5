import type OpenAI from "openai";
import type { FinishReason, LlmMessage, ToolCall } from "../../core/llm.ts";
import type { ChatModels, ModelResponse } from "../../core/model.ts";
import { requestIdOf } from "../model-errors.ts";
import { limitsOf } from "../rate-limit-headers.ts";
import { Call } from "./call.ts";
import { type Concession, Concessions } from "./concessions.ts";
import { type Endpoint, isEventStream, readWhole } from "./endpoint.ts";
import { openAiClient, requestOptions } from "./openai-client.ts";
import { askInWords, type Structured, structuredOf, type Tools, toolsOf } from "./structured.ts";
import { usageOfResponses } from "./usage.ts";
import { nativeItems, nativeOf, object, objects, text, textOrNull, type Wire } from "./wire.ts";

const FORMAT = "openai.responses";

type Refusable = "encrypted" | "schema";

/** Models without reasoning do not know what its encrypted form is. */
const ENCRYPTED: Concession<Refusable> = { name: "encrypted", pattern: /encrypted|\binclude\b/i };
const SCHEMA: Concession<Refusable> = {
  name: "schema",
  pattern: /text\.format|json_schema|response_format|invalid schema/i,
};

/**
 * OpenAI's models over the Responses API. Nothing is stored at OpenAI: reasoning is sent back in encrypted form.
 * The API has no stop sequences and no seed; the text is cut at the former here, the latter is not sent.
 */
export function openAiResponses(endpoint: Endpoint): ChatModels {
  const client = openAiClient(endpoint);
  const concessions = new Concessions<Refusable>();
  return {
    provider: endpoint.provider,
    structured: true,
    generate: (request, ctx) =>
      new Call(endpoint, request, ctx).run(async (call) => {
        const possible = [ENCRYPTED, ...(request.schema ? [SCHEMA] : [])];
        const openai = await client();
        return concessions.ask(request.model, possible, (without) => ask(openai, call, without));
      }),
  };
}

async function ask(openai: OpenAI, call: Call, without: ReadonlySet<Refusable>): Promise<ModelResponse> {
  const structured = structuredOf(call.request, "openai");
  const tools = toolsOf(call.request, "openai", false);
  const body = bodyOf(call, { structured, tools, without });
  const options = requestOptions(call);
  if (!call.streamed) {
    const pending = openai.responses.create(body, options);
    call.begin((await pending.asResponse()).headers);
    return readResponse(await pending, { call, structured, tools });
  }
  const pending = openai.responses.create({ ...body, stream: true }, options);
  const response = await pending.asResponse();
  call.begin(response.headers);
  if (!isEventStream(response)) {
    return call.tellWhole(readResponse(await readWhole(response), { call, structured, tools }));
  }
  return readResponse(await readStream(await pending, call), { call, structured, tools });
}

interface Shape {
  readonly structured: Structured | undefined;
  readonly tools: Tools;
  readonly without: ReadonlySet<Refusable>;
}

function bodyOf(
  { request, endpoint: { provider } }: Call,
  { structured, tools, without }: Shape,
): OpenAI.Responses.ResponseCreateParamsNonStreaming {
  const inWords = structured && without.has("schema");
  const systems = leadingSystems(request.messages);
  const rest = request.messages.slice(systems.length);
  const instructions = [...systems, ...(inWords ? [askInWords(structured)] : [])].join("\n\n");
  return {
    model: request.model,
    ...(instructions === "" ? {} : { instructions }),
    input: rest.flatMap((message) =>
      itemsOf(message, provider),
    ) as readonly unknown[] as OpenAI.Responses.ResponseInput,
    max_output_tokens: request.maxOutputTokens,
    // Kept for 30 days otherwise.
    store: false,
    ...(without.has("encrypted") ? {} : { include: ["reasoning.encrypted_content"] }),
    ...(request.temperature === undefined ? {} : { temperature: request.temperature }),
    ...(request.effort === undefined ? {} : { reasoning: { effort: request.effort } }),
    ...(structured && !inWords ? { text: { format: formatOf(structured) } } : {}),
    ...(tools.specs.length === 0
      ? {}
      : {
          tools: tools.specs.map(({ name, description, compiled: { schema, strict } }) => ({
            type: "function" as const,
            name,
            description,
            parameters: schema as Record<string, unknown>,
            strict,
          })),
          ...(request.toolChoice === undefined ? {} : { tool_choice: request.toolChoice }),
        }),
  };
}

function formatOf({ name, schema, strict }: Structured): OpenAI.Responses.ResponseFormatTextJSONSchemaConfig {
  return { type: "json_schema", name, schema: schema as Record<string, unknown>, strict };
}

function leadingSystems(messages: readonly LlmMessage[]): readonly string[] {
  const first = messages.findIndex(({ role }) => role !== "system");
  return messages.slice(0, first === -1 ? messages.length : first).map(({ content }) => content);
}

function itemsOf(message: LlmMessage, provider: string): readonly Wire[] {
  const { role, content, toolCalls = [], toolCallId } = message;
  if (role === "tool") {
    return [{ type: "function_call_output", call_id: toolCallId ?? "", output: content }];
  }
  if (role !== "assistant") {
    return [{ role, content }];
  }
  return (
    nativeItems(message, { provider, format: FORMAT }) ?? [
      ...(content === "" ? [] : [{ role, content }]),
      ...toolCalls.map(({ id, name, args }) => ({
        type: "function_call",
        call_id: id,
        name,
        arguments: JSON.stringify(args),
      })),
    ]
  );
}

/** The whole response, as its last event holds it. */
async function readStream(stream: AsyncIterable<unknown>, call: Call): Promise<unknown> {
  const done: Wire[] = [];
  for await (const given of stream) {
    const event = object(given);
    switch (event.type) {
      case "response.output_text.delta":
        call.write(text(event.delta));
        break;
      case "response.function_call_arguments.delta":
      case "response.reasoning_summary_text.delta":
      case "response.refusal.delta":
        call.writeUntold(text(event.delta));
        break;
      case "response.output_item.done":
        done.push(object(event.item));
        break;
      case "response.completed":
      case "response.incomplete":
      case "response.failed": {
        const response = object(event.response);
        const output = objects(response.output);
        return { ...response, output: output.length > 0 ? output : done };
      }
      case "error":
        throw call.refusedBy(event);
    }
  }
  throw call.cutShort();
}

interface Reading {
  readonly call: Call;
  readonly structured: Structured | undefined;
  readonly tools: Tools;
}

function readResponse(data: unknown, { call, structured, tools }: Reading): ModelResponse {
  const response = object(data);
  call.tell(usageOfResponses(object(response.usage)));
  if (response.error !== null && response.error !== undefined) {
    throw call.refusedBy(response);
  }
  if (response.status === "failed") {
    throw call.refusedBy({ code: "server_error" });
  }
  if (!Array.isArray(response.output)) {
    throw call.malformed("answered with what is no response of the Responses API; check the base URL");
  }
  const output = objects(response.output);
  const parts = output.flatMap((item) => (item.type === "message" ? objects(item.content) : []));
  const answer = parts.map((part) => (part.type === "output_text" ? text(part.text) : "")).join("");
  const refusal = parts.map((part) => (part.type === "refusal" ? text(part.refusal) : "")).join("");
  const toolCalls = output
    .filter(({ type }) => type === "function_call")
    .map((item) => toolCallOf(item, tools));
  const usage = call.complete(answer + refusal + JSON.stringify(toolCalls));
  return {
    text: cutAtStop(structured ? structured.restore(answer) : answer, call.request.stop),
    toolCalls,
    finishReason: finishOf(response, { refusal, toolCalls }),
    refusal: textOrNull(refusal),
    usage,
    model: textOrNull(response.model) ?? call.request.model,
    responseId: textOrNull(response.id),
    requestId: requestIdOf(call.headers),
    costUsd: costOf(object(response.usage)),
    native: nativeOf(FORMAT, output),
    limits: limitsOf(call.headers),
  };
}

function toolCallOf(item: Wire, tools: Tools): ToolCall {
  const name = text(item.name);
  return { id: textOrNull(item.call_id) ?? text(item.id), name, args: tools.readArgs(name, item.arguments) };
}

function finishOf(
  response: Wire,
  { refusal, toolCalls }: { readonly refusal: string; readonly toolCalls: readonly ToolCall[] },
): FinishReason {
  if (response.status === "incomplete") {
    return object(response.incomplete_details).reason === "content_filter" ? "content_filter" : "length";
  }
  if (refusal !== "") {
    return "refusal";
  }
  return toolCalls.length > 0 ? "tool_calls" : "stop";
}

/** What a gateway says the call cost, in US dollars. */
export function costOf(usage: Wire): number | null {
  return typeof usage.cost === "number" && Number.isFinite(usage.cost) && usage.cost >= 0 ? usage.cost : null;
}

function cutAtStop(answer: string, stop: readonly string[] = []): string {
  const places = stop.filter((one) => one !== "").map((one) => answer.indexOf(one));
  const found = places.filter((place) => place >= 0);
  return found.length === 0 ? answer : answer.slice(0, Math.min(...found));
}
