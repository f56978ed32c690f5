import type { ModelRef } from "./core/llm.ts";
import type { UsualModel } from "./core/model-calls.ts";
import type { ModelCandidate } from "./core/optimizer.ts";
import type { ModelStats } from "./store/model-stats.ts";

/** What is known of a model on a kind of requests; none if it has answered none. */
export function toCandidates(known: ModelStats): readonly ModelCandidate[] {
  const { provider, model, calls, priced, successes, failures } = known;
  if (calls <= 0) {
    return [];
  }
  const judged = successes + failures;
  const log = known.logMs / calls;
  const variance = Math.max(0, known.logMsSquares / calls - log ** 2);
  return [
    {
      provider,
      model,
      costUsd: priced > 0 ? known.costUsd / priced : null,
      // The mean of a logarithmic normal distribution.
      meanMs: Math.exp(log + variance / 2),
      quality: judged > 0 ? successes / judged : 0,
      samples: Math.floor(judged),
    },
  ];
}

/** Those that can be asked here, with the one marked that is if nothing is decided. */
export function callable(
  known: ReadonlyMap<string, readonly ModelCandidate[]>,
  { model: usual, choices }: Pick<UsualModel, "model" | "choices">,
): ReadonlyMap<string, readonly ModelCandidate[]> {
  const nameOf = ({ provider, model }: ModelRef): string => `${provider}/${model}`;
  const names = new Set(choices.map(nameOf));
  return new Map(
    [...known].map(([step, models]) => [
      step,
      models
        .filter((one) => names.has(nameOf(one)))
        .map((one) => ({ ...one, isDefault: usual !== null && nameOf(one) === nameOf(usual) })),
    ]),
  );
}
