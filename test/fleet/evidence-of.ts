import type { Evidence } from "../../src/fleet/evidence.ts";
import { binOf, toBins } from "../../src/fleet/log-bins.ts";

/** When what tests publish was measured. */
export const MEASURED_AT: number = Date.UTC(2026, 0, 1);

/** What a database knows that has measured these run times, in milliseconds. */
export function evidenceOf(kind: string, timesMs: readonly number[], more: Partial<Evidence> = {}): Evidence {
  const logs = timesMs.map((ms) => Math.log(ms));
  const logMean = logs.reduce((sum, log) => sum + log, 0) / (logs.length || 1);
  const counts = new Map<number, number>();
  for (const ms of timesMs) {
    counts.set(binOf(ms), (counts.get(binOf(ms)) ?? 0) + 1);
  }
  return {
    topic: "step",
    kind,
    model: "",
    samples: timesMs.length,
    logMean,
    logVariance: logs.reduce((sum, log) => sum + (log - logMean) ** 2, 0) / (logs.length || 1),
    bins: toBins(counts),
    successes: timesMs.length,
    failures: 0,
    costUsd: null,
    inputTokens: 0,
    outputTokens: 0,
    retries: [],
    lastAt: MEASURED_AT,
    ...more,
  };
}

/** So many run times around one, from half of it to double. */
export function around(ms: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => ms * 2 ** ((2 * index) / Math.max(1, count - 1) - 1));
}
