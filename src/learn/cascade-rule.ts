import type { CascadeStart } from "../core/model-routing.ts";
import type { ResolvedRouting } from "../core/routing-options.ts";
import { isKnown, type ModelArm, pricesOf } from "./model-router.ts";

/** A model of a cascade, and what the verifier said of its answers, discounted by age. */
export interface CascadeStep extends ModelArm {
  readonly accepted: number;
  readonly rejected: number;
}

/**
 * The first model of a cascade that is worth asking. Asking a weak one first is worth it if what it saves, less what it
 * costs in vain, makes up for what is worse about its answers that pass the verifier: with a the share that is accepted,
 * q(weak) + (1 − a) q(strong) − price(weak) − (1 − a) price(strong) ≥ q(strong) − price(strong). As long as the verifier has
 * not judged enough of its answers it is asked.
 * @param steps the weakest first
 */
export function startCascade(
  steps: readonly CascadeStep[],
  options: ResolvedRouting,
  budgetLeft: number,
): CascadeStart {
  const prices = pricesOf(steps, options, budgetLeft);
  let reason: string | null = null;
  for (const [index, weak] of steps.entries()) {
    const strong = steps[index + 1];
    if (!strong || !isKnown({ successes: weak.accepted, failures: weak.rejected })) {
      return { from: index, reason };
    }
    const [priceOfWeak = 0, priceOfStrong = 0] = prices.slice(index, index + 2);
    const accepted = (weak.accepted + 1) / (weak.accepted + weak.rejected + 2);
    const saved = accepted * priceOfStrong - priceOfWeak;
    // Where nobody has judged the strong one, what passes the verifier counts as good as its answers.
    const lost = isKnown(strong) ? accepted * meanOf(strong) - meanOf(weak) : 0;
    if (saved >= lost) {
      return { from: index, reason };
    }
    reason =
      `${weak.provider}/${weak.model} is not asked first: ${(100 * accepted).toFixed(0)} % of its answers are accepted, ` +
      `which saves ${saved.toFixed(3)} and loses ${lost.toFixed(3)} of quality`;
  }
  return { from: Math.max(0, steps.length - 1), reason };
}

function meanOf({ successes, failures }: ModelArm): number {
  return (successes + 1) / (successes + failures + 2);
}
