import { EXIT } from "./report-error.ts";
import { describeDatabase, withDatabase } from "./session.ts";

export interface PruneCommandOptions {
  /** Milliseconds. */
  readonly olderThan: number;
  readonly batch?: number;
  readonly dryRun?: boolean;
  readonly database?: string;
  readonly json?: boolean;
}

/** `goalpost prune`: removes what ended long ago; returns the exit code. */
export async function pruneNow(options: PruneCommandOptions): Promise<number> {
  const { olderThan: olderThanMs, batch, dryRun = false } = options;
  const report = await withDatabase(options.database, (gp) => gp.runs.prune({ olderThanMs, batch, dryRun }));
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ ...report, dryRun }, null, 2)}\n`);
    return EXIT.done;
  }
  const where = describeDatabase(options.database);
  const what = `${report.runs} runs with ${report.tasks} tasks`;
  process.stdout.write(
    dryRun
      ? `${what} would be removed from ${where}; nothing was\n`
      : `Removed ${what} and ${report.instances} instances from ${where}\n`,
  );
  return EXIT.done;
}
