import type { Clock } from "./core/clock.ts";
import type { Driver } from "./core/driver.ts";
import { GoalpostError } from "./core/errors.ts";
import { check } from "./core/policy.ts";
import { lookAtTraced, type RunEvent, readEvents } from "./store/events.ts";
import { getRun } from "./store/runs.ts";

const AT_ONCE = 500;
/** How long to wait before looking again, while nothing happens. */
const LOOK_MS = { first: 20, most: 500 };

const LAST: ReadonlySet<string> = new Set(["workflow_completed", "workflow_failed", "workflow_cancelled"]);

export interface EventsOptions {
  /** The seq of the last event that is known already. Default 0: from the beginning. */
  readonly after?: number | undefined;
  /** Ends the iteration with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The events of a run, those to come included, until it is final.
 * @throws RUN_NOT_FOUND, INVALID_INPUT, INVALID_STATE if the run keeps no events, or the signal's reason
 */
export async function* runEvents(
  { driver, clock }: { readonly driver: Driver; readonly clock: Clock },
  runId: string,
  options: EventsOptions = {},
): AsyncGenerator<RunEvent, void, undefined> {
  check(options.after, { what: "after", least: 0, whole: true });
  await getRun(driver, runId);
  let last = options.after ?? 0;
  let waitMs = LOOK_MS.first;
  for (;;) {
    options.signal?.throwIfAborted();
    // Asked before the events are read: what a run that is over had to tell is there by then.
    const run = await lookAtTraced(driver, runId);
    if (run?.traced === false) {
      throw new GoalpostError(
        "INVALID_STATE",
        `run ${runId} keeps no events; start it with { events: true }`,
      );
    }
    const events = await readEvents(driver, runId, { after: last, limit: AT_ONCE });
    for (const event of events) {
      last = event.seq;
      yield event;
      options.signal?.throwIfAborted();
      if (LAST.has(event.type)) {
        return;
      }
    }
    if (events.length === 0 && (!run || run.ended)) {
      return;
    }
    waitMs = events.length > 0 ? LOOK_MS.first : Math.min(LOOK_MS.most, waitMs * 2);
    if (events.length < AT_ONCE) {
      await pause(clock, waitMs, options.signal);
    }
  }
}

function pause(clock: Clock, delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.timer(delayMs, () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    });
    signal?.addEventListener("abort", abort, { once: true });
  });
}
