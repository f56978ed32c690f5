import type { ChatModels } from "../../core/model.ts";
import { isUnknownPath } from "../model-errors.ts";
import type { Endpoint } from "./endpoint.ts";
import { openAiChat } from "./openai-chat.ts";
import { isOpenAi } from "./openai-client.ts";
import { openAiResponses } from "./openai-responses.ts";

/**
 * Models of a server that speaks OpenAI's language.
 * @param api which of its two dialects; undefined: Responses at OpenAI itself; elsewhere Chat Completions, or Responses
 * if the server does not know the former, which is found out once
 */
export function openAi(endpoint: Endpoint, api: "responses" | "chat" | undefined): ChatModels {
  if (api === "chat") {
    return openAiChat(endpoint);
  }
  return api === "responses" || isOpenAi(endpoint.baseUrl) ? openAiResponses(endpoint) : findingOut(endpoint);
}

function findingOut(endpoint: Endpoint): ChatModels {
  const chat = openAiChat(endpoint);
  const responses = openAiResponses(endpoint);
  let known: ChatModels | undefined;
  return {
    provider: endpoint.provider,
    structured: true,
    generate: async (request, ctx) => {
      if (known) {
        return known.generate(request, ctx);
      }
      const started = performance.now();
      try {
        const response = await chat.generate(request, ctx);
        known = chat;
        return response;
      } catch (error) {
        if (!isUnknownPath(error)) {
          throw error;
        }
        const left = { ...ctx, timeoutMs: ctx.timeoutMs - (performance.now() - started) };
        const response = await responses.generate(request, left).catch((second: unknown) => {
          // Neither is there: what the first one said is about the address that most servers have.
          throw isUnknownPath(second) ? error : second;
        });
        known = responses;
        return response;
      }
    },
  };
}
