import { GoalpostError } from "../core/errors.ts";
import type { AttemptOptions } from "./attempt-options.ts";
import type { TaskResult } from "./code.ts";
import { OneCall, type Try } from "./one-call.ts";
import { Waits } from "./waits.ts";

/**
 * Carries out one try, and a second copy of it if it takes longer than that and a slot is free: the first that completes
 * counts, the other is aborted. Only for tasks that may run twice. What `ctx.once` makes is made once for both; the copy
 * waits for nothing: where it would have to, the first goes on alone.
 *
 * What is learned of the try is how long it took with the copy: of the slowest twentieth too little, so that the quantile
 * after which copies begin stays where it is.
 *
 * From: Dean and Barroso, "The Tail at Scale" (2013), hedged requests.
 */
export function hedged(options: AttemptOptions, own: Try, afterMs: number): Promise<TaskResult> {
  const [firstAbort, secondAbort] = [options.abort.child(), options.abort.child()];
  const first = new OneCall({ ...options, abort: firstAbort }, own, null);
  const second = { ...options, ...unchanged(options), abort: secondAbort };
  return new Promise((resolve, reject) => {
    let copy: Promise<TaskResult | undefined> | undefined;
    let failed = false;
    const stopTimer = options.clock.timer(afterMs, () => {
      copy = beginCopy(second, { own, first });
      copy?.then((result) => {
        if (result) {
          options.rescued = failed;
          firstAbort.abort(overtaken());
          resolve(result);
        }
      });
    });
    options.code
      .execute(first)
      .then(
        (result) => {
          secondAbort.abort(overtaken());
          resolve(result);
        },
        async (error: unknown) => {
          failed = true;
          // What suspends or releases the first is what becomes of the try.
          if (own.waits.suspension || !(await copy)) {
            secondAbort.abort(overtaken());
            reject(error);
          }
        },
      )
      .finally(stopTimer);
  });
}

/** Steps may change what they are given: the copy is given what the first was. */
function unchanged({ task, run, inputs }: AttemptOptions): Pick<AttemptOptions, "task" | "run" | "inputs"> {
  const { input, itemInput, ...rest } = structuredClone({
    input: run.input,
    itemInput: task.itemInput,
    inputs,
  });
  return { ...rest, run: { ...run, input }, task: { ...task, itemInput } };
}

/** Undefined if no slot is free; resolves to undefined if there is nothing to be had from it. */
function beginCopy(
  options: AttemptOptions,
  { own, first }: { readonly own: Try; readonly first: OneCall },
): Promise<TaskResult | undefined> | undefined {
  const isOver = options.abort.aborted || own.waits.suspension !== undefined;
  const giveBack = isOver ? undefined : options.takeSlot?.();
  if (!giveBack) {
    return undefined;
  }
  const { task, node, children } = options;
  const waits = new Waits({ task, taskId: node.name, children });
  const call = new OneCall(options, { ...own, waits, memory: first.memory }, null);
  // Where it does not heed its signal, the slot is free all the same.
  return options.abort
    .until(async () => {
      options.logger.info(
        { runId: options.run.id, taskId: node.name },
        "a task takes long; a second copy was begun",
      );
      return options.code.execute(call);
    })
    .then(
      (result) => (waits.suspension ? undefined : result),
      () => undefined,
    )
    .finally(() => {
      waits.end();
      giveBack();
    });
}

function overtaken(): GoalpostError {
  return new GoalpostError("CANCELLED", "another copy of the task was quicker", { retryable: false });
}
