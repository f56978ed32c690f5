import { randomUUID } from "node:crypto";
import type { GenerateContentParameters, GoogleGenAI } from "@google/genai";
import type { FinishReason, ToolCall } from "../../core/llm.ts";
import type { ChatModels, ModelResponse } from "../../core/model.ts";
import { requestIdOf } from "../model-errors.ts";
import { limitsOf } from "../rate-limit-headers.ts";
import { Call } from "./call.ts";
import { type Concession, Concessions } from "./concessions.ts";
import { type Endpoint, fetchOf, isEventStream } from "./endpoint.ts";
import { makeGeminiClient } from "./gemini-client.ts";
import { contentsOf, GEMINI_FORMAT, MADE_ID } from "./gemini-contents.ts";
import { readGeminiStream } from "./gemini-stream.ts";
import { once } from "./load-sdk.ts";
import { askInWords, type Structured, structuredOf, type Tools, toolsOf } from "./structured.ts";
import { usageOfGemini } from "./usage.ts";
import { nativeOf, object, objects, text, textOrNull, type Wire } from "./wire.ts";

type Refusable = "schema";

/** Older models take no schema together with tools, and there are limits to what a schema may hold. */
const SCHEMA: Concession<Refusable> = {
  name: "schema",
  pattern:
    /response[ _]?(mime[ _]?type|json[ _]?schema|schema)|schema.*(complex|too many|nest)|application\/json/i,
};

/** A model that has to be asked to go on more often than this is going in circles. */
const MAX_HOPS = 20;

