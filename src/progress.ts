import type { Queryable } from "./core/driver.ts";
import type { Progress } from "./run-result.ts";
import type { RunStatus } from "./store/runs.ts";
import { countTasks, getShares, type TaskShare } from "./store/task-counts.ts";

/** How far a run in that state is. */
export async function getProgress(
  db: Queryable,
  { id, status }: { id: string; status: RunStatus },
): Promise<Progress> {
  const counts = await countTasks(db, id);
  const done = counts.grows
    ? new Shares(await getShares(db, id)).done()
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

const TOP = -1;

/**
 * Tasks at the top have equal shares, and a task hands its share on to its subtasks in equal parts: one that is
 * decomposed when it is reached takes nothing from the others. What is replaced hands on what was not done of it to the
 * tasks of the plan that replaces it. A plan that is still being made counts when it is whole: its tasks grow in number
 * until then.
 */
class Shares {
  /** By join and version. */
  readonly #tasks = new Map<number, Map<number, TaskShare[]>>();
  readonly #open = new Set<string>();

  constructor(shares: readonly TaskShare[]) {
    const joins = new Set(shares.filter(({ kind }) => kind === "join").map(({ position }) => position));
    for (const share of shares) {
      const parent = share.parent !== null && joins.has(share.parent) ? share.parent : TOP;
      if (share.kind !== "plan") {
        const versions = this.#tasks.get(parent) ?? new Map<number, TaskShare[]>();
        versions.set(share.version, [...(versions.get(share.version) ?? []), share]);
        this.#tasks.set(parent, versions);
      } else if (!share.final) {
        this.#open.add(`${parent}/${share.version}`);
      }
    }
  }

  done(): number {
    return this.#doneIn(TOP) ?? 0;
  }

  /** Undefined for what holds no tasks. */
  #doneIn(parent: number): number | undefined {
    const versions = this.#tasks.get(parent);
    return versions && this.#mean(parent, Math.min(...versions.keys()));
  }

  #mean(parent: number, version: number): number {
    const among = this.#tasks.get(parent)?.get(version) ?? [];
    if (among.length === 0 || this.#open.has(`${parent}/${version}`)) {
      return 0;
    }
    const sum = among.reduce((before, task) => {
      const own = this.#doneIn(task.position) ?? task.done;
      const rest = task.replaced === null ? 0 : (1 - own) * this.#mean(parent, task.replaced);
      return before + own + rest;
    }, 0);
    return sum / among.length;
  }
}
