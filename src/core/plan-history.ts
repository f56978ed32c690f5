import type { TaskSpec } from "./goal.ts";

/** A plan of a run as it was made. */
export interface StoredPlan {
  /** The compound task that it is the plan of, as it is called now; null for the goal itself. */
  readonly scope: string | null;
  readonly tasks: readonly TaskSpec[];
}

/**
 * The tasks of a goal or of a compound task as they are by now: of several plans the latest, with the compound tasks in
 * it as they were planned again. What is decomposed when it is reached stays as it was planned.
 * @param plans oldest first
 */
export function latestTasks(plans: readonly StoredPlan[], scope: string | null): readonly TaskSpec[] {
  const latest = new Map(plans.map((plan) => [plan.scope, plan.tasks]));
  const tasks = latest.get(scope) ?? (scope === null ? [] : findSubtasks(plans, scope));
  return renew(tasks, latest);
}

function renew(
  tasks: readonly TaskSpec[],
  latest: ReadonlyMap<string | null, readonly TaskSpec[]>,
): readonly TaskSpec[] {
  return tasks.map((task) =>
    task.subtasks?.length ? { ...task, subtasks: renew(latest.get(task.id) ?? task.subtasks, latest) } : task,
  );
}

function findSubtasks(plans: readonly StoredPlan[], id: string): readonly TaskSpec[] {
  for (const plan of [...plans].reverse()) {
    const open = [...plan.tasks];
    for (let task = open.pop(); task; task = open.pop()) {
      if (task.id === id && task.subtasks?.length) {
        return task.subtasks;
      }
      open.push(...(task.subtasks ?? []));
    }
  }
  return [];
}

/** What a plan that replaces another made of it: ids of tasks at every level, in the order of the plans. */
export interface PlanDiff {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** As they were, done or not. */
  readonly kept: readonly string[];
  /** Under their old ids, but planned differently. */
  readonly changed: readonly string[];
}

/** Compares two plans. @param textOf equal texts for equal tasks */
export function diffPlans(
  before: readonly TaskSpec[],
  after: readonly TaskSpec[],
  textOf: (task: TaskSpec) => string,
): PlanDiff {
  const old = textsById(before, textOf);
  const now = textsById(after, textOf);
  const both = [...now.keys()].filter((id) => old.has(id));
  return {
    added: [...now.keys()].filter((id) => !old.has(id)),
    removed: [...old.keys()].filter((id) => !now.has(id)),
    kept: both.filter((id) => old.get(id) === now.get(id)),
    changed: both.filter((id) => old.get(id) !== now.get(id)),
  };
}

function textsById(tasks: readonly TaskSpec[], textOf: (task: TaskSpec) => string): Map<string, string> {
  const texts = new Map<string, string>();
  const open = [...tasks].reverse();
  for (let task = open.pop(); task; task = open.pop()) {
    const { subtasks, ...own } = task;
    texts.set(task.id, textOf(own));
    open.push(...[...(subtasks ?? [])].reverse());
  }
  return texts;
}
