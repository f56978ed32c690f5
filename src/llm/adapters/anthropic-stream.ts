import type { Call } from "./call.ts";
import { usageOfAnthropic } from "./usage.ts";
import { object, parseArgs, text, type Wire } from "./wire.ts";

/** Puts the events of a streamed message together to what it would have been in one piece. */
export async function readAnthropicStream(stream: AsyncIterable<unknown>, call: Call): Promise<Wire> {
  let message: Wire = {};
  let usage: Wire = {};
  const blocks = new Map<unknown, Block>();
  for await (const given of stream) {
    const event = object(given);
    switch (event.type) {
      case "message_start":
        message = object(event.message);
        usage = object(message.usage);
        call.tell(usageOfAnthropic(usage), true);
        break;
      case "content_block_start":
        blocks.set(event.index, new Block(object(event.content_block), call));
        break;
      case "content_block_delta":
        blocks.get(event.index)?.add(object(event.delta), call);
        break;
      case "message_delta":
        message = { ...message, ...object(event.delta) };
        // Cumulative; what it does not mention stays as it was at the start.
        usage = { ...usage, ...withoutNulls(object(event.usage)) };
        call.tell(usageOfAnthropic(usage));
        break;
      case "message_stop":
        return { ...message, usage, content: [...blocks.values()].map((block) => block.whole()) };
      case "error":
        throw call.refusedBy(event);
    }
  }
  throw call.cutShort();
}

function withoutNulls(usage: Wire): Wire {
  return Object.fromEntries(
    Object.entries(usage).filter(([, value]) => value !== null && value !== undefined),
  );
}

class Block {
  readonly #start: Wire;
  readonly #texts: Record<string, string> = {};
  readonly #citations: unknown[] = [];
  #input = "";

  constructor(start: Wire, call: Call) {
    this.#start = start;
    call.write(text(start.text));
  }

  add(delta: Wire, call: Call): void {
    switch (delta.type) {
      case "text_delta":
        this.#append("text", delta.text);
        call.write(text(delta.text));
        break;
      case "input_json_delta":
        this.#input += text(delta.partial_json);
        call.writeUntold(text(delta.partial_json));
        break;
      case "thinking_delta":
        this.#append("thinking", delta.thinking);
        call.writeUntold(text(delta.thinking));
        break;
      case "signature_delta":
        this.#append("signature", delta.signature);
        break;
      case "citations_delta":
        this.#citations.push(delta.citation);
        break;
    }
  }

  #append(key: string, piece: unknown): void {
    this.#texts[key] = (this.#texts[key] ?? "") + text(piece);
  }

  whole(): Wire {
    const texts = Object.entries(this.#texts).map(([key, value]) => [key, text(this.#start[key]) + value]);
    return {
      ...this.#start,
      ...Object.fromEntries(texts),
      ...(this.#input === "" ? {} : { input: parseArgs(this.#input) }),
      ...(this.#citations.length === 0 ? {} : { citations: this.#citations }),
    };
  }
}
