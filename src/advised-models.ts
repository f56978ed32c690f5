import type { Lesson } from "./fleet/guidance.ts";
import type { ModelStats } from "./store/model-stats.ts";

/** Answers that what other databases learned of a model counts as, at most. */
const PRIOR_ANSWERS = 8;
/** With that many judged answers of its own a database needs nobody's advice. */
const OWN_ANSWERS = 30;

/** What is known of models on a kind of work, with what others learned below it: less of it, the more is known here. */
export function adviseModels(
  kind: string,
  own: readonly ModelStats[],
  lessons: readonly Lesson[],
): readonly ModelStats[] {
  const advised = new Map(own.map((one) => [`${one.provider}/${one.model}`, one]));
  for (const lesson of lessons) {
    const known = advised.get(lesson.model) ?? nothingOf(kind, lesson.model);
    const judged = known.successes + known.failures;
    const answers = Math.min(PRIOR_ANSWERS, lesson.judged) * Math.max(0, 1 - judged / OWN_ANSWERS);
    advised.set(lesson.model, {
      ...known,
      successes: known.successes + answers * lesson.successRate,
      failures: known.failures + answers * (1 - lesson.successRate),
      ...(known.calls > 0 ? {} : measuredElsewhere(lesson)),
    });
  }
  return [...advised.values()];
}

/** Of a model that was never asked here: as if it had been, once. */
function measuredElsewhere({ costUsd, inputTokens, outputTokens, medianMs }: Lesson): Partial<ModelStats> {
  const logMs = Math.log(medianMs);
  const cost = { priced: costUsd === null ? 0 : 1, costUsd: costUsd ?? 0 };
  return { calls: 1, ...cost, inputTokens, outputTokens, logMs, logMsSquares: logMs ** 2 };
}

function nothingOf(kind: string, name: string): ModelStats {
  const slash = name.indexOf("/");
  return {
    kind,
    provider: name.slice(0, slash),
    model: name.slice(slash + 1),
    samples: 0,
    successes: 0,
    failures: 0,
    calls: 0,
    priced: 0,
    costUsd: 0,
    inputTokens: 0,
    outputTokens: 0,
    logMs: 0,
    logMsSquares: 0,
    accepted: 0,
    rejected: 0,
    available: 0,
    unavailable: 0,
    unavailableAt: null,
  };
}
