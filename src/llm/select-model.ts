import { GoalpostError } from "../core/errors.ts";
import { isObject } from "../core/json.ts";
import type { Complexity, LlmRequest, ModelRef } from "../core/llm.ts";
import type { Candidate, LlmParts } from "./llm-parts.ts";

const AUTO = "auto";

const COMPLEXITY: Readonly<Record<string, Complexity>> = {
  classifier: "simple",
  parser: "simple",
  simple_chat: "simple",
  coder: "medium",
  planning: "medium",
  decomposition: "medium",
  architect: "complex",
  code_generation: "complex",
  qa: "complex",
};

/** How demanding a kind of work is. */
export function complexityOf(taskType: string | undefined): Complexity {
  return (taskType !== undefined && Object.hasOwn(COMPLEXITY, taskType) && COMPLEXITY[taskType]) || "medium";
}

/** The models of each vendor by complexity: fast and cheap, balanced, the strongest. */
const BUILT_IN: Readonly<Record<string, Readonly<Record<Complexity, string>>>> = {
  openai: { simple: "gpt-6-luna", medium: "gpt-6-sol", complex: "gpt-6-astra" },
  anthropic: { simple: "claude-haiku-4-5", medium: "claude-sonnet-5", complex: "claude-opus-5-5" },
  gemini: { simple: "gemini-2.5-flash-lite", medium: "gemini-3.8-flash", complex: "gemini-3-pro-preview" },
};

/** Whose models begin like that. */
const PREFIXES: readonly (readonly [RegExp, string])[] = [
  [/^(gpt-|chatgpt-|o\d)/, "openai"],
  [/^claude-/, "anthropic"],
  [/^gemini-/, "gemini"],
];

/** What is looked at for each vendor's key. */
const KEYS: Readonly<Record<string, string>> = {
  openai: "OPENAI_API_KEY",
  anthropic: "ANTHROPIC_API_KEY",
  gemini: "GEMINI_API_KEY or GOOGLE_API_KEY",
};

type Sources = Pick<LlmParts, "providers" | "options">;
type Wanted = Pick<LlmRequest, "taskType" | "model" | "provider" | "fallbacks">;

/**
 * The models to ask, the best first: the one that is named, or the table's; then the fallbacks; with "auto" what else
 * the table has.
 * @throws NO_PROVIDER if nothing is configured for it; INVALID_INPUT for names that are unknown
 */
export function selectModels(sources: Sources, wanted: Wanted): readonly Candidate[] {
  if (sources.providers.length === 0) {
    throw noProvider(sources, "no model can be called: no provider is configured");
  }
  const { model = AUTO, provider = AUTO, fallbacks = [] } = wanted;
  const named = provider === AUTO ? undefined : provider;
  if (named !== undefined) {
    find(sources, named, "provider");
  }
  const [first, ...rest] =
    model === AUTO
      ? fromTables(sources, complexityOf(wanted.taskType), named)
      : [withProvider(sources, model, named)];
  const refs = [...(first ? [first] : []), ...fallbacks, ...rest];
  const distinct = new Map(refs.map((ref) => [`${ref.provider}/${ref.model}`, ref]));
  return [...distinct.values()].map((ref) => ({
    provider: find(sources, ref.provider, "the provider of a fallback"),
    model: ref.model,
  }));
}

const COMPLEXITIES: readonly Complexity[] = ["simple", "medium", "complex"];

/**
 * The models that may be chosen for a request that leaves it to "auto": those of the user's table if there is one, else of
 * the built-in one; what is there for its complexity first, the first one the table's choice.
 */
export function routableModels(sources: Sources, wanted: Wanted): readonly ModelRef[] {
  const { provider = AUTO } = wanted;
  const named = provider === AUTO ? undefined : provider;
  if (sources.providers.length === 0) {
    throw noProvider(sources, "no model can be called: no provider is configured");
  }
  const own = complexityOf(wanted.taskType);
  const order = [own, ...COMPLEXITIES.filter((complexity) => complexity !== own)];
  const [first] = fromTables(sources, own, named);
  const names = new Set(sources.providers.map(({ name }) => name));
  const users = order
    .flatMap((complexity) => sources.options.models?.[complexity] ?? [])
    .filter((ref) => names.has(ref.provider) && (named === undefined || ref.provider === named));
  const refs =
    users.length > 0 ? users : order.flatMap((complexity) => fromTables(sources, complexity, named));
  const all = [...(first ? [first] : []), ...refs];
  return [...new Map(all.map((ref) => [`${ref.provider}/${ref.model}`, ref])).values()];
}

