import { GoalpostError } from "./core/errors.ts";
import type { JsonSchema } from "./core/goal.ts";
import { isObject, type Json } from "./core/json.ts";
import type { FinishReason, LlmResult, LlmRequest as Request } from "./core/llm.ts";
import { CHOICE, type ChosenRequest } from "./core/model-routing.ts";
import type { Usage } from "./core/usage.ts";
import type { Workflow } from "./core/workflow.ts";
import { modelsOf } from "./step-context.ts";
import { workflow } from "./workflows/builder.ts";

/** What is asked of a model. */
export type LlmRequest<T = unknown> = Request<T>;

/** The name of the built-in workflow. */
export const LLM_REQUEST_WORKFLOW = "LlmRequest";
/** The channel that every result of {@link LlmRequest} is sent to. */
export const LLM_RESULT_CHANNEL = "llm_result";

/** A request as it is stored: without functions, its schema as JSON Schema. */
export interface LlmRequestInput
  extends Omit<Request, "schema" | "tools" | "maxToolRounds" | "onText" | "cascade"> {
  /** Names the request, for `gp.llm.result` and in the output. Default: the run's id. */
  readonly requestId?: string | undefined;
  /** JSON Schema of the answer: for a zod schema, `z.toJSONSchema(schema, { io: "input" })`. */
  readonly schema?: JsonSchema | undefined;
}

/** What a request comes to. */
export interface LlmRequestOutput {
  readonly requestId: string;
  /** The text of the answer. */
  readonly response: string;
  /** The answer as its schema has it; null without one. */
  readonly parsed: Json;
  readonly finishReason: FinishReason;
  readonly provider: string;
  readonly model: string;
  readonly tokensUsed: number;
  /** US cents; null if a price is unknown. */
  readonly costCents: number | null;
  readonly usage: Usage;
  /** When it was answered, ISO 8601. */
  readonly timestamp: string;
}

/**
 * The built-in workflow that makes one request durable: `receive_request` checks it, `select_model` chooses,
 * `call_llm_provider` asks, and `publish_result` sends the result to the channel "llm_result" and returns it. Every
 * client knows it: `gp.execute(LlmRequest, { messages })`, or `gp.llm.enqueue`.
 */
export const LlmRequest: Workflow<LlmRequestInput, { readonly publish_result: LlmRequestOutput }> =
  workflow<LlmRequestInput>(LLM_REQUEST_WORKFLOW)
    .step("receive_request", async ({ run }, ctx) => {
      await modelsOf(ctx).prepare(await toRequest(run));
      return { requestId: run.requestId ?? ctx.runId, taskType: run.taskType ?? null };
    })
    .step("select_model", { after: ["receive_request"] }, async ({ run }, ctx) => {
      const prepared = await modelsOf(ctx).prepare(await toRequest(run));
      const { models, choice } = await prepared.choose(ctx.runId);
      const [{ provider, model }, ...fallbacks] = models as [ModelChoice, ...ModelChoice[]];
      return { provider, model, fallbacks, ...(choice && { choice }) };
    })
    .step(
      "call_llm_provider",
      { after: ["select_model"] },
      async ({ run, select_model: { choice, ...asked } }, ctx) => {
        const chosen: ChosenRequest = { [CHOICE]: choice };
        const {
          messages: _,
          requestId: __,
          ...result
        } = await ctx.llm({ ...(await toRequest(run)), ...asked, ...chosen });
        return result;
      },
    )
    .step(
      "publish_result",
      { after: ["receive_request", "call_llm_provider"] },
      async ({ receive_request: { requestId }, call_llm_provider: result }, ctx) => {
        const output = toOutput(requestId, result);
        await ctx.once("publish", () => ctx.channels.send(LLM_RESULT_CHANNEL, output));
        return output;
      },
    );

interface ModelChoice {
  readonly provider: string;
  readonly model: string;
}

function toOutput(
  requestId: string,
  result: Omit<LlmResult, "messages" | "requestId" | "parsed"> & { readonly parsed: unknown },
): LlmRequestOutput {
  const { response, finishReason, provider, model, tokensUsed, costCents, usage, timestamp } = result;
  const parsed = result.parsed as Json;
  return {
    requestId,
    response,
    parsed,
    finishReason,
    provider,
    model,
    tokensUsed,
    costCents,
    usage,
    timestamp,
  };
}

/** The request that a stored one stands for. @throws INVALID_INPUT */
export async function toRequest(input: LlmRequestInput): Promise<Request> {
  if (!isObject(input)) {
    throw new GoalpostError("INVALID_INPUT", "the input of LlmRequest must be an object with messages");
  }
  const { requestId, schema, ...rest } = input;
  checkRequestId(requestId);
  if (schema === undefined) {
    return rest;
  }
  const { fromJsonSchema } = await import("./llm/schemas.ts");
  return { ...rest, schema: (await fromJsonSchema(schema, "schema")) as NonNullable<Request["schema"]> };
}

const MAX_ID_LENGTH = 128;

function checkRequestId(id: unknown): void {
  const fits = id === undefined || (typeof id === "string" && id.trim() !== "" && id.length <= MAX_ID_LENGTH);
  if (!fits) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `requestId is ${JSON.stringify(id)?.slice(0, 2 * MAX_ID_LENGTH)}; it must be a text of 1 to ${MAX_ID_LENGTH} characters`,
    );
  }
}
