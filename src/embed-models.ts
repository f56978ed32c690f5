import type { EmbedModelOptions, EmbedOptions, LocalEmbedModel } from "./core/embed-options.ts";
import type { Embedder } from "./core/embedding.ts";
import { GoalpostError } from "./core/errors.ts";
import { HASH_PROVIDER, hashEmbedder, readHashModel } from "./embed/hash-embedder.ts";
import { DEFAULT_LOCAL_MODEL, LOCAL_PROVIDER, localEmbedder } from "./embed/local-embedder.ts";
import { COMBINED, type EmbedPreset, PRESETS } from "./embed/presets.ts";
import { modelCacheDir } from "./environment.ts";
import { NO_KEY } from "./llm/adapters/endpoint.ts";
import { openAiEmbedder } from "./llm/adapters/openai-embedder.ts";
import type { LlmProvider } from "./llm/llm-parts.ts";

/** A model by the name that it is asked for with. */
export interface EmbedModel {
  readonly provider: string;
  readonly model: string;
  /** One; or several whose vectors are joined. */
  readonly parts: readonly Embedder[];
}

/** The provider of models that are several joined. */
const COMBINED_NAME = "combined";
/** Whose models begin like that. */
const PREFIXES: readonly (readonly [RegExp, string])[] = [
  [/^text-embedding-(3|ada)-/, "openai"],
  [/^gemini-embedding-/, "gemini"],
];

/** Finds embedders by name, and keeps them. */
export class EmbedModels {
  readonly #options: EmbedOptions;
  readonly #providers: readonly LlmProvider[];
  readonly #found = new Map<string, EmbedModel>();

  /** @param providers those that are configured, in the order of preference */
  constructor(options: EmbedOptions, providers: readonly LlmProvider[]) {
    this.#options = options;
    this.#providers = providers;
  }

  /** @throws INVALID_INPUT for a name that is unknown; NO_PROVIDER for a model that is served nowhere */
  find(name: string = this.#default()): EmbedModel {
    const found = this.#found.get(name) ?? this.#make(name);
    this.#found.set(name, found);
    return found;
  }