/** Google's models over the Gemini API. */
export function gemini(endpoint: Endpoint): ChatModels {
  const client = once(() => makeGeminiClient(endpoint));
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

interface Shape {
  readonly structured: Structured | undefined;
  readonly inWords: boolean;
  readonly tools: Tools;
}

/** The model may stop with a token to go on from. The SDK would go on by itself, and hide what each hop cost. */
async function ask(sdk: GoogleGenAI, call: Call, without: ReadonlySet<Refusable>): Promise<ModelResponse> {
  const shape: Shape = {
    structured: structuredOf(call.request, "gemini"),
    inWords: without.has("schema"),
    tools: toolsOf(call.request, "gemini", false),
  };
  const parts: Wire[] = [];
  let token: string | null = null;
  for (let hop = 1; ; hop++) {
    const answer = await askOnce(sdk, call, paramsOf(call, shape, token));
    const candidate = object(objects(answer.candidates)[0]);
    const said = objects(object(candidate.content).parts);
    parts.push(...said);
    token = textOrNull(candidate.continuationToken);
    if (candidate.finishReason !== "CONTINUATION" || token === null || hop === MAX_HOPS) {
      return readAnswer({ answer, candidate, parts }, call, shape);
    }
    call.nextHop(textOf(said));
  }
}

async function askOnce(sdk: GoogleGenAI, call: Call, params: GenerateContentParameters): Promise<Wire> {
  let body: string | null = null;
  // The SDK keeps the headers of failures to itself.
  const fetch = async (...[input, init]: Parameters<typeof globalThis.fetch>): Promise<Response> => {
    const response = await fetchOf(call.endpoint)(input, init);
    if (!response.ok) {
      call.noteHeaders(response.headers);
      return response;
    }
    call.begin(response.headers);
    if (call.streamed && isEventStream(response)) {
      return response;
    }
    body = await response.text();
    return new Response(body, response);
  };
  const options = {
    timeout: call.timeoutMs,
    headers: { "x-client-request-id": call.callId },
    fetch,
  };
  const full = { ...params, config: { ...params.config, httpOptions: options } };
  let answer: Wire;
  try {
    answer = await (call.streamed ? askStreamed(sdk, full, call) : askWhole(sdk, full, call));
  } catch (error) {
    const unread = call.streamed && body !== null ? call.malformed("answered with what is no stream") : error;
    throw errorInBody(body, call) ?? unread;
  }
  const blocked = object(answer.promptFeedback).blockReason;
  if (objects(answer.candidates).length === 0 && !blocked) {
    throw errorInBody(body, call) ?? call.malformed("answered without a candidate; check the base URL");
  }
  return answer;
}

async function askStreamed(sdk: GoogleGenAI, params: GenerateContentParameters, call: Call): Promise<Wire> {
  return readGeminiStream(await sdk.models.generateContentStream(params), call);
}

async function askWhole(sdk: GoogleGenAI, params: GenerateContentParameters, call: Call): Promise<Wire> {
  const answer = object((await sdk.models.generateContent(params)) as unknown);
  call.tell(usageOfGemini(object(answer.usageMetadata)));
  return answer;
}

/** The SDK drops what stands beside the candidates, and reads no error with status 200. */
function errorInBody(body: string | null, call: Call): Error | undefined {
  try {
    const answer = object(JSON.parse(body ?? "null") as unknown);
    return answer.error ? call.refusedBy(answer) : undefined;
  } catch {
    return undefined;
  }
}

function paramsOf(
  { request, endpoint: { provider }, signal }: Call,
  { structured, inWords, tools }: Shape,
  token: string | null,
): GenerateContentParameters {
  const systems = request.messages.filter(({ role }) => role === "system").map(({ content }) => content);
  const system = [...systems, ...(structured && inWords ? [askInWords(structured)] : [])].join("\n\n");
  const { temperature, stop, seed, effort, toolChoice } = request;
  const config = {
    ...(system === "" ? {} : { systemInstruction: system }),
    maxOutputTokens: request.maxOutputTokens,
    ...(temperature === undefined ? {} : { temperature }),
    ...(stop === undefined || stop.length === 0 ? {} : { stopSequences: [...stop] }),
    ...(seed === undefined ? {} : { seed }),
    ...(effort === undefined ? {} : { thinkingConfig: { thinkingLevel: effort.toUpperCase() } }),
    ...(structured && !inWords
      ? { responseMimeType: "application/json", responseJsonSchema: structured.schema }
      : {}),
    ...(tools.specs.length === 0
      ? {}
      : {
          tools: [
            {
              functionDeclarations: tools.specs.map(({ name, description, compiled: { schema } }) => ({
                name,
                description,
                parametersJsonSchema: schema,
              })),
            },
          ],
          ...(toolChoice === undefined
            ? {}
            : { toolConfig: { functionCallingConfig: { mode: toolChoice.toUpperCase() } } }),
        }),
    automaticContinuation: false,
    automaticFunctionCalling: { disable: true },
    ...(token === null ? {} : { continuationToken: token }),
    abortSignal: signal,
  };
  return {
    model: request.model,
    contents: contentsOf(request.messages, provider),
    config,
  } as unknown as GenerateContentParameters;
}

function textOf(parts: readonly Wire[]): string {
  return parts.map((part) => (part.thought === true ? "" : text(part.text))).join("");
}

interface Answer {
  readonly answer: Wire;
  readonly candidate: Wire;
  /** Of all hops. */
  readonly parts: readonly Wire[];
}

function readAnswer({ answer, candidate, parts }: Answer, call: Call, shape: Shape): ModelResponse {
  const { structured, tools } = shape;
  const toolCalls = toolCallsOf(parts, tools);
  const said = textOf(parts);
  const usage = call.complete(said + JSON.stringify(toolCalls));
  const blocked = textOrNull(object(answer.promptFeedback).blockReason);
  const reason = text(candidate.finishReason);
  if (MALFORMED.has(reason)) {
    throw call.malformed(`stopped with ${reason}`);
  }
  const finishReason = blocked ? "content_filter" : finishOf(reason, toolCalls);
  return {
    text: structured ? structured.restore(said) : said,
    toolCalls,
    finishReason,
    refusal: finishReason === "content_filter" ? refusalOf(blocked, candidate) : null,
    usage,
    model: textOrNull(answer.modelVersion) ?? call.request.model,
    responseId: textOrNull(answer.responseId),
    requestId: requestIdOf(call.headers),
    costUsd: null,
    native: nativeOf(GEMINI_FORMAT, parts),
    limits: limitsOf(call.headers),
  };
}

/** Calls without an id get one, so that their results can be told apart. */
function toolCallsOf(parts: readonly Wire[], tools: Tools): readonly ToolCall[] {
  // Short: OpenAI takes no ids of more than 40 characters, should it have to go on.
  const base = MADE_ID + randomUUID().slice(0, 13);
  return parts
    .filter((part) => part.functionCall !== undefined)
    .map((part, index) => {
      const call = object(part.functionCall);
      const name = text(call.name);
      return { id: textOrNull(call.id) ?? `${base}-${index}`, name, args: tools.readArgs(name, call.args) };
    });
}

/** Worth another try: the model made a mistake in the form. */
const MALFORMED: ReadonlySet<string> = new Set([
  "MALFORMED_FUNCTION_CALL",
  "MALFORMED_RESPONSE",
  "UNEXPECTED_TOOL_CALL",
  "TOO_MANY_TOOL_CALLS",
  "MISSING_THOUGHT_SIGNATURE",
]);

function finishOf(reason: string, toolCalls: readonly ToolCall[]): FinishReason {
  switch (reason) {
    case "MAX_TOKENS":
    case "CONTINUATION":
      return "length";
    case "SAFETY":
    case "RECITATION":
    case "PROHIBITED_CONTENT":
    case "BLOCKLIST":
    case "SPII":
    case "LANGUAGE":
    case "IMAGE_SAFETY":
      return "content_filter";
    default:
      return toolCalls.length > 0 ? "tool_calls" : "stop";
  }
}

function refusalOf(blocked: string | null, candidate: Wire): string {
  return blocked
    ? `the prompt was blocked: ${blocked}`
    : (textOrNull(candidate.finishMessage) ?? `the answer was blocked: ${text(candidate.finishReason)}`);
}
