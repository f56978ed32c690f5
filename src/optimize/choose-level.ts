import type { Decision, OptimizedOutcome, OptimizeLevel } from "../core/optimizer.ts";

/** Runs in a row that took longer than was predicted without "aggressive". */
const REGRESSIONS = 3;
/** Share by which a run has to take longer to count: times vary by as much. */
const TOLERANCE = 0.1;
/** Runs with "advanced" after which "aggressive" is tried once more. */
const AGAIN_AFTER = 20;

/**
 * The level to use: "advanced" where the last runs were slower with "aggressive" than was predicted without it. Every now
 * and then one run finds out whether that is still so.
 */
export function chooseLevel(
  wanted: OptimizeLevel,
  past: readonly OptimizedOutcome[],
): { readonly level: OptimizeLevel; readonly decisions: readonly Decision[] } {
  const last = past.filter(({ level }) => level === "aggressive").slice(-REGRESSIONS);
  const since = past.length - 1 - past.findLastIndex(({ level }) => level === "aggressive");
  const regressed =
    last.length === REGRESSIONS &&
    last.every(({ realisedMs, predictedBeforeMs }) => realisedMs > predictedBeforeMs * (1 + TOLERANCE));
  if (wanted !== "aggressive" || !regressed || since >= AGAIN_AFTER) {
    return { level: wanted, decisions: [] };
  }
  return {
    level: "advanced",
    decisions: [
      {
        kind: "level",
        tasks: [],
        change: 'the level is "advanced" instead of "aggressive"',
        reason: `the last ${REGRESSIONS} runs took longer than was predicted without it`,
        samples: REGRESSIONS,
        adopted: true,
      },
    ],
  };
}