  async close(): Promise<void> {
    const all = new Set([...this.#found.values()].flatMap(({ parts }) => parts));
    this.#found.clear();
    await Promise.allSettled([...all].map((one) => one.dispose?.()));
  }

  #default(): string {
    const first = this.#providers.find(({ embedModel }) => embedModel !== undefined);
    return this.#options.model ?? (first ? `${first.name}/${first.embedModel}` : "hash");
  }

  #make(name: string): EmbedModel {
    const slash = name.indexOf("/");
    const [provider, model] = slash < 0 ? [undefined, name] : [name.slice(0, slash), name.slice(slash + 1)];
    const named = this.#named(name) ?? (provider === undefined ? undefined : this.#namedAt(provider, model));
    if (named) {
      return named;
    }
    if (provider === LOCAL_PROVIDER || name === LOCAL_PROVIDER) {
      const path = name === LOCAL_PROVIDER ? DEFAULT_LOCAL_MODEL : model;
      return single(path, this.#local({ path }));
    }
    const vendor = PREFIXES.find(([prefix]) => prefix.test(name))?.[1];
    if (vendor !== undefined) {
      return single(name, this.#served(vendor, { model: name }));
    }
    if (provider !== undefined && model !== "" && isVendor(this.#providers, provider)) {
      return single(model, this.#served(provider, { model }));
    }
    throw new GoalpostError(
      "INVALID_INPUT",
      `the embedding model ${JSON.stringify(name)} is unknown: name one of ${this.#known().join(", ")}, ` +
        `or one of a provider as "provider/model" (configured: ${this.#providerNames()})`,
    );
  }

  /** What "provider/model" of an answer stands for, where the model has a name of its own. */
  #namedAt(provider: string, model: string): EmbedModel | undefined {
    const isNamed = this.#entry(model) || model === COMBINED_NAME || provider === HASH_PROVIDER;
    const named = isNamed ? this.#named(model) : undefined;
    return named?.provider === provider ? named : undefined;
  }

  #named(name: string): EmbedModel | undefined {
    const entry = this.#entry(name);
    if (entry) {
      return this.#ofEntry(name, entry);
    }
    if (name === COMBINED_NAME) {
      return this.#combined(name, COMBINED);
    }
    if (Object.hasOwn(PRESETS, name)) {
      throw new GoalpostError(
        "NO_PROVIDER",
        `the embedding model "${name}" (${PRESETS[name]?.model}) is served nowhere: say where in embed.models of ` +
          `Goalpost.open, as { ${JSON.stringify(name)}: { baseUrl } }, { provider } of llm.providers, or { path } of its ONNX form`,
      );
    }
    const dimensions = readHashModel(name);
    return dimensions === undefined ? undefined : single(name, hashEmbedder(dimensions));
  }

  #entry(name: string): EmbedModelOptions | undefined {
    const { models = {} } = this.#options;
    return Object.hasOwn(models, name) ? models[name] : undefined;
  }

  #ofEntry(name: string, entry: EmbedModelOptions): EmbedModel {
    const preset: EmbedPreset | undefined = Object.hasOwn(PRESETS, name) ? PRESETS[name] : undefined;
    if ("embed" in entry) {
      return single(name, entry);
    }
    if ("of" in entry) {
      return this.#combined(name, entry.of);
    }
    if ("path" in entry) {
      return single(name, this.#local(entry, preset));
    }
    const settings = {
      model: entry.model ?? preset?.model ?? name,
      dimensions: entry.dimensions ?? preset?.dimensions ?? null,
      batchSize: entry.batchSize,
      taskOf: preset?.taskOf,
    };
    if ("provider" in entry) {
      return single(name, this.#served(entry.provider, settings));
    }
    const { baseUrl, apiKey = NO_KEY, headers = {}, fetch } = entry;
    return single(name, openAiEmbedder({ provider: name, apiKey, baseUrl, headers, fetch }, settings));
  }

  #combined(name: string, of: readonly string[]): EmbedModel {
    for (const one of of) {
      const entry = this.#entry(one);
      if (one.startsWith(COMBINED_NAME) || (entry && "of" in entry)) {
        throw new GoalpostError("INVALID_INPUT", `"${name}" joins "${one}", which is joined itself`);
      }
    }
    return { provider: COMBINED_NAME, model: name, parts: of.flatMap((one) => this.find(one).parts) };
  }

  #served(
    name: string,
    settings: { readonly model: string } & Partial<Parameters<NonNullable<LlmProvider["embedder"]>>[0]>,
  ): Embedder {
    const provider = this.#providers.find((one) => one.name === name);
    if (!provider) {
      throw new GoalpostError(
        "NO_PROVIDER",
        `the embedding model "${settings.model}" is one of ${name}, which is not configured ` +
          `(configured: ${this.#providerNames()}): set its key, or name it in llm.providers of Goalpost.open`,
      );
    }
    if (!provider.embedder) {
      throw new GoalpostError("NO_PROVIDER", `the provider ${name} has no models that embed texts`);
    }
    return provider.embedder({ dimensions: null, ...settings });
  }

  #local(entry: LocalEmbedModel, preset?: EmbedPreset): Embedder {
    const { cacheDir = modelCacheDir(), allowRemote = true } = this.#options.local ?? {};
    const { path, pooling = "mean", dtype, batchSize } = entry;
    return localEmbedder({
      source: { path, dtype, cacheDir, allowRemote },
      model: preset?.model ?? path,
      dimensions: entry.dimensions ?? preset?.dimensions ?? null,
      batchSize,
      load: async (source) =>
        preset?.needsTask
          ? (await import("./embed/load-jina.ts")).loadJina(source)
          : (await import("./embed/load-pipeline.ts")).loadPipeline(source, pooling),
    });
  }

  #known(): readonly string[] {
    const own = Object.keys(this.#options.models ?? {});
    return [...new Set(["hash", LOCAL_PROVIDER, ...Object.keys(PRESETS), COMBINED_NAME, ...own])];
  }

  #providerNames(): string {
    return this.#providers.map(({ name }) => name).join(", ") || "none";
  }
}

function single(model: string, embedder: Embedder): EmbedModel {
  return { provider: embedder.provider, model, parts: [embedder] };
}

/** One that is configured, or could be. */
function isVendor(providers: readonly LlmProvider[], name: string): boolean {
  return providers.some((one) => one.name === name) || PREFIXES.some(([, vendor]) => vendor === name);
}
