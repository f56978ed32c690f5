import { GoalpostError } from "./core/errors.ts";
import { isObject } from "./core/json.ts";
import type { Usage } from "./core/usage.ts";
import type { Workflow } from "./core/workflow.ts";
import { checkModel, checkQuery } from "./embed/check-request.ts";
import { checkModelKnown } from "./step-context.ts";
import { workflow } from "./workflows/builder.ts";

/** The channel that every result of {@link Embedding} is sent to. */
export const EMBEDDING_CHANNEL = "embedding_result";

/** A text that is to be embedded. */
export interface EmbeddingInput {
  /** Names the query in the output. Default: the run's id. */
  readonly queryId?: string | undefined;
  /** 1 to 10,000 characters, not all of them blank. */
  readonly query: string;
  /** As in `gp.embed`. Default: the client's. */
  readonly model?: string | undefined;
}

/** What it comes to. */
export interface EmbeddingOutput {
  readonly queryId: string;
  /** L2-normalised. */
  readonly embedding: readonly number[];
  readonly embeddingDim: number;
  readonly provider: string;
  readonly model: string;
  readonly usage: Usage;
  /** When it was embedded, ISO 8601. */
  readonly timestamp: string;
}

/**
 * The built-in workflow that makes embedding a query durable: `receive_query` reads it, `validate_query` checks the text
 * and the model, `generate_embedding` embeds, and `publish_embedding` sends the result to the channel "embedding_result"
 * and returns it. Every client knows it: `gp.execute(Embedding, { query })`.
 */
export const Embedding: Workflow<EmbeddingInput, { readonly publish_embedding: EmbeddingOutput }> =
  workflow<EmbeddingInput>("Embedding")
    .step("receive_query", ({ run }, ctx) => {
      const given: unknown = run;
      if (!isObject(given)) {
        throw new GoalpostError("INVALID_INPUT", "the input of Embedding must be an object with a query");
      }
      const queryId = given.queryId ?? ctx.runId;
      if (typeof queryId !== "string" || queryId.trim() === "") {
        throw new GoalpostError("INVALID_INPUT", "queryId must be a text that is not empty");
      }
      return { queryId };
    })
    .step("validate_query", { after: ["receive_query"] }, async ({ run: { query, model } }, ctx) => {
      checkQuery(query, "query");
      checkModel(model ?? undefined);
      return checkModelKnown(ctx, model);
    })
    .step("generate_embedding", { after: ["validate_query"] }, async ({ run: { query, model } }, ctx) => {
      const result = await ctx.embed({ query, ...(model !== undefined && { model }) });
      return { ...result, timestamp: new Date().toISOString() };
    })
    .step(
      "publish_embedding",
      { after: ["receive_query", "generate_embedding"] },
      async ({ receive_query: { queryId }, generate_embedding: result }, ctx) => {
        const { embedding, embeddingDim, provider, model, usage, timestamp } = result;
        const output = { queryId, embedding, embeddingDim, provider, model, usage, timestamp };
        await ctx.once("publish", () => ctx.channels.send(EMBEDDING_CHANNEL, output));
        return output;
      },
    );
