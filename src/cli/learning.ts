import type { LearnedEstimate } from "../index.ts";
import { formatDuration, formatTable } from "./format.ts";
import { EXIT } from "./report-error.ts";
import { withDatabase } from "./session.ts";

export interface LearningOptions {
  readonly step?: string;
  readonly reset?: boolean;
  readonly limit?: number;
  readonly database?: string;
  readonly json?: boolean;
}

/** `goalpost learning`: what past runs taught, or forgetting it; returns the exit code. */
export async function showLearning(options: LearningOptions): Promise<number> {
  const { step } = options;
  return withDatabase(options.database, async (gp) => {
    if (options.reset) {
      const forgotten = await gp.learning.reset({ step });
      const text = options.json
        ? JSON.stringify({ forgotten })
        : `Forgot ${forgotten} rows${step === undefined ? "" : ` of step ${step}`}.`;
      process.stdout.write(`${text}\n`);
      return EXIT.done;
    }
    const estimates = await gp.learning.estimates({ step, limit: options.limit });
    if (options.json) {
      process.stdout.write(`${JSON.stringify(estimates, null, 2)}\n`);
    } else if (estimates.length === 0) {
      process.stdout.write("Nothing learned yet: it comes with the runs.\n");
    } else {
      const header = ["STEP", "OF", "N", "MEDIAN", "P95", "SUCCESS", "COST", "WAIT", "DRIFT", "CONFIDENCE"];
      process.stdout.write(`${formatTable([header, ...estimates.map(toRow)])}\n`);
    }
    return EXIT.done;
  });
}

function toRow(estimate: LearnedEstimate): string[] {
  const { step, of, level, samples, medianMs, p95Ms, successRate, costUsd, queueWaitMs, drift, confidence } =
    estimate;
  return [
    step,
    level === "kind" ? "all" : `${level} ${of ?? ""}`,
    String(Math.round(samples)),
    formatDuration(medianMs),
    p95Ms === null ? "-" : formatDuration(p95Ms),
    percent(successRate),
    costUsd === null ? "unknown" : `$${costUsd.toFixed(4)}`,
    formatDuration(queueWaitMs),
    drift.toFixed(2),
    percent(confidence),
  ];
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
