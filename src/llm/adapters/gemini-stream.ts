import type { Call } from "./call.ts";
import { joinTexts } from "./gemini-contents.ts";
import { usageOfGemini } from "./usage.ts";
import { object, objects, text, textOrNull, type Wire } from "./wire.ts";

/** Puts the chunks of a streamed answer together to what it would have been in one piece. */
export async function readGeminiStream(stream: AsyncIterable<unknown>, call: Call): Promise<Wire> {
  const parts: Wire[] = [];
  let answer: Wire = {};
  let candidate: Wire = {};
  let isWhole = false;
  for await (const given of stream) {
    const chunk = object(given);
    if (chunk.error) {
      throw call.refusedBy(chunk);
    }
    // Cumulative: the last one counts.
    call.tell(usageOfGemini(object(chunk.usageMetadata)));
    answer = { ...answer, ...chunk };
    const [next] = objects(chunk.candidates);
    candidate = { ...candidate, ...next };
    for (const part of objects(object(next?.content).parts)) {
      parts.push(part);
      if (part.thought === true || part.functionCall !== undefined) {
        call.writeUntold(text(part.text) + JSON.stringify(part.functionCall ?? ""));
      } else {
        call.write(text(part.text));
      }
    }
    isWhole ||= textOrNull(next?.finishReason) !== null || Boolean(object(chunk.promptFeedback).blockReason);
  }
  if (!isWhole) {
    throw call.cutShort();
  }
  const whole = { ...candidate, content: { role: "model", parts: joinTexts(parts) } };
  return { ...answer, candidates: Object.keys(candidate).length === 0 ? [] : [whole] };
}
