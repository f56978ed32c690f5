import { createHash } from "node:crypto";
import { GoalpostError } from "../core/errors.ts";
import { canonicalJson, type Json } from "../core/json.ts";
import type { Cascade, LlmRequest, LlmResult } from "../core/llm.ts";
import type { LlmCallContext, PreparedRequest } from "../core/model-calls.ts";
import { runCascade } from "./cascade.ts";
import { checkRequest } from "./check-request.ts";
import { type ChoicePlace, chooseModels } from "./choose-models.ts";
import { type CompiledRequest, invalid } from "./conversation.ts";
import { converseOnce } from "./converse.ts";
import type { LlmParts } from "./llm-parts.ts";
import { compileSchema } from "./schemas.ts";
import { selectModels } from "./select-model.ts";
import { parseAnswer } from "./structured.ts";
import { compileTools } from "./tools.ts";

const KEY_LENGTH = 40;

/**
 * Checks a request and reads its schemas; nothing is asked yet.
 * @throws INVALID_INPUT
 */
export async function prepareRequest<T>(
  parts: LlmParts,
  request: LlmRequest<T>,
): Promise<PreparedRequest<T>> {
  checkRequest(request);
  const schema = request.schema && (await compileSchema(request.schema, "schema"));
  const tools = await compileTools(request.tools ?? {});
  const compiled: CompiledRequest = { request, schema, tools };
  return {
    key: keyOf(compiled),
    models: () =>
      selectModels(parts, request).map(({ provider, model }) => ({ provider: provider.name, model })),
    choose: async (runId) => {
      const place = { requestId: null, runId, labels: null, step: undefined, offCriticalPath: true };
      const { candidates, draw } = await chooseModels(parts, request, place);
      const models = candidates.map(({ provider, model }) => ({ provider: provider.name, model }));
      return { models, choice: draw?.choice ?? null };
    },
    ask: async (ctx) => {
      refuseSideEffects(compiled, ctx);
      const place = placeOf(ctx);
      const { cascade } = request;
      if (cascade) {
        const on = { compiled, cascade: cascade as Cascade, ctx, place };
        const restoreStage = (stored: Json) => restore(compiled, stored as unknown as LlmResult<null>);
        return (await runCascade(parts, { ...on, restore: restoreStage })) as LlmResult<T>;
      }
      const chosen = await chooseModels(parts, request, place);
      return (await converseOnce(parts, { compiled, ctx, chosen })) as LlmResult<T>;
    },
    restore: (stored) => restore<T>(compiled, stored as unknown as LlmResult<null>),
  };
}

/** In a task others may wait for the answer, unless its plan says otherwise; outside nobody knows of any who do. */
function placeOf(ctx: LlmCallContext): ChoicePlace {
  const { requestId, scope, step, task, preferred, offCriticalPath = task === null } = ctx;
  const { runId, labels } = scope;
  return { requestId, runId, labels, step, offCriticalPath, preferred };
}

/** Tells requests apart by what is asked, not by how patiently. */
function keyOf({ request, schema, tools }: CompiledRequest): string {
  const { onText: _, timeoutMs, maxAttempts, budget, routing, cascade, ...asked } = request;
  const described = {
    ...asked,
    cascade: cascade?.models,
    schema: schema?.json,
    tools: Object.fromEntries(
      [...tools.values()].map(({ spec, tool }) => [
        spec.name,
        { ...spec, sideEffect: tool.sideEffect ?? false },
      ]),
    ),
  };
  return createHash("sha256").update(canonicalJson(described)).digest("hex").slice(0, KEY_LENGTH);
}

/** @throws INVALID_INPUT for tools that somebody has to approve where nobody can */
function refuseSideEffects({ tools }: CompiledRequest, { task }: LlmCallContext): void {
  const names = [...tools].flatMap(([name, { tool }]) => (tool.sideEffect ? [name] : []));
  if (names.length > 0 && !task) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `tools.${names.join(", ")}: tools with sideEffect wait for gp.runs.approve, which is of a task; ` +
        "ask with ctx.llm in a step, or leave sideEffect out",
    );
  }
}

async function restore<T>(compiled: CompiledRequest, stored: LlmResult<null>): Promise<LlmResult<T>> {
  if (!compiled.schema) {
    return stored as LlmResult<T>;
  }
  const parsed = await parseAnswer(stored.response, compiled.schema);
  if ("problems" in parsed) {
    throw invalid({ ...stored, text: stored.response, toolCalls: [], native: null }, parsed.problems, 0);
  }
  return { ...stored, parsed: parsed.value as T };
}
