import type { ModelRef } from "./core/llm.ts";
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

/** The same, with the one marked that is asked if nothing is decided. */
export function markDefault(
  known: ReadonlyMap<string, readonly ModelCandidate[]>,
  usual: ModelRef | null,
): ReadonlyMap<string, readonly ModelCandidate[]> {
  const isUsual = ({ provider, model }: ModelCandidate): boolean =>
    provider === usual?.provider && model === usual.model;
  return new Map(
    [...known].map(([step, models]) => [step, models.map((one) => ({ ...one, isDefault: isUsual(one) }))]),
  );
}
