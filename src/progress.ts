import type { Queryable } from "./core/driver.ts";
import type { Progress } from "./run-result.ts";
import type { RunStatus } from "./store/runs.ts";
import { countTasks, getShares, type TaskShare } from "./store/task-rows.ts";

/** How far a run in that state is. */
export async function getProgress(
  db: Queryable,
  { id, status }: { id: string; status: RunStatus },
): Promise<Progress> {
  const counts = await countTasks(db, id);
  const done = counts.growsLate
    ? doneOf(await getShares(db, id))
    : counts.total === 0
      ? 0
      : counts.done / counts.total;
  const over = counts.completed + counts.failed + counts.skipped + counts.cancelled;
  return {
    status,
    totalTasks: counts.total,
    completedTasks: counts.completed,
    runningTasks: counts.running,
    failedTasks: counts.failed,
    skippedTasks: counts.skipped,
    cancelledTasks: counts.cancelled,
    waitingTasks: counts.total - over - counts.running,
    percentage: status === "completed" ? 100 : Math.min(99, Math.floor(100 * done)),
  };
}

/**
 * Tasks at the top have equal shares, and a task hands its share on to its subtasks in equal parts: one that is
 * decomposed when it is reached takes nothing from the others.
 */
function doneOf(tasks: readonly TaskShare[]): number {
  const subtasks = new Map<string | null, TaskShare[]>();
  for (const task of tasks) {
    subtasks.set(task.parent, [...(subtasks.get(task.parent) ?? []), task]);
  }
  const mean = (among: readonly TaskShare[]): number =>
    among.reduce((sum, task) => {
      const inner = subtasks.get(task.name);
      return sum + (inner ? mean(inner) : task.done);
    }, 0) / Math.max(1, among.length);
  return mean(subtasks.get(null) ?? []);
}
