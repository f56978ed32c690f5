import { GoalpostError, isGoalpostError } from "../core/errors.ts";
import type { DecomposeContext, Decomposer, Goal, TaskGraph, TaskSpec } from "../core/goal.ts";
import { isObject } from "../core/json.ts";
import { findRefs } from "../core/refs.ts";

/** A pattern for goals, and the tasks that a goal of that form comes to. */
export interface Rule {
  /** The pattern as it was written. */
  readonly label: string;
  /** What makes the tasks, or undefined if the goal is not of this form. */
  readonly match: (goal: Goal) => ((goal: Goal, ctx: DecomposeContext) => RuleResult) | undefined;
}

type RuleResult = readonly TaskSpec[] | TaskGraph | Promise<readonly TaskSpec[] | TaskGraph>;

/** The names in `{braces}` of a template. */
type Holes<T extends string> = T extends `${string}{${infer Name}}${infer Rest}` ? Name | Holes<Rest> : never;

type Build<Name extends string> = (
  groups: Readonly<Record<Name, string>>,
  goal: Goal,
  ctx: DecomposeContext,
) => RuleResult;

/**
 * A rule from a template, `rule("build {what} in {dir}", ({ what, dir }) => …)`: words match in any case and with any
 * space between them, `{name}` matches any text. Or from a regular expression with named groups,
 * `rule<"what">(/^fix (?<what>.+)$/i, …)`. Groups that took no part are "".
 */
export function rule<const T extends string>(template: T, build: Build<Holes<T>>): Rule;
export function rule<Name extends string = string>(pattern: RegExp, build: Build<Name>): Rule;
export function rule(pattern: string | RegExp, make: Build<string>): Rule {
  const regExp = typeof pattern === "string" ? templateToRegExp(pattern) : pattern;
  return {
    label: typeof pattern === "string" ? pattern : String(pattern),
    match(goal) {
      regExp.lastIndex = 0;
      const match = regExp.exec(goal.text.trim());
      if (!match) {
        return undefined;
      }
      const groups = Object.entries(match.groups ?? {}).map(([name, text]) => [name, (text ?? "").trim()]);
      return (given, ctx) => make(Object.fromEntries(groups), given, ctx);
    },
  };
}

function templateToRegExp(template: string): RegExp {
  const source = template
    .trim()
    .split(/(\{[A-Za-z_]\w*\})/)
    .map((part) => {
      const hole = /^\{(\w+)\}$/.exec(part);
      return hole
        ? `(?<${hole[1]}>.+?)`
        : part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll(/\s+/g, "\\s+");
    })
    .join("");
  return new RegExp(`^${source}$`, "is");
}

export interface RulesOptions {
  /** Asked when no rule matches. */
  readonly otherwise?: Decomposer | undefined;
}

/**
 * A decomposer from rules: the first that matches makes the tasks. A task with `decompose: true` whose description
 * matches a rule is taken apart in turn: at once if it waits for nothing, else when it is reached, with the outputs
 * it waited for.
 * @throws DECOMPOSER_FAILED if no rule matches and there is no `otherwise`
 */
export function rules(list: readonly Rule[], options: RulesOptions = {}): Decomposer {
  const decomposer: Decomposer = async (goal, ctx) => {
    const found = await applyFirst(list, goal, ctx);
    if (found) {
      return expand(tasksOf(found.result), { list, goal, ctx, count: { tasks: 0 } });
    }
    if (options.otherwise) {
      return options.otherwise(goal, ctx);
    }
    const known = list.map(({ label }) => `\n  ${label}`).join("");
    throw new GoalpostError(
      "DECOMPOSER_FAILED",
      `no rule matches ${ctx.task ? `the description of task "${ctx.task.id}"` : "this goal"}. There are:${known || " none"}`,
      { retryable: false },
    );
  };
  return decomposer;
}

async function applyFirst(
  list: readonly Rule[],
  goal: Goal,
  ctx: DecomposeContext,
): Promise<{ readonly result: unknown } | undefined> {
  for (const candidate of list) {
    const found = candidate.match(goal);
    if (found) {
      return { result: await build(candidate, () => found(goal, ctx)) };
    }
  }
  return undefined;
}

/** Rules are functions of the goal alone: one that throws would throw again. */
async function build(candidate: Rule, make: () => RuleResult): Promise<unknown> {
  try {
    return await make();
  } catch (error) {
    if (isGoalpostError(error)) {
      throw error;
    }
    const message = error instanceof Error ? error.message : String(error);
    throw new GoalpostError("DECOMPOSER_FAILED", `rule "${candidate.label}" threw: ${message}`, {
      cause: error,
      retryable: false,
    });
  }
}

/** The tasks of what a rule returned. What is no list of tasks is passed on as it is: the caller reports it. */
function tasksOf(result: unknown): readonly TaskSpec[] {
  return (isObject(result) && "tasks" in result ? result.tasks : result) as readonly TaskSpec[];
}

interface Expansion {
  readonly list: readonly Rule[];
  readonly goal: Goal;
  readonly ctx: DecomposeContext;
  readonly count: { tasks: number };
}

/** Takes tasks apart until the limits are passed by one: the validator then says which limit it was. */
async function expand(tasks: readonly TaskSpec[], expansion: Expansion): Promise<readonly TaskSpec[]> {
  if (!Array.isArray(tasks)) {
    return tasks;
  }
  const { ctx, count } = expansion;
  count.tasks += tasks.length;
  if (ctx.depth >= ctx.limits.maxDepth || count.tasks > ctx.limits.maxTasks) {
    return tasks;
  }
  const expanded: TaskSpec[] = [];
  for (const task of tasks) {
    expanded.push(await expandOne(task, { ...expansion, ctx: { ...ctx, depth: ctx.depth + 1 } }));
  }
  return expanded;
}

async function expandOne(task: TaskSpec, expansion: Expansion): Promise<TaskSpec> {
  if (typeof task !== "object" || task === null) {
    return task;
  }
  if (task.subtasks?.length) {
    return { ...task, subtasks: await expand(task.subtasks, expansion) };
  }
  if (task.decompose !== true || waits(task)) {
    return task;
  }
  const goal: Goal = { ...expansion.goal, text: task.description };
  const found = await applyFirst(expansion.list, goal, { ...expansion.ctx, task });
  if (!found) {
    return task;
  }
  const { decompose: _, ...rest } = task;
  return { ...rest, subtasks: await expand(tasksOf(found.result), expansion) };
}

function waits(task: TaskSpec): boolean {
  return (task.dependsOn?.length ?? 0) > 0 || findRefs(task.args).refs.length > 0;
}
