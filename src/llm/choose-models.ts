import { isStorableText } from "../core/json.ts";
import type { LlmRequest, ModelRef } from "../core/llm.ts";
import type { UsualModel } from "../core/model-calls.ts";
import {
  CHOICE,
  type ChosenRequest,
  type KeptChoice,
  kindOfStep,
  type RouteQuestion,
  type TokenCounts,
} from "../core/model-routing.ts";
import { estimateTokens } from "./estimate.ts";
import type { Candidate, LlmParts } from "./llm-parts.ts";
import { resolveRouting } from "./routing-options.ts";
import { routableModels, selectModels } from "./select-model.ts";
import { plainUsage } from "./token-usage.ts";

/** What an answer is taken to have as long as none has come. */
const LIKELY_OUTPUT_TOKENS = 400;

/** Where a choice is made. */
export interface ChoicePlace {
  /** Null: the caller keeps the choice. */
  readonly requestId: string | null;
  readonly runId: string | null;
  readonly labels: Readonly<Record<string, string>> | null;
  readonly step: string | undefined;
  /** Whether nobody is kept waiting by a slower model. */
  readonly offCriticalPath: boolean;
  /** Asked first if the request leaves the model open and none is drawn. */
  readonly preferred?: ModelRef | undefined;
}

/** Models to ask, the best first, and how the first of them came to be that. */
export interface ChosenModels {
  readonly candidates: readonly Candidate[];
  readonly kind: string;
  /** Null if it was not drawn. */
  readonly draw: { readonly model: ModelRef; readonly choice: KeptChoice } | null;
}

/**
 * What models are told apart by: the kind of work that the request names, else the step that asks.
 */
export function kindOf({ taskType }: Pick<LlmRequest, "taskType">, step: string | undefined): string {
  const named = isStorableText(taskType) ? taskType : undefined;
  return named ?? (step === undefined ? "other" : kindOfStep(step));
}

/** Chooses by the table, or by what was learned. @throws NO_PROVIDER, INVALID_INPUT */
export async function chooseModels(
  parts: LlmParts,
  request: LlmRequest,
  place: ChoicePlace,
): Promise<ChosenModels> {
  const table = selectModels(parts, request);
  const kept = (request as ChosenRequest)[CHOICE];
  const kind = kept?.kind ?? kindOf(request, place.step);
  const [first] = table;
  if (kept && first) {
    return { candidates: table, kind, draw: { model: refOf(first), choice: kept } };
  }
  const options = resolveRouting(parts.options.routing, request.routing);
  if ((request.model ?? "auto") !== "auto") {
    return { candidates: table, kind, draw: null };
  }
  if (!parts.routing || options.mode === "table") {
    return {
      candidates: preferring(parts, { request, table, preferred: place.preferred }),
      kind,
      draw: null,
    };
  }
  const question = questionOf(parts, request, { ...place, models: routableModels(parts, request) });
  const { models, draw } = await parts.routing.choose(question);
  const fallbacks = request.fallbacks ?? [];
  const [chosen, ...others] = models;
  const refs = [...(chosen ? [chosen] : []), ...fallbacks, ...others, ...table.map(refOf)];
  const distinct = new Map(refs.map((ref) => [`${ref.provider}/${ref.model}`, ref]));
  const candidates = [...distinct.values()].flatMap(({ provider: name, model }) => {
    const provider = parts.providers.find((one) => one.name === name);
    return provider ? [{ provider, model }] : [];
  });
  const { propensity, explored } = draw;
  return { candidates, kind, draw: { model: draw.model, choice: { kind, propensity, explored } } };
}

/** The table's candidates, before them the preferred model if it can be asked here and the request does not exclude it. */
function preferring(
  parts: LlmParts,
  {
    request,
    table,
    preferred,
  }: {
    readonly request: LlmRequest;
    readonly table: readonly Candidate[];
    readonly preferred: ModelRef | undefined;
  },
): readonly Candidate[] {
  const isSame = (ref: ModelRef): boolean =>
    ref.provider === preferred?.provider && ref.model === preferred.model;
  const provider = parts.providers.find(({ name }) => name === preferred?.provider);
  return preferred && provider && routableModels(parts, request).some(isSame)
    ? [{ provider, model: preferred.model }, ...table.filter((one) => !isSame(refOf(one)))]
    : table;
}

/** What requests that leave the model open can come to. @throws NO_PROVIDER, INVALID_INPUT */
export function usualModel(parts: LlmParts): UsualModel {
  const { mode } = resolveRouting(parts.options.routing, undefined);
  const [first] = selectModels(parts, {});
  return {
    model: first ? refOf(first) : null,
    choices: routableModels(parts, {}),
    isLearned: parts.routing !== undefined && mode === "learned",
  };
}

/** What is asked of those who choose among the models. */
export function questionOf(
  parts: LlmParts,
  request: LlmRequest,
  { step, models, ...place }: ChoicePlace & { readonly models: readonly ModelRef[] },
): RouteQuestion {
  const input = request.messages.reduce((sum, { content }) => sum + estimateTokens(content), 0);
  const likely: TokenCounts = { input, output: LIKELY_OUTPUT_TOKENS };
  return {
    ...place,
    kind: kindOf(request, step),
    models,
    options: resolveRouting(parts.options.routing, request.routing),
    effectFree: Object.values(request.tools ?? {}).every(({ sideEffect }) => !sideEffect),
    costUsd: (model, tokens = likely) => {
      const usage = plainUsage(Math.round(tokens.input), Math.round(tokens.output), true);
      const { costNanoUsd } = parts.prices.price(model, usage);
      return costNanoUsd === null ? null : Number(costNanoUsd) / 1e9;
    },
  };
}

function refOf({ provider, model }: Candidate): ModelRef {
  return { provider: provider.name, model };
}
