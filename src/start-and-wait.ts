import { v7 as newId } from "uuid";
import { cancelOnAbort } from "./cancel-on-abort.ts";
import type { Driver } from "./core/driver.ts";
import type { RunResult } from "./core/results.ts";
import type { Workflow } from "./core/workflow.ts";
import type { StartOptions } from "./options.ts";
import { toRunResult } from "./run-result.ts";
import type { StartedRun } from "./run-starter.ts";
import type { RunWatch } from "./run-watch.ts";
import type { Runs } from "./runs.ts";
import type { WorkflowRuns } from "./workflow-runs.ts";

export interface StartAndWaitParts {
  readonly driver: Driver;
  readonly watch: RunWatch;
  readonly runs: Runs;
  readonly workflows: WorkflowRuns;
}

/** Starts a run and waits for its end; the waiting begins first, so that the end is not missed. */
export async function startAndWait<I, O>(
  { driver, watch, runs, workflows }: StartAndWaitParts,
  { workflow, input }: { readonly workflow: Workflow<I, O>; readonly input: NoInfer<I> },
  options: StartOptions,
): Promise<RunResult<O>> {
  options.signal?.throwIfAborted();
  const runId = newId();
  const ended = watch.wait(runId);
  // The start may fail first; then nobody looks at the waiting.
  ended.catch(() => undefined);
  let started: StartedRun;
  try {
    started = await workflows.start(workflow, input, { ...options, runId });
    watch.stored(started.runId);
  } catch (error) {
    watch.giveUp(runId, error);
    throw error;
  }
  const stopListening = cancelOnAbort(runs, started.runId, options.signal);
  try {
    if (!started.attached) {
      return toRunResult<O>(driver, await ended);
    }
    watch.giveUp(runId, new Error("the run is another one's"));
    return toRunResult<O>(driver, await watch.waitFor(started.runId));
  } finally {
    stopListening();
  }
}
