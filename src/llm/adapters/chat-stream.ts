import type { Call } from "./call.ts";
import { usageOfChat } from "./usage.ts";
import { object, objects, text, textOrNull, type Wire } from "./wire.ts";

interface CallParts {
  readonly first: Wire;
  id: string | null;
  name: string;
  arguments: string;
}

/** Puts the chunks of a streamed chat completion together to what it would have been in one piece. */
export async function readChatStream(stream: AsyncIterable<unknown>, call: Call): Promise<Wire> {
  const parts = new MessageParts();
  let last: Wire = {};
  let usage: unknown;
  let finish: string | null = null;
  for await (const given of stream) {
    const chunk = object(given);
    if (chunk.error) {
      throw call.refusedBy(chunk);
    }
    last = { ...last, ...chunk };
    if (chunk.usage) {
      usage = chunk.usage;
      call.tell(usageOfChat(object(usage)));
    }
    // The chunk with the usage has no choices.
    const [choice] = objects(chunk.choices);
    if (choice?.error) {
      throw call.refusedBy({ error: choice.error });
    }
    parts.add(object(choice?.delta), call);
    finish = textOrNull(choice?.finish_reason) ?? finish;
  }
  if (finish === null) {
    throw call.cutShort();
  }
  return { ...last, usage, choices: [{ message: parts.message(), finish_reason: finish }] };
}

class MessageParts {
  #content = "";
  #refusal = "";
  #reasoning = "";
  /** What else servers put beside the content, pieces of lists in their order. */
  readonly #others: Record<string, unknown> = {};
  readonly #calls: CallParts[] = [];
  readonly #byIndex = new Map<unknown, CallParts>();

  add(delta: Wire, call: Call): void {
    const { role: _, content, refusal, reasoning_content, tool_calls, ...others } = delta;
    const piece =
      typeof content === "string"
        ? content
        : objects(content)
            .map((part) => text(part.text))
            .join("");
    this.#content += piece;
    call.write(piece);
    this.#refusal += text(refusal);
    this.#reasoning += text(reasoning_content);
    call.writeUntold(text(refusal) + text(reasoning_content));
    for (const item of objects(tool_calls)) {
      this.#addCall(item, call);
    }
    for (const [key, value] of Object.entries(others)) {
      const before = this.#others[key];
      this.#others[key] =
        Array.isArray(before) && Array.isArray(value)
          ? [...before, ...value]
          : typeof before === "string" && typeof value === "string"
            ? before + value
            : value;
    }
  }

  /** Pieces of a call have its index; servers that give none send each call in one piece, with an id. */
  #addCall(item: Wire, call: Call): void {
    const fn = object(item.function);
    const key = item.index ?? item.id ?? 0;
    let parts = this.#byIndex.get(key);
    if (!parts || (item.index === undefined && item.id === undefined && fn.name !== undefined)) {
      parts = { first: item, id: null, name: "", arguments: "" };
      this.#byIndex.set(key, parts);
      this.#calls.push(parts);
    }
    parts.id ??= textOrNull(item.id);
    parts.name = parts.name === text(fn.name) ? parts.name : parts.name + text(fn.name);
    parts.arguments +=
      typeof fn.arguments === "string" ? fn.arguments : fn.arguments ? JSON.stringify(fn.arguments) : "";
    call.writeUntold(text(fn.arguments));
  }

  message(): Wire {
    const calls = this.#calls.map(({ first: { index: _, ...first }, id, name, arguments: args }) => ({
      ...first,
      type: "function",
      ...(id === null ? {} : { id }),
      function: { ...object(first.function), name, arguments: args },
    }));
    return {
      ...this.#others,
      role: "assistant",
      content: this.#content === "" && calls.length > 0 ? null : this.#content,
      ...(this.#refusal === "" ? {} : { refusal: this.#refusal }),
      ...(this.#reasoning === "" ? {} : { reasoning_content: this.#reasoning }),
      ...(calls.length === 0 ? {} : { tool_calls: calls }),
    };
  }
}
