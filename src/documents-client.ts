import type { Driver } from "./core/driver.ts";
import { Documents } from "./documents/documents.ts";
import { clientEmbedTexts } from "./embed-client.ts";
import type { LlmClient } from "./llm-client.ts";
import { embedTextsOf, modelsOf } from "./step-context.ts";

/** The documents of each client, by what it calls models with: a step knows that, and no more of its client. */
const BY_MODELS = new WeakMap<object, Documents>();

/** The documents of a client. */
export function clientDocuments(driver: Driver, models: LlmClient): Documents {
  const documents = new Documents({ driver, embed: clientEmbedTexts(models) });
  BY_MODELS.set(models, documents);
  return documents;
}

/** The same for a step of a built-in workflow: what it embeds is on its run's account. */
export function documentsOf(ctx: object): Documents {
  const documents = BY_MODELS.get(modelsOf(ctx)) as Documents;
  return documents.withEmbed(embedTextsOf(ctx));
}
