import type { TaskSpec } from "../core/goal.ts";
import { canonicalJson, toJson } from "../core/json.ts";

/** Equal tasks have equal texts, whatever the order of their keys. */
export function textOfTask(task: TaskSpec): string {
  return canonicalJson(JSON.parse(toJson(task, `task "${task.id}" has`)));
}
