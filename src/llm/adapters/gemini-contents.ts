import { isObject } from "../../core/json.ts";
import type { LlmMessage } from "../../core/llm.ts";
import { nativeItems, object, textOrNull, type Wire } from "./wire.ts";

export const GEMINI_FORMAT = "gemini.parts";

/** What ids of calls begin with that the model gave none. They are ours, and never sent. */
export const MADE_ID = "gemini-call-";

interface Content {
  readonly role: "user" | "model";
  readonly parts: Wire[];
}

/**
 * The messages as turns that alternate; the results of one turn's tools go into one. Turns of Gemini's own go back
 * with the signatures of their thoughts.
 */
export function contentsOf(messages: readonly LlmMessage[], provider: string): readonly Wire[] {
  const contents: Content[] = [];
  const names = new Map<string, string>();
  for (const message of messages) {
    if (message.role === "system") {
      continue;
    }
    for (const { id, name } of message.toolCalls ?? []) {
      names.set(id, name);
    }
    const role = message.role === "assistant" ? "model" : "user";
    const parts = message.role === "tool" ? [resultOf(message, names)] : partsOf(message, provider);
    const last = contents.at(-1);
    if (last?.role === role) {
      last.parts.push(...parts);
    } else if (parts.length > 0) {
      contents.push({ role, parts: [...parts] });
    }
  }
  return contents.map(({ role, parts }) => ({ role, parts }));
}

function resultOf(
  { toolCallId = "", content, isError }: LlmMessage,
  names: ReadonlyMap<string, string>,
): Wire {
  return {
    functionResponse: {
      ...sentId(toolCallId),
      name: names.get(toolCallId) ?? toolCallId,
      response: isError ? { error: content } : { output: parsed(content) },
    },
  };
}

function sentId(id: string): { readonly id?: string } {
  return id === "" || id.startsWith(MADE_ID) ? {} : { id };
}

function parsed(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return content;
  }
}

function partsOf(message: LlmMessage, provider: string): readonly Wire[] {
  const { role, content, toolCalls = [] } = message;
  const said = content === "" ? [] : [{ text: content }];
  if (role !== "assistant") {
    return said;
  }
  return (
    nativeItems(message, { provider, format: GEMINI_FORMAT }) ?? [
      ...said,
      ...toolCalls.map(({ id, name, args }) => ({
        functionCall: {
          ...sentId(id),
          name,
          args: isObject(args) ? args : args === null ? {} : { value: args },
        },
      })),
    ]
  );
}

/** Puts text parts that follow each other together, as long as no signature stands between them. */
export function joinTexts(parts: readonly Wire[]): readonly Wire[] {
  const joined: Wire[] = [];
  for (const part of parts) {
    const last = object(joined.at(-1));
    const both = isPlainText(last) && isPlainText(part) && last.thought === part.thought;
    if (both) {
      joined[joined.length - 1] = { ...part, text: `${last.text}${part.text}` };
    } else {
      joined.push(part);
    }
  }
  return joined;
}

function isPlainText(part: Wire): boolean {
  return textOrNull(part.text) !== null && part.thoughtSignature === undefined;
}
