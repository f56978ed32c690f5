import type { TaskSpec } from "../core/goal.ts";
import type { StepFacts } from "../core/optimizer.ts";
import { isCompound } from "../core/task-tree.ts";

/** What a task reads and writes. */
export interface TaskEffects {
  readonly reads: readonly string[];
  readonly writes: readonly string[];
}

export type StepInfo = (step: string) => StepFacts | undefined;

/** The step that does a task. */
export function stepOf(spec: TaskSpec): string {
  return spec.step ?? spec.id;
}

/** True for a task that is one node of the run and does work by itself. */
export function isLeaf(spec: TaskSpec): boolean {
  return !isCompound(spec);
}

/**
 * What a task is declared to read and write, by itself or, for a step without effects, by its step. Undefined if nobody
 * said: then it may touch anything. A list that a declaration leaves out is empty.
 */
export function effectsOf(spec: TaskSpec, stepInfo: StepInfo): TaskEffects | undefined {
  if (spec.effects) {
    return { reads: spec.effects.reads ?? [], writes: spec.effects.writes ?? [] };
  }
  return stepInfo(stepOf(spec))?.effectFree ? { reads: [], writes: [] } : undefined;
}

/** Whether a person is asked before the task is carried out: what is before that stays before it. */
export function needsApproval(spec: TaskSpec, stepInfo: StepInfo): boolean {
  return spec.approval === true || stepInfo(stepOf(spec))?.approval === true;
}
