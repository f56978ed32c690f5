import type { RunStatus, RunSummary } from "../index.ts";
import { formatDuration, formatTable, shorten } from "./format.ts";
import { EXIT } from "./report-error.ts";
import { withDatabase } from "./session.ts";

export interface ListOptions {
  readonly status?: string;
  readonly limit?: number;
  readonly database?: string;
  readonly json?: boolean;
}

const DEFAULT_LIMIT = 20;

/** `goalpost runs`: lists runs, newest first; returns the exit code. */
export async function listRuns(options: ListOptions): Promise<number> {
  return withDatabase(options.database, async (gp) => {
    const status = options.status as RunStatus | undefined;
    const runs = await gp.runs.list({ status, limit: options.limit ?? DEFAULT_LIMIT });
    if (options.json) {
      process.stdout.write(`${JSON.stringify(runs, null, 2)}\n`);
    } else if (runs.length === 0) {
      process.stdout.write('No runs yet. Start one: goalpost run "Report on the code in ./src"\n');
    } else {
      const header = ["RUN", "STATE", "STARTED", "TOOK", "WHAT"];
      process.stdout.write(`${formatTable([header, ...runs.map(toRow)])}\n`);
    }
    return EXIT.done;
  });
}

function toRow(run: RunSummary): string[] {
  const took = run.finishedAt ? formatDuration(run.finishedAt.getTime() - run.createdAt.getTime()) : "";
  const started = run.createdAt.toISOString().slice(0, 19).replace("T", " ");
  return [run.id, describeStatus(run), started, took, shorten(describeRun(run), 60)];
}

/** The state of a run, and whether nobody carries it out. */
export function describeStatus(run: RunSummary): string {
  return run.ownerless ? `${run.status} (ownerless)` : run.status;
}

/** The goal of a planned run, else the name of its workflow. */
export function describeRun(run: RunSummary): string {
  const goal = run.source === "planned" ? (run.input as { goal?: unknown } | null)?.goal : undefined;
  return typeof goal === "string" ? goal : run.workflow;
}
