import type { Prediction } from "../index.ts";

/** Critical paths are shown with so many tasks. */
const MAX_SHOWN = 8;

/** What a plan is expected to take, for people: lines that end in a line break. */
export function describePrediction(prediction: Prediction): string {
  const { durationMs, criticalPath, costUsd, tasks, slots } = prediction;
  const { count, unknown, unpriced } = tasks;
  if (unknown === count) {
    return "no past run tells how long these tasks take or what they cost\n";
  }
  const shown = criticalPath.tasks.slice(0, MAX_SHOWN).join(" → ");
  const more = criticalPath.tasks.length > MAX_SHOWN ? " → …" : "";
  const guessed = unknown > 0 ? ` (${unknown} of ${count} tasks are unknown and guessed)` : "";
  const without = unpriced > 0 ? ` (without ${unpriced} tasks of unknown price)` : "";
  return [
    `about ${duration(durationMs.p50Ms)}, 95 % of runs within ${duration(durationMs.p95Ms)}, ${slots} tasks at once${guessed}`,
    `critical path: ${shown}${more} (${duration(criticalPath.lengthMs)})`,
    `about $${usd(costUsd.expected)}, between $${usd(costUsd.low)} and $${usd(costUsd.high)}${without}`,
    "",
  ].join("\n");
}

function duration(ms: number): string {
  return ms < 1000
    ? `${Math.round(ms)} ms`
    : ms < 60_000
      ? `${(ms / 1000).toFixed(1)} s`
      : minutes(ms / 60_000);
}

function minutes(count: number): string {
  return count < 60 ? `${count.toFixed(1)} min` : `${(count / 60).toFixed(1)} h`;
}

/** Small sums keep two digits that count. */
function usd(sum: number): string {
  return sum === 0 || sum >= 0.1 ? sum.toFixed(2) : Number(sum.toPrecision(2)).toString();
}
