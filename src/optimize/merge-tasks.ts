import type { TaskSpec } from "../core/goal.ts";
import { canonicalJson } from "../core/json.ts";
import type { TaskTree, TreeTask } from "../core/task-tree.ts";
import { renameRefs } from "./edit-tasks.ts";
import { effectsOf, isLeaf, needsApproval, type StepInfo } from "./task-facts.ts";
import type { WorkGraph } from "./work-graph.ts";

/** Steps that send their task's description to an agent. */
const AGENT_STEP = "agent:";

/**
 * Finds tasks that do the same: one step, equal args and dependencies, declared to read and write nothing. Only at the
 * top level, where no compound task's output has to hold both. n log n.
 * @returns by the id of each task that is not needed, the id of the one that stands for it
 */
export function findMerges(tree: TaskTree, graph: WorkGraph, stepInfo: StepInfo): Map<string, string> {
  const mergedInto = new Map<string, string>();
  const first = new Map<string, string>();
  for (const node of graph.order) {
    const task = tree.tasks[graph.taskOf[node] as number];
    if (task && isPure(task, stepInfo)) {
      const key = keyOf(task, mergedInto);
      const other = first.get(key);
      if (other === undefined) {
        first.set(key, task.spec.id);
      } else {
        mergedInto.set(task.spec.id, other);
      }
    }
  }
  return mergedInto;
}

function isPure({ spec, parent }: TreeTask, stepInfo: StepInfo): boolean {
  const effects = effectsOf(spec, stepInfo);
  return (
    parent < 0 &&
    spec.step !== undefined &&
    isLeaf(spec) &&
    !spec.map &&
    !needsApproval(spec, stepInfo) &&
    effects !== undefined &&
    effects.reads.length + effects.writes.length === 0
  );
}

/** Equal for tasks that do the same on the same inputs in the same way. */
function keyOf({ spec, dependencies }: TreeTask, mergedInto: ReadonlyMap<string, string>): string {
  const after = dependencies
    .map(({ id, reason, optional }) =>
      [mergedInto.get(id) ?? id, reason ?? "data", optional ?? false].join(" "),
    )
    .sort();
  return canonicalJson([
    spec.step,
    renameRefs(spec.args ?? null, mergedInto),
    [...new Set(after)],
    described(spec),
    spec.maxAttempts ?? null,
    spec.timeoutMs ?? null,
    spec.onExhausted ?? null,
  ]);
}

/** A task without args may be told by its description what to do. */
function described({ step, args, description }: TaskSpec): string {
  return args === undefined || step?.startsWith(AGENT_STEP) ? description : "";
}
