import { isObject, type Json } from "../../core/json.ts";
import type { LlmMessage } from "../../core/llm.ts";
import { nativeItems, type Wire } from "./wire.ts";

export const ANTHROPIC_FORMAT = "anthropic.messages";

/** All system messages in one: the API has one place for them. */
export function systemOf(messages: readonly LlmMessage[], more: string | undefined): string {
  const texts = messages.filter(({ role }) => role === "system").map(({ content }) => content);
  return [...texts, ...(more === undefined ? [] : [more])].join("\n\n");
}

interface Turn {
  readonly role: "user" | "assistant";
  readonly content: Wire[];
}

/**
 * The other messages as turns that alternate. All results of tools go into one user turn, before any text: results
 * that are spread over several turns are refused.
 */
export function turnsOf(messages: readonly LlmMessage[], provider: string): readonly Wire[] {
  const turns: Turn[] = [];
  for (const message of messages) {
    const role = message.role === "assistant" ? "assistant" : "user";
    const blocks = message.role === "system" ? [] : blocksOf(message, provider);
    const last = turns.at(-1);
    if (last?.role === role) {
      last.content.push(...blocks);
    } else if (blocks.length > 0) {
      turns.push({ role, content: [...blocks] });
    }
  }
  return turns.map(({ role, content }) => ({
    role,
    content: role === "user" ? resultsFirst(content) : content,
  }));
}

function resultsFirst(content: readonly Wire[]): readonly Wire[] {
  const isResult = ({ type }: Wire): boolean => type === "tool_result";
  return [...content.filter(isResult), ...content.filter((block) => !isResult(block))];
}

function blocksOf(message: LlmMessage, provider: string): readonly Wire[] {
  const { role, content, toolCalls = [], toolCallId, isError } = message;
  if (role === "tool") {
    const error = isError ? { is_error: true } : {};
    return [{ type: "tool_result", tool_use_id: safeId(toolCallId ?? ""), content, ...error }];
  }
  // Empty texts are refused.
  const said = content.trim() === "" ? [] : [{ type: "text", text: content }];
  if (role !== "assistant") {
    return said;
  }
  return (
    nativeItems(message, { provider, format: ANTHROPIC_FORMAT }) ?? [
      ...said,
      ...toolCalls.map(({ id, name, args }) => ({
        type: "tool_use",
        id: safeId(id),
        name,
        input: inputOf(args),
      })),
    ]
  );
}

/** Ids of other providers may have characters that are refused here. */
function safeId(id: string): string {
  return id.replace(/[^A-Za-z0-9_-]/g, "_");
}

function inputOf(args: Json): Wire {
  return isObject(args) ? args : args === null ? {} : { value: args };
}
