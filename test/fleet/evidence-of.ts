import { Sketch } from "../../src/core/sketch.ts";
import type { Evidence } from "../../src/fleet/evidence.ts";

/** When what tests publish was measured. */
export const MEASURED_AT: number = Date.UTC(2026, 0, 1);

/** What a database knows that has measured these run times, in milliseconds. */
export function evidenceOf(kind: string, timesMs: readonly number[], more: Partial<Evidence> = {}): Evidence {
  const logs = timesMs.map((ms) => Math.log(ms));
  const logMean = logs.reduce((sum, log) => sum + log, 0) / (logs.length || 1);
  const times = new Sketch();
  for (const ms of timesMs) {
    times.add(ms);
  }
  return {
    topic: "step",
    kind,
    model: "",
    samples: timesMs.length,
    logMean,
    logVariance: logs.reduce((sum, log) => sum + (log - logMean) ** 2, 0) / (logs.length || 1),
    times,
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
