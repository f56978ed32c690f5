import type { Decision, DispatchHint } from "../core/optimizer.ts";
import type { TaskTree } from "../core/task-tree.ts";
import type { TaskTime } from "./known-times.ts";
import { finalErrors, learnedTimeoutMs } from "./learned-limits.ts";
import { MAX_LISTED } from "./normal-form.ts";
import type { Settings } from "./settings.ts";
import { isLeaf, stepOf } from "./task-facts.ts";

type Limits = Pick<DispatchHint, "timeoutMs" | "finalErrors">;

/** Timeouts and errors that end a task, from past tries; one decision for each step. */
export function limitsOf(
  tree: TaskTree,
  times: readonly TaskTime[],
  { stepInfo }: Pick<Settings, "stepInfo">,
): { readonly hints: ReadonlyMap<string, Limits>; readonly decisions: readonly Decision[] } {
  const hints = new Map<string, Limits>();
  const decisions = new Map<string, Decision>();
  for (const [index, { spec }] of tree.tasks.entries()) {
    const estimate = times[index]?.estimate;
    if (!estimate || !isLeaf(spec)) {
      continue;
    }
    const step = stepOf(spec);
    const given = spec.timeoutMs !== undefined || stepInfo(step)?.timeoutGiven === true;
    // A step that asks models waits as long as they do: its time is bounded by tokens, not by a clock.
    const timed = !given && stepInfo(step)?.usesModel !== true;
    const timeoutMs = timed ? learnedTimeoutMs(estimate) : undefined;
    const final = finalErrors(estimate);
    if (timeoutMs !== undefined) {
      note(decisions, spec.id, {
        kind: "timeout",
        tasks: [],
        change: `a try of "${step}" may take ${timeoutMs} ms`,
        reason: `95 % of the tries take less than ${Math.round(estimate.p95Ms ?? 0)} ms, 99 % less than ${Math.round(estimate.p99Ms ?? 0)} ms`,
        samples: Math.round(estimate.samples),
        adopted: true,
      });
    }
    if (final.length > 0) {
      note(decisions, spec.id, {
        kind: "retry",
        tasks: [],
        change: `"${step}" is not tried again after ${final.join(", ")}`,
        reason: "hardly any try after these errors has completed",
        samples: Math.round(Math.min(...final.map((code) => estimate.retries[code]?.samples ?? 0))),
        adopted: true,
      });
    }
    if (timeoutMs !== undefined || final.length > 0) {
      hints.set(spec.id, {
        ...(timeoutMs !== undefined && { timeoutMs }),
        ...(final.length > 0 && { finalErrors: final }),
      });
    }
  }
  return { hints, decisions: [...decisions.values()] };
}

/** Decisions with the same words are one, about more tasks. */
function note(decisions: Map<string, Decision>, taskId: string, decision: Decision): void {
  const there = decisions.get(decision.change) ?? decision;
  const tasks = there.tasks.length < MAX_LISTED ? [...there.tasks, taskId] : there.tasks;
  decisions.set(decision.change, { ...there, tasks });
}
