import type { EmbedPurpose } from "../core/embedding.ts";
import { isObject } from "../core/json.ts";
import { rowsOf, type TokenInputs, tokensOf } from "./load-pipeline.ts";
import type { LocalModel } from "./local-embedder.ts";
import { type LocalSource, loadOptions, loadTransformers } from "./local-runtime.ts";
import { JINA_TASKS, jinaTask } from "./presets.ts";

/** What its makers put before texts, for models whose config does not say. */
const INSTRUCTIONS: Readonly<Record<string, string>> = {
  "retrieval.query": "Represent the query for retrieving evidence documents: ",
  "retrieval.passage": "Represent the document for retrieval: ",
};

/**
 * Loads jina-embeddings-v3 in its ONNX form. The stock pipeline cannot run it: the model is told by `task_id` which of its
 * adapters to use, and some exports call the vectors of tokens `text_embeds`.
 */
export async function loadJina(source: LocalSource): Promise<LocalModel> {
  const { AutoConfig, AutoModel, AutoTokenizer, Tensor, mean_pooling } = await loadTransformers();
  const options = loadOptions(source);
  const config = await AutoConfig.from_pretrained(source.path, options);
  const facts = config as unknown as Readonly<Record<string, unknown>>;
  const tasks = Array.isArray(facts.lora_adaptations) ? (facts.lora_adaptations as unknown[]) : JINA_TASKS;
  const instructions = isObject(facts.task_instructions) ? facts.task_instructions : INSTRUCTIONS;
  // Its own name of the type is known to nobody else.
  Object.assign(config, { model_type: "xlm-roberta" });
  const [tokenizer, model] = await Promise.all([
    AutoTokenizer.from_pretrained(source.path, options),
    AutoModel.from_pretrained(source.path, { ...options, config }),
  ]);
  const taskIdOf = (purpose: EmbedPurpose): number => Math.max(0, tasks.indexOf(jinaTask(purpose)));
  return {
    async embed({ texts, purpose }) {
      const before = instructions[jinaTask(purpose)];
      const asked = texts.map((text) => `${typeof before === "string" ? before : ""}${text}`);
      const inputs = (await tokenizer(asked, { padding: true, truncation: true })) as TokenInputs;
      const taskId = new Tensor("int64", BigInt64Array.of(BigInt(taskIdOf(purpose))), []);
      const outputs = await model({ ...inputs, task_id: taskId });
      const tokens = outputs.text_embeds ?? outputs.last_hidden_state ?? outputs.token_embeddings;
      const pooled = tokens.dims.length === 2 ? tokens : mean_pooling(tokens, inputs.attention_mask);
      return { vectors: rowsOf(pooled), inputTokens: tokensOf(inputs) };
    },
    dispose: async () => {
      await model.dispose();
    },
  };
}
