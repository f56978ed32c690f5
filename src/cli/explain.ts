import type { Explanation } from "../index.ts";
import { formatDuration, printable } from "./format.ts";
import { EXIT } from "./report-error.ts";
import { withDatabase } from "./session.ts";

export interface ExplainOptions {
  readonly database?: string;
  readonly json?: boolean;
}

/** `goalpost explain`: what was decided about a run, on what evidence, and what came of it; returns the exit code. */
export async function explainRun(runId: string, options: ExplainOptions): Promise<number> {
  return withDatabase(options.database, async (gp) => {
    const explanation = await gp.learning.explain(runId);
    process.stdout.write(
      options.json
        ? `${JSON.stringify(explanation, null, 2)}\n`
        : printable(describeExplanation(explanation)),
    );
    return EXIT.done;
  });
}

/** An explanation, for people. */
export function describeExplanation({ level, without, predicted, realised, decisions }: Explanation): string {
  if (decisions.length === 0) {
    return 'Nothing was decided about this run: it ran as planned. Goals that are started with optimize: "advanced" use what was learned.\n';
  }
  const lines = decisions.flatMap(({ adopted, change, reason, samples, predicted: promise }) => [
    `${adopted ? "done" : "left"}  ${change}`,
    `      ${reason}${samples > 0 ? ` (${samples} samples)` : ""}${gain(promise?.makespanMs)}`,
  ]);
  const money = realised?.costUsd ? `, $${realised.costUsd.toFixed(4)}` : "";
  const took =
    realised?.makespanMs == null ? "not known yet" : `${formatDuration(realised.makespanMs)}${money}`;
  return `${[
    `Level: ${level}. Statistics: ${decisions[0]?.snapshotId}.`,
    ...lines,
    `Predicted without: ${orUnknown(without.makespanMs)}. Predicted: ${orUnknown(predicted.makespanMs)}. Took: ${took}.`,
  ].join("\n")}\n`;
}

function gain(makespan: { readonly before: number; readonly after: number } | undefined): string {
  return makespan ? `: ${formatDuration(makespan.before)} → ${formatDuration(makespan.after)}` : "";
}

function orUnknown(ms: number | null): string {
  return ms === null ? "not simulated" : formatDuration(ms);
}