function fromTables(sources: Sources, complexity: Complexity, named: string | undefined): ModelRef[] {
  const { providers, options } = sources;
  const serving = providers.filter(({ name }) => named === undefined || name === named);
  const names = new Set(serving.map(({ name }) => name));
  const own = (options.models?.[complexity] ?? []).filter((ref) => names.has(ref.provider));
  const builtIn = serving.flatMap(({ name }): ModelRef[] => {
    const model = BUILT_IN[kindOf(options, name)]?.[complexity];
    // Models that the user made are told "auto", and choose themselves.
    return model !== undefined || isOwn(options, name) ? [{ provider: name, model: model ?? AUTO }] : [];
  });
  const refs = [...own, ...builtIn];
  if (refs.length === 0) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `model "auto" knows no ${complexity} models of ${[...names].join(", ")}: name a model, or list some in ` +
        `llm.models.${complexity} of Goalpost.open`,
    );
  }
  return refs;
}

function kindOf(options: Sources["options"], name: string): string {
  const given = options.providers?.[name];
  return isObject(given) && typeof given.kind === "string" ? given.kind : name;
}

function isOwn(options: Sources["options"], name: string): boolean {
  const given = options.providers?.[name];
  return typeof given === "object" && "generate" in given;
}

function withProvider(sources: Sources, model: string, named: string | undefined): ModelRef {
  if (named !== undefined) {
    return { provider: named, model };
  }
  const { providers } = sources;
  const slash = model.indexOf("/");
  const before = model.slice(0, Math.max(0, slash));
  if (providers.some(({ name }) => name === before)) {
    return { provider: before, model: model.slice(slash + 1) };
  }
  const vendor = PREFIXES.find(([prefix]) => prefix.test(model))?.[1] ?? before;
  const [only, another] = providers;
  const theirs = providers.find(({ name }) => name === vendor)?.name;
  // A server of the user's may serve anybody's models; a vendor only its own.
  const isServer =
    only !== undefined && another === undefined && !(kindOf(sources.options, only.name) in BUILT_IN);
  const provider =
    theirs ?? (isServer || !(vendor in BUILT_IN) ? (another ? undefined : only?.name) : undefined);
  if (provider !== undefined) {
    return { provider, model };
  }
  if (vendor in BUILT_IN) {
    throw noProvider(sources, `model "${model}" is one of ${vendor}, which is not configured`);
  }
  throw new GoalpostError(
    "INVALID_INPUT",
    `it is not known whose model "${model}" is: name its provider, or write "provider/model". ${configured(sources)}`,
  );
}

function find(sources: Sources, name: string, what: string): Candidate["provider"] {
  const provider = sources.providers.find((one) => one.name === name);
  if (provider) {
    return provider;
  }
  if (Object.hasOwn(KEYS, name)) {
    throw noProvider(sources, `${what} is "${name}", which is not configured`);
  }
  throw new GoalpostError("INVALID_INPUT", `${what} is "${name}", which is unknown. ${configured(sources)}`);
}

function noProvider(sources: Sources, why: string): GoalpostError {
  const names = sources.providers.map(({ name }) => name);
  const off = Object.entries(sources.options.providers ?? {}).flatMap(([name, given]) =>
    given === false ? [name] : [],
  );
  return new GoalpostError(
    "NO_PROVIDER",
    `${why}. ${configured(sources)} Looked at: llm.providers of Goalpost.open, and the environment variables ` +
      `${Object.values(KEYS).join(", ")}.${off.length > 0 ? ` Switched off: ${off.join(", ")}.` : ""}`,
    { details: { configured: names, variables: Object.values(KEYS) } },
  );
}

function configured({ providers }: Sources): string {
  return `Configured: ${providers.map(({ name }) => name).join(", ") || "none"}.`;
}
