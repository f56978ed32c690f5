import type { GraphIssue } from "../core/errors.ts";
import type { TaskSpec } from "../core/goal.ts";
import { isObject, toJson } from "../core/json.ts";

/** Names under which others write dependencies: taken as they are, the order of the tasks would be lost. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
  depends_on: "dependsOn",
  dependencies: "dependsOn",
  deps: "dependsOn",
  after: "dependsOn",
  max_attempts: "maxAttempts",
  timeout: "timeoutMs",
  timeout_ms: "timeoutMs",
  sub_tasks: "subtasks",
  children: "subtasks",
};

const EXPECTED: Readonly<Record<string, (value: unknown) => string | undefined>> = {
  description: (value) => (typeof value === "string" ? undefined : "must be a string"),
  dependsOn: (value) =>
    Array.isArray(value) &&
    value.every((item) => typeof item === "string" || (isObject(item) && typeof item.id === "string"))
      ? undefined
      : "must be an array of ids or { id, reason?, optional? }",
  step: (value) => (typeof value === "string" ? undefined : "must be the name of a step"),
  subtasks: (value) => (Array.isArray(value) ? undefined : "must be an array of tasks"),
  decompose: (value) => (typeof value === "boolean" ? undefined : "must be true or false"),
  map: (value) =>
    isObject(value) &&
    typeof value.over === "string" &&
    (value.concurrency === undefined ||
      (Number.isInteger(value.concurrency) && (value.concurrency as number) >= 1))
      ? undefined
      : "must be { over: the id of a task, concurrency?: a whole number ≥ 1 }",
  onExhausted: (value) =>
    ["fail", "cascade", "continue"].includes(value as string)
      ? undefined
      : 'must be "fail", "cascade" or "continue"',
  approval: (value) => (typeof value === "boolean" ? undefined : "must be true or false"),
  maxAttempts: (value) =>
    Number.isInteger(value) && (value as number) >= 1 ? undefined : "must be a whole number ≥ 1",
  timeoutMs: (value) =>
    Number.isFinite(value) && (value as number) > 0 ? undefined : "must be a number of milliseconds > 0",
};

/** Tasks of the right types, and what was wrong with the others. */
export interface ReadTasks {
  readonly tasks: readonly TaskSpec[];
  readonly issues: readonly GraphIssue[];
}

/**
 * Reads tasks of unknown origin at every level. What has the wrong type becomes an issue and is left out, so that
 * everything else can still be checked. Nested deeper than `maxDepth` + 1 nothing is read.
 */
export function readTasks(values: readonly unknown[], maxDepth: number): ReadTasks {
  const issues: GraphIssue[] = [];
  const readAll = (items: readonly unknown[], depth: number): TaskSpec[] =>
    depth > maxDepth + 1 ? [] : items.flatMap((item, index) => readOne(item, index, depth));
  const readOne = (value: unknown, index: number, depth: number): TaskSpec[] => {
    if (!isObject(value)) {
      issues.push({
        code: "INVALID_TASK",
        message: `the task at index ${index} is not an object with an id and a description`,
      });
      return [];
    }
    const id = typeof value.id === "string" ? value.id : "";
    const task: Record<string, unknown> = { description: id, ...value, id };
    for (const [key, inner] of Object.entries(value)) {
      const problem = inner === undefined ? undefined : problemOf(key, inner);
      const unfit = key === "args" ? jsonProblem(inner, id) : undefined;
      if (unfit) {
        issues.push({ code: "INVALID_ARGS", message: unfit, taskId: id, path: key });
        delete task[key];
      }
      if (problem) {
        issues.push({
          code: "INVALID_TASK",
          message: `${key} of task "${id}" ${problem}`,
          taskId: id,
          path: key,
        });
      }
      if (problem || inner === undefined) {
        delete task[key];
      }
    }
    if (task.approval === true && Array.isArray(task.subtasks) && task.subtasks.length > 0) {
      issues.push({
        code: "INVALID_TASK",
        message: `task "${id}" has subtasks and is not carried out itself; ask for approval of those of them that need it`,
        taskId: id,
        path: "approval",
      });
    }
    if (Array.isArray(task.subtasks)) {
      task.subtasks = readAll(task.subtasks, depth + 1);
    }
    return [task as unknown as TaskSpec];
  };
  return { tasks: readAll(values, 1), issues };
}

/** Args are gone through for references next: they must be a tree. */
function jsonProblem(args: unknown, id: string): string | undefined {
  try {
    toJson(args, `task "${id}" has args with`);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function problemOf(key: string, value: unknown): string | undefined {
  const word = Object.hasOwn(OTHER_WORDS, key) ? OTHER_WORDS[key] : undefined;
  if (word) {
    return `is not a property of a task; it is called ${word}`;
  }
  return Object.hasOwn(EXPECTED, key) ? EXPECTED[key]?.(value) : undefined;
}
