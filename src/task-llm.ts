import { setMaxListeners } from "node:events";
import { v5 as uuidOf } from "uuid";
import { GoalpostError } from "./core/errors.ts";
import type { Json } from "./core/json.ts";
import type { CallScope } from "./core/ledger.ts";
import type { LlmRequest, LlmResult } from "./core/llm.ts";
import type { LlmCallContext, LlmTask, PreparedRequest } from "./core/model-calls.ts";
import type { LlmCallOptions } from "./core/step.ts";
import type { TaskCall } from "./engine/code.ts";

/** Keys of what is remembered: no name begins like that. */
const PREFIX = "/llm/";
const MAX_KEY_LENGTH = 256;
/** Times that one request gives its slot back because a provider asks it to wait. */
const MAX_RELEASES = 3;

/** Asks a model. */
export type AskModel = <T = null>(request: LlmRequest<T>, options?: LlmCallOptions) => Promise<LlmResult<T>>;

/** What a task asks models with: each request once, whatever becomes of the try that made it. */
export function makeTaskLlm(call: TaskCall): AskModel {
  const asked = new Map<string, number>();
  const underWay = new Map<string, Promise<Json>>();
  // A step may ask as many at once as it likes.
  setMaxListeners(0, call.signal);
  return async (request, { key } = {}) => {
    call.signal.throwIfAborted();
    checkKey(key);
    const prepared = await call.waits.keepBusy(() => call.models.prepare(request));
    const memoKey = `${PREFIX}${key === undefined ? ordinalKey(asked, prepared.key) : `=${key}`}`;
    const stored = call.recall(memoKey) ?? underWay.get(memoKey);
    if (stored !== undefined) {
      return prepared.restore(await stored);
    }
    const answer = ask(call, prepared, memoKey);
    // Of two with one key the second is given what the first is.
    const promise = answer.then(toStored);
    promise.catch(() => undefined);
    underWay.set(memoKey, promise);
    try {
      return await answer;
    } finally {
      underWay.delete(memoKey);
    }
  };
}

/** Equal requests of one call of the step are told apart by their order. */
function ordinalKey(asked: Map<string, number>, key: string): string {
  const ordinal = asked.get(key) ?? 0;
  asked.set(key, ordinal + 1);
  return `${key}/${ordinal}`;
}

async function ask<T>(call: TaskCall, prepared: PreparedRequest<T>, memoKey: string): Promise<LlmResult<T>> {
  const { run, position, item } = placeOf(call);
  const ctx: LlmCallContext = {
    requestId: uuidOf(`${position}/${item ?? ""}${memoKey}`, run),
    scope: scopeOf(call),
    signal: call.signal,
    deadlineAt: call.deadlineAt,
    step: call.node.kind === "plan" ? undefined : (call.node.spec.step ?? call.node.name),
    offCriticalPath: call.node.spec.hint?.offCriticalPath,
    preferred: call.node.spec.hint?.model,
    resumed: call.resumed || call.attempt > 1,
    task: taskOf(call, memoKey),
  };
  const result = await prepared.ask(ctx);
  call.spend(result);
  await call.once(memoKey, () => toStored(result));
  return result;
}

/** What the schema made of an answer is made anew: JSON may not hold it. */
function toStored({ parsed: _, ...result }: LlmResult): Json {
  return { ...result, parsed: null } as unknown as Json;
}

/** Where a task stands. */
export function placeOf({ run, node, index }: TaskCall): {
  run: string;
  position: number;
  item: number | null;
} {
  return { run: run.id, position: node.position, item: index ?? null };
}

/** On whose account its calls are. */
export function scopeOf(call: TaskCall): CallScope {
  const { run, position, item } = placeOf(call);
  const { node } = call;
  return {
    runId: run,
    workflow: call.run.workflow,
    position,
    taskId: node.kind === "plan" ? (node.spec.parent ?? node.name) : node.name,
    item,
    attempt: call.attempt,
    instance: call.models.instance,
    labels: null,
  };
}

/** What it does for a request. @param memoKey what the keys of the request begin with */
export function taskOf(call: TaskCall, memoKey: string): LlmTask {
  const keyOf = (key: string): string => `${memoKey}/${key}`;
  return {
    recall: (key) => call.recall(keyOf(key)),
    remember: async (key, value) => {
      await call.once(keyOf(key), () => value);
    },
    // The waiting for an approval has no time of its own: within ctx.once it would never end.
    keepBusy: (work) => call.untimed(() => call.waits.keepBusy(work)),
    approve: (question) => call.waits.toolApproval(question),
    release: async (delayMs, reason, { counted }) => {
      if (!counted || (await countRelease(call, keyOf))) {
        call.release(delayMs, reason);
      }
    },
  };
}

/** Counts over all calls of the step; false if it was too often. */
async function countRelease(call: TaskCall, keyOf: (key: string) => string): Promise<boolean> {
  let ordinal = 0;
  while (call.recall(keyOf(`release/${ordinal}`)) !== undefined) {
    ordinal += 1;
  }
  if (ordinal >= MAX_RELEASES) {
    return false;
  }
  await call.once(keyOf(`release/${ordinal}`), () => true);
  return true;
}

function checkKey(key: unknown): void {
  const fits =
    key === undefined ||
    (typeof key === "string" && key.length > 0 && key.length <= MAX_KEY_LENGTH && !key.includes("\u0000"));
  if (!fits) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `the key of ctx.llm must be a text of 1 to ${MAX_KEY_LENGTH} characters without zero characters`,
    );
  }
}
