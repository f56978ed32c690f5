import type { Dependency, TaskSpec } from "../core/goal.ts";
import type { Decision } from "../core/optimizer.ts";
import { toTree } from "../core/task-tree.ts";
import { editTasks } from "./edit-tasks.ts";
import { findMerges } from "./merge-tasks.ts";
import { findRedundantEdges } from "./reduce-edges.ts";
import type { Settings } from "./settings.ts";
import { toWorkGraph } from "./work-graph.ts";

/** Decisions of one kind that are listed one by one; the rest are counted. */
export const MAX_LISTED = 50;

export interface NormalForm {
  readonly tasks: readonly TaskSpec[];
  readonly mergedInto: ReadonlyMap<string, string>;
  readonly decisions: readonly Decision[];
}

/** Tasks that do the same become one, and order that other order implies goes. Needs no statistics. */
export function toNormalForm(tasks: readonly TaskSpec[], settings: Settings): NormalForm {
  const merged = mergeTasks(tasks, settings);
  const reduced = reduceEdges(merged.tasks);
  return {
    tasks: reduced.tasks,
    mergedInto: merged.mergedInto,
    decisions: [...merged.decisions, ...reduced.decisions],
  };
}

function mergeTasks(tasks: readonly TaskSpec[], settings: Settings): NormalForm {
  const tree = toTree(tasks);
  const found = findMerges(tree, toWorkGraph(tree), settings.stepInfo);
  const decisions = [...found].slice(0, MAX_LISTED).map(
    ([id, other]): Decision => ({
      kind: "merge",
      tasks: [id, other],
      change: `"${other}" stands for "${id}", which is not carried out`,
      reason: settings.merge
        ? "both do the same step on the same inputs, and declare that they touch nothing"
        : "both do the same, but the output of one is not given out under two ids here",
      samples: 0,
      adopted: settings.merge,
    }),
  );
  const mergedInto = settings.merge ? found : new Map<string, string>();
  return { tasks: editTasks(tasks, { mergedInto }), mergedInto, decisions };
}

/** Leaves out order edges that others imply. */
export function reduceEdges(tasks: readonly TaskSpec[]): Pick<NormalForm, "tasks" | "decisions"> {
  const tree = toTree(tasks);
  const edges = findRedundantEdges(tree);
  const gone = new Map<string, Set<string>>();
  for (const { from, to } of edges) {
    gone.set(to, (gone.get(to) ?? new Set()).add(from));
  }
  const dependsOn = new Map<string, readonly Dependency[]>();
  for (const { spec, dependencies } of tree.tasks) {
    const without = gone.get(spec.id);
    if (without) {
      dependsOn.set(
        spec.id,
        dependencies.filter(({ id }) => !without.has(id)),
      );
    }
  }
  const decisions: Decision[] =
    edges.length === 0
      ? []
      : [
          {
            kind: "reduce",
            tasks: [...gone.keys()].slice(0, MAX_LISTED),
            change: `${edges.length} order edges are left out`,
            reason: "other edges imply the same order",
            samples: 0,
            adopted: true,
          },
        ];
  return { tasks: editTasks(tasks, { dependsOn }), decisions };
}
