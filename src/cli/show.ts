import { type Goalpost, GoalpostError, type PlanRecord, type RunRecord } from "../index.ts";
import { formatDuration, paintFor, shorten } from "./format.ts";
import { EXIT } from "./report-error.ts";
import { describeRun, describeStatus } from "./runs.ts";
import { withDatabase } from "./session.ts";
import { countWork, taskLines } from "./task-lines.ts";

export interface ShowOptions {
  readonly database?: string;
  readonly json?: boolean;
}

/** `goalpost show`: one run with its tasks; returns the exit code. */
export async function showRun(id: string | undefined, options: ShowOptions): Promise<number> {
  return withDatabase(options.database, async (gp) => {
    const run = await gp.runs.get(id ?? (await latest(gp)));
    process.stdout.write(options.json ? `${JSON.stringify(run, null, 2)}\n` : describe(run));
    return EXIT.done;
  });
}

/** Why a plan was replaced, and by what. */
function describePlan({ version, scope, status, reason, diff, error }: PlanRecord): string {
  const why = reason ? ` because ${reason.taskId} failed: ${reason.code}` : "";
  const changes = Object.entries(diff ?? {})
    .filter(([, ids]) => ids.length > 0)
    .map(([how, ids]) => `${how} ${shorten(ids.join(", "), 100)}`);
  const what = diff ? changes.join("; ") : `${status}${error ? `: ${error.code}: ${error.message}` : ""}`;
  return `plan ${version}${scope ? ` of ${scope}` : ""}${why}; ${what}`;
}

async function latest(gp: Goalpost): Promise<string> {
  const [run] = await gp.runs.list({ limit: 1 });
  if (!run) {
    throw new GoalpostError(
      "RUN_NOT_FOUND",
      'there are no runs in this database yet; start one: goalpost run "…"',
    );
  }
  return run.id;
}

function describe(run: RunRecord): string {
  const paint = paintFor(process.stdout);
  const nowMs = Date.now();
  const { total, done } = countWork(run);
  const took = formatDuration((run.finishedAt?.getTime() ?? nowMs) - run.createdAt.getTime());
  const lines = [
    describeRun(run),
    `run ${run.id}, ${describeStatus(run)}, ${done} of ${total} tasks completed, ${took}, started ${run.createdAt.toISOString()}`,
    ...(run.retryOf ? [`goes on from run ${run.retryOf}`] : []),
    ...run.plans.filter(({ version }) => version > 1).map(describePlan),
    ...taskLines(run.tasks, { paint, nowMs, width: process.stdout.columns ?? 120, details: true }),
  ];
  if (run.error) {
    const where = run.error.task ? `task "${run.error.task.id}", attempt ${run.error.task.attempt}: ` : "";
    lines.push(paint("red", `${run.status}: ${where}${run.error.code}: ${run.error.message}`));
  }
  if (run.ownerless) {
    lines.push("No process carries it out. Run the same goal again to go on with it.");
  }
  return `${lines.join("\n")}\n`;
}
