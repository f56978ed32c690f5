import { GoalpostError } from "../index.ts";
import { EXIT } from "./report-error.ts";
import { withDatabase } from "./session.ts";

export interface ApproveCommandOptions {
  readonly by: string;
  /** Which call of a tool, if several wait. */
  readonly call?: string;
  readonly note?: string;
  /** JSON. */
  readonly args?: string;
  readonly database?: string;
}

export interface RejectCommandOptions {
  readonly by: string;
  readonly call?: string;
  readonly reason: string;
  readonly database?: string;
}

/** `goalpost approve`: lets a task go on; returns the exit code. */
export async function approveTask(
  run: string,
  task: string,
  { by, call, note, args, database }: ApproveCommandOptions,
): Promise<number> {
  const given = args === undefined ? undefined : parseArgs(args);
  return withDatabase(database, async (gp) => {
    await gp.runs.approve(run, task, { by, call, note, args: given });
    process.stdout.write(`Task ${task} of run ${run} is approved.\n`);
    return EXIT.done;
  });
}

/** `goalpost reject`: fails a task; returns the exit code. */
export async function rejectTask(
  run: string,
  task: string,
  { by, call, reason, database }: RejectCommandOptions,
): Promise<number> {
  return withDatabase(database, async (gp) => {
    await gp.runs.reject(run, task, { by, call, reason });
    process.stdout.write(`Task ${task} of run ${run} is rejected.\n`);
    return EXIT.done;
  });
}

function parseArgs(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `--args must be JSON, such as '{"city":"Oslo"}': ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
