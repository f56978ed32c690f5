import { v5 as uuidOf } from "uuid";
import type { AgentContext } from "../core/agent-definition.ts";
import type { Json } from "../core/json.ts";
import type { ModelCalls } from "../core/model-calls.ts";

export interface AgentLlmParts {
  readonly models: ModelCalls;
  readonly agent: string;
  readonly messageId: string;
  /** Which try it is, from 1. */
  readonly attempt: number;
  readonly signal: AbortSignal;
  readonly once: (key: string, fn: () => unknown) => Promise<Json>;
}

/** What a handler asks models with: the answer to each request is remembered with the message. */
export function makeAgentLlm({
  models,
  agent,
  messageId,
  attempt,
  signal,
  once,
}: AgentLlmParts): AgentContext["llm"] {
  const asked = new Map<string, number>();
  return async (request, { key } = {}) => {
    const prepared = await models.prepare(request);
    const count = asked.get(prepared.key) ?? 0;
    asked.set(prepared.key, count + 1);
    const memoKey = `/llm/${key === undefined ? `${prepared.key}/${count}` : `=${key}`}`;
    const none = { runId: null, position: null, taskId: null, item: null, labels: null };
    const answer = await once(memoKey, async () => {
      const { parsed: _, ...result } = await prepared.ask({
        requestId: uuidOf(memoKey, messageId),
        scope: { ...none, workflow: `agent:${agent}`, attempt, instance: models.instance },
        signal,
        deadlineAt: null,
        resumed: attempt > 1,
        task: null,
      });
      // What the schema made of it is made anew: JSON may not hold it.
      return { ...result, parsed: null };
    });
    return prepared.restore(answer);
  };
}
