import type { Dependency, TaskSpec } from "../core/goal.ts";
import { isObject } from "../core/json.ts";

/** What is changed in a tree of tasks, by id. */
export interface TaskEdits {
  /** The dependencies of these tasks, instead of what they have. */
  readonly dependsOn?: ReadonlyMap<string, readonly (string | Dependency)[]> | undefined;
  /** Tasks that are left out, and whose place others take: in dependencies, references and maps. */
  readonly mergedInto?: ReadonlyMap<string, string> | undefined;
}

/** The tasks with the edits made. Those without an edit are the same objects. */
export function editTasks(tasks: readonly TaskSpec[], edits: TaskEdits): readonly TaskSpec[] {
  const { mergedInto } = edits;
  let changed = false;
  const edited = tasks.flatMap((task) => {
    if (mergedInto?.has(task.id)) {
      changed = true;
      return [];
    }
    const next = editTask(task, edits);
    changed ||= next !== task;
    return [next];
  });
  return changed ? edited : tasks;
}

function editTask(task: TaskSpec, edits: TaskEdits): TaskSpec {
  const { dependsOn, mergedInto } = edits;
  const subtasks = task.subtasks && editTasks(task.subtasks, edits);
  const own = dependsOn?.get(task.id);
  const before = own ?? task.dependsOn;
  const after = mergedInto?.size ? rename(before, mergedInto) : before;
  const args = mergedInto?.size ? renameRefs(task.args, mergedInto) : task.args;
  const over = task.map && (mergedInto?.get(task.map.over) ?? task.map.over);
  if (
    subtasks === task.subtasks &&
    after === task.dependsOn &&
    args === task.args &&
    over === task.map?.over
  ) {
    return task;
  }
  return {
    ...task,
    ...(after && { dependsOn: after }),
    ...(subtasks && { subtasks }),
    ...(args !== task.args && { args }),
    ...(task.map && over !== undefined && { map: { ...task.map, over } }),
  };
}

/** Two dependencies that become one are as strong as the stronger of them. */
function rename(
  dependsOn: TaskSpec["dependsOn"],
  mergedInto: ReadonlyMap<string, string>,
): TaskSpec["dependsOn"] {
  const idOf = (dependency: string | Dependency): string =>
    typeof dependency === "string" ? dependency : dependency.id;
  if (!dependsOn?.some((dependency) => mergedInto.has(idOf(dependency)))) {
    return dependsOn;
  }
  const byId = new Map<string, string | Dependency>();
  for (const dependency of dependsOn) {
    const id = mergedInto.get(idOf(dependency)) ?? idOf(dependency);
    const renamed = typeof dependency === "string" ? id : { ...dependency, id };
    const other = byId.get(id);
    byId.set(id, other === undefined ? renamed : stronger(other, renamed));
  }
  return [...byId.values()];
}

const REASONS = ["order", "conflict", "data"] as const;

function stronger(one: string | Dependency, other: string | Dependency): string | Dependency {
  if (typeof one === "string" || typeof other === "string") {
    return typeof one === "string" ? one : other;
  }
  const strength = ({ reason = "data" }: Dependency): number => REASONS.indexOf(reason);
  const reason = REASONS[Math.max(strength(one), strength(other))];
  return { ...one, reason, optional: one.optional === true && other.optional === true };
}

/** Args with the references to merged tasks leading to those that stand for them. The same object if there are none. */
export function renameRefs(args: unknown, mergedInto: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(args)) {
    const renamed = args.map((item: unknown) => renameRefs(item, mergedInto));
    return renamed.some((item, index) => item !== args[index]) ? renamed : args;
  }
  if (!isObject(args)) {
    return args;
  }
  if (typeof args.$ref === "string") {
    const other = mergedInto.get(args.$ref);
    return other === undefined ? args : { ...args, $ref: other };
  }
  const entries = Object.entries(args).map(([key, value]) => [key, renameRefs(value, mergedInto)] as const);
  return entries.some(([key, value]) => value !== args[key]) ? Object.fromEntries(entries) : args;
}
