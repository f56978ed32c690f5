import type { Decision, OptimizedOutcome, OptimizeLevel } from "../core/optimizer.ts";

/** Runs in a row that took longer than was predicted without "aggressive". */
const REGRESSIONS = 3;
/** Share by which a run has to take longer to count. */
const TOLERANCE = 0.03;

/** The level to use: "advanced" where the last runs were slower with "aggressive" than was predicted without it. */
export function chooseLevel(
  wanted: OptimizeLevel,
  past: readonly OptimizedOutcome[],
): { readonly level: OptimizeLevel; readonly decisions: readonly Decision[] } {
  const last = past.filter(({ level }) => level === "aggressive").slice(-REGRESSIONS);
  const regressed =
    last.length === REGRESSIONS &&
    last.every(({ realisedMs, predictedBeforeMs }) => realisedMs > predictedBeforeMs * (1 + TOLERANCE));
  if (wanted !== "aggressive" || !regressed) {
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
