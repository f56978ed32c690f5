import {
  type GoalHandle,
  type Goalpost,
  type GoalResult,
  isGoalpostError,
  RunFailedError,
} from "../index.ts";
import { Approvals, checkApprover } from "./approvals.ts";
import { formatDuration, formatUsage, shorten } from "./format.ts";
import { planGoal } from "./plan.ts";
import { EXIT, reportError } from "./report-error.ts";
import { watchRun } from "./run-view.ts";
import { describeDatabase, type GoalCommandOptions, withApp } from "./session.ts";

export interface RunOptions extends GoalCommandOptions {
  readonly dryRun?: boolean;
  readonly new?: boolean;
  readonly concurrency?: number;
  /** Nothing runs before somebody has seen the plan. */
  readonly approvePlan?: boolean;
  /** Whatever waits for approval is approved. */
  readonly yes?: boolean;
}

const OUTPUT_LINES = 30;

/** `goalpost run`: plans, runs and reports; returns the exit code. */
export async function runGoal(goal: string, options: RunOptions): Promise<number> {
  if (options.dryRun) {
    return planGoal(goal, options);
  }
  const out = options.json ? process.stderr : process.stdout;
  checkApprover(options, { input: process.stdin, out });
  return withApp(options, { concurrency: options.concurrency }, async ({ gp, app, budget }) => {
    const handle = await gp.startGoal(goal, app.decomposer, app.steps, {
      resume: !options.new,
      approvePlan: options.approvePlan,
      budget,
    });
    out.write(`Goal: ${goal}\nRun ${handle.runId} in ${describeDatabase(options.database)}\n`);
    await tellResumed(handle, out);
    return follow({ gp, handle, options, out });
  });
}

async function tellResumed(handle: GoalHandle, out: NodeJS.WritableStream): Promise<void> {
  if (!handle.resumed) {
    return;
  }
  const { completedTasks, totalTasks } = await handle.progress();
  const done =
    totalTasks > 0 ? `${completedTasks} of ${totalTasks} tasks are done already` : "it was not planned yet";
  out.write(`The last run of this goal did not finish: going on with it; ${done}. (--new starts afresh)\n`);
}

interface Following {
  readonly gp: Goalpost;
  readonly handle: GoalHandle;
  readonly options: RunOptions;
  readonly out: NodeJS.WritableStream;
}

async function follow({ gp, handle, options, out }: Following): Promise<number> {
  const interruption = new Interruption(handle);
  const approvals = new Approvals(gp, {
    runId: handle.runId,
    input: process.stdin,
    out,
    yes: options.yes,
  });
  const view = await watchRun(gp, {
    runId: handle.runId,
    stream: out,
    resumed: handle.resumed !== null,
    onLook: (run, shown) => approvals.look(run, shown),
  });
  try {
    const result = await handle.result();
    await view.stop();
    tellResult(result, options);
    return EXIT.done;
  } catch (error) {
    await view.stop();
    if (interruption.happened) {
      out.write(
        "Interrupted; what is finished is kept. To go on, run the same command again (--new starts afresh).\n",
      );
      return EXIT.interrupted;
    }
    return tellFailure(error, options);
  } finally {
    approvals.close();
    interruption.stopListening();
  }
}

/** Ctrl-C cancels the run cleanly; a second one ends the process at once. */
class Interruption {
  happened = false;
  readonly #handle: GoalHandle;

  constructor(handle: GoalHandle) {
    this.#handle = handle;
    process.on("SIGINT", this.#interrupt);
    process.on("SIGTERM", this.#interrupt);
  }

  stopListening(): void {
    process.off("SIGINT", this.#interrupt);
    process.off("SIGTERM", this.#interrupt);
  }

  readonly #interrupt = (): void => {
    if (this.happened) {
      process.exit(EXIT.interrupted);
    }
    this.happened = true;
    this.#handle.cancel("interrupted").catch((error: unknown) => {
      reportError(error);
      process.exit(EXIT.interrupted);
    });
  };
}

function tellResult(result: GoalResult, options: RunOptions): void {
  if (options.json) {
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
    return;
  }
  const used = result.usage.calls > 0 ? ` ${formatUsage(result.usage)}.` : "";
  process.stdout.write(`Done in ${formatDuration(result.durationMs)}.${used}\n`);
  for (const [id, output] of Object.entries(result.output)) {
    const lines = JSON.stringify(output, null, 2).split("\n");
    const shown = lines.length > OUTPUT_LINES ? [...lines.slice(0, OUTPUT_LINES), "…"] : lines;
    process.stdout.write(`${id}: ${shown.map((line) => shorten2(line)).join("\n")}\n`);
  }
}

/** Keeps the indentation of a line. */
function shorten2(line: string): string {
  const indent = line.length - line.trimStart().length;
  return line.slice(0, indent) + shorten(line, 200);
}

function tellFailure(error: unknown, options: RunOptions): number {
  if (!(error instanceof RunFailedError)) {
    return reportError(error);
  }
  if (options.json) {
    const { runId, failedTask, cause } = error;
    const reason = isGoalpostError(cause)
      ? { code: cause.code, message: cause.message, details: cause.details }
      : null;
    const status = cause.code === "CANCELLED" ? "cancelled" : "failed";
    process.stdout.write(`${JSON.stringify({ runId, status, failedTask, error: reason }, null, 2)}\n`);
  }
  reportError(error);
  return EXIT.failed;
}
