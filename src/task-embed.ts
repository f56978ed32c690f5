import { setMaxListeners } from "node:events";
import { v5 as uuidOf } from "uuid";
import type { EmbedTexts, StepEmbed } from "./core/embedding.ts";
import type { LlmCallContext } from "./core/model-calls.ts";
import { checkEmbedRequest, checkTexts, type GivenRequest } from "./embed/check-request.ts";
import { toEmbedResult } from "./embed-client.ts";
import type { TaskCall } from "./engine/code.ts";
import { placeOf, scopeOf, taskOf } from "./task-llm.ts";

/** Keys of what is remembered: no name begins like that. */
const PREFIX = "/embed";

/** What a task embeds with: each batch once, whatever becomes of the try that made it. */
export function makeTaskEmbed(call: TaskCall): StepEmbed {
  // A step may embed as many at once as it likes.
  setMaxListeners(0, call.signal);
  return (async (request: GivenRequest) => {
    call.signal.throwIfAborted();
    const { texts, purpose } = checkEmbedRequest(request);
    const { model, onProgress } = request;
    const embedded = await call.models.embed({ texts, model, purpose, onProgress }, embedContext(call));
    return toEmbedResult(request, embedded);
  }) as StepEmbed;
}

/** The account of a task. */
export function embedContext(call: TaskCall): LlmCallContext {
  const { run, position, item } = placeOf(call);
  return {
    requestId: uuidOf(`${position}/${item ?? ""}${PREFIX}`, run),
    scope: scopeOf(call),
    signal: call.signal,
    deadlineAt: call.deadlineAt,
    resumed: call.resumed || call.attempt > 1,
    task: taskOf(call, PREFIX),
  };
}

/** The same for steps of the client's own workflows, whose texts may be of any length. */
export function taskEmbedTexts(call: TaskCall): EmbedTexts {
  return async (texts, { model, purpose, onProgress }) => {
    checkTexts(texts);
    return call.models.embed({ texts, model, purpose, onProgress }, embedContext(call));
  };
}
