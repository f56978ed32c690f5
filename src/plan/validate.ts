import { type GraphIssue, InvalidGraphError } from "../core/errors.ts";
import { DEFAULT_LIMITS, type GraphLimits, type TaskSpec, type ValidTaskGraph } from "../core/goal.ts";
import { NAME_RULE, nameProblem } from "../core/names.ts";
import { findRefs } from "../core/refs.ts";
import type { StepMap } from "../core/step.ts";
import { isCompound, type TaskTree, type TreeTask, toArcs, toTree } from "../core/task-tree.ts";
import { sortTopologically, type Topology } from "../core/topology.ts";
import { findArgIssues } from "./check-args.ts";
import { readTasks } from "./read-tasks.ts";

export interface ValidateOptions {
  /** The steps there are; undefined leaves steps and args unchecked. */
  readonly steps?: StepMap | undefined;
  readonly limits?: Partial<GraphLimits> | undefined;
  /** The graph's place in a run that is going on. */
  readonly within?: {
    /** Levels above these tasks. */
    readonly depth: number;
    /** Ids that are taken. */
    readonly taken: ReadonlySet<string>;
    /** Ids of tasks whose outputs are there already. */
    readonly finished: ReadonlySet<string>;
  };
}

/** What a check of a graph found. */
export interface Findings {
  readonly issues: readonly GraphIssue[];
  readonly warnings: readonly GraphIssue[];
  readonly graph: {
    readonly tasks: readonly TaskSpec[];
    readonly taskCount: number;
    readonly depth: number;
    readonly width: number;
  };
}

/**
 * Checks tasks of any origin and lists every problem at once. Linear in tasks plus dependencies.
 */
export async function findIssues(
  values: readonly unknown[],
  options: ValidateOptions = {},
): Promise<Findings> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const depthAbove = options.within?.depth ?? 0;
  const { tasks, issues: typeIssues } = readTasks(values, limits.maxDepth - depthAbove);
  const tree = toTree(tasks);
  const topology = sortTopologically(toArcs(tree).successors, (node) => takesTime(tree, node));
  const depth = tree.tasks.reduce((most, task) => Math.max(most, task.depth), 0);
  const width = widthOf(tree, topology);
  const finished = options.within?.finished ?? new Set<string>();
  const issues = [
    ...typeIssues,
    ...findIdIssues(tree, options),
    ...findDependencyIssues(tree, finished),
    ...findCycle(tree, topology),
    ...(options.steps ? findStepIssues(tree, options.steps) : []),
    ...findLimitIssues(
      { count: tree.tasks.length, before: countTaken(options), depth: depth + depthAbove, width },
      limits,
    ),
  ];
  if (options.steps && tree.tasks.length <= limits.maxTasks) {
    issues.push(...(await findArgIssues(tree, options.steps)));
  }
  return {
    issues,
    warnings: findWarnings(tree),
    graph: { tasks, taskCount: tree.tasks.length, depth, width },
  };
}

/**
 * The one way to a graph that can be stored and run.
 * @throws InvalidGraphError listing every problem
 */
export async function validate(
  values: readonly unknown[],
  options: ValidateOptions = {},
): Promise<ValidTaskGraph> {
  const { issues, warnings, graph } = await findIssues(values, options);
  if (issues.length > 0) {
    throw new InvalidGraphError(issues);
  }
  return { ...graph, warnings } as unknown as ValidTaskGraph;
}

function findIdIssues(tree: TaskTree, { within }: ValidateOptions): GraphIssue[] {
  const counts = new Map<string, number>();
  for (const { spec } of tree.tasks) {
    counts.set(spec.id, (counts.get(spec.id) ?? 0) + 1);
  }
  return [...counts].flatMap(([id, count]): GraphIssue[] => {
    if (id === "") {
      return [
        {
          code: "EMPTY_ID",
          message: `${count === 1 ? "a task has" : `${count} tasks have`} no id; every task needs one`,
          taskId: "",
        },
      ];
    }
    const problem = nameProblem(id);
    if (problem) {
      return [
        {
          code: "INVALID_ID",
          message: `task id ${JSON.stringify(id)} ${problem}. Allowed: ${NAME_RULE}.`,
          taskId: id,
        },
      ];
    }
    if (within?.taken.has(id)) {
      return [
        {
          code: "DUPLICATE_ID",
          message: `task id "${id}" is taken by another task of this run; begin ids with the id of the task that is decomposed`,
          taskId: id,
        },
      ];
    }
    return count > 1
      ? [
          {
            code: "DUPLICATE_ID",
            message: `${count} tasks have the id "${id}"; ids are unique in the whole graph, subtasks included`,
            taskId: id,
          },
        ]
      : [];
  });
}

function findDependencyIssues(tree: TaskTree, finished: ReadonlySet<string>): GraphIssue[] {
  return tree.tasks.flatMap(({ spec }) => [
    ...declaredIssues(spec, tree, finished),
    ...refIssues(spec, tree, finished),
    ...mapIssues(spec, tree, finished),
  ]);
}

function declaredIssues(spec: TaskSpec, tree: TaskTree, finished: ReadonlySet<string>): GraphIssue[] {
  return (spec.dependsOn ?? []).flatMap((dependency, index): GraphIssue[] => {
    const id = typeof dependency === "string" ? dependency : dependency.id;
    const path = `dependsOn[${index}]`;
    if (id === spec.id) {
      return [
        { code: "SELF_DEPENDENCY", message: `task "${spec.id}" depends on itself`, taskId: spec.id, path },
      ];
    }
    if (tree.byId.has(id) || finished.has(id)) {
      return [];
    }
    return [
      {
        code: "UNKNOWN_DEPENDENCY",
        message: `task "${spec.id}" depends on "${id}", which is not a task of this graph`,
        taskId: spec.id,
        path,
      },
    ];
  });
}

function refIssues(spec: TaskSpec, tree: TaskTree, finished: ReadonlySet<string>): GraphIssue[] {
  const { refs, malformed } = findRefs(spec.args);
  const issues = malformed.map(
    ({ at, message }): GraphIssue => ({
      code: "DANGLING_REF",
      message: `a reference in the args of task "${spec.id}" cannot be bound: ${message}; write { "$ref": "taskId", "path": "a.b" }`,
      taskId: spec.id,
      path: ["args", ...at].join("."),
    }),
  );
  for (const ref of refs) {
    const path = ["args", ...ref.at].join(".");
    if (ref.id === spec.id) {
      issues.push({
        code: "SELF_DEPENDENCY",
        message: `the args of task "${spec.id}" refer to its own output`,
        taskId: spec.id,
        path,
      });
    } else if (!tree.byId.has(ref.id) && !finished.has(ref.id)) {
      issues.push({
        code: "DANGLING_REF",
        message: `the args of task "${spec.id}" refer to "${ref.id}", which is not a task of this graph`,
        taskId: spec.id,
        path,
      });
    }
  }
  return issues;
}

function mapIssues(spec: TaskSpec, tree: TaskTree, finished: ReadonlySet<string>): GraphIssue[] {
  if (!spec.map) {
    return [];
  }
  const { over } = spec.map;
  const found = (code: GraphIssue["code"], message: string): GraphIssue[] => [
    { code, message, taskId: spec.id, path: "map" },
  ];
  if (isCompound(spec)) {
    return found("INVALID_TASK", `task "${spec.id}" holds other tasks and cannot be a map; map one of those`);
  }
  if (over === spec.id) {
    return found("SELF_DEPENDENCY", `task "${spec.id}" maps over itself`);
  }
  const source = tree.tasks[tree.byId.get(over) ?? -1];
  if (!source && !finished.has(over)) {
    return found(
      "UNKNOWN_DEPENDENCY",
      `task "${spec.id}" maps over "${over}", which is not a task of this graph`,
    );
  }
  return source && isCompound(source.spec)
    ? found(
        "INVALID_TASK",
        `task "${spec.id}" maps over "${over}", whose output is an object of its subtasks' outputs`,
      )
    : [];
}

function findCycle(tree: TaskTree, { cycle }: Topology): GraphIssue[] {
  if (!cycle) {
    return [];
  }
  const ids: string[] = [];
  for (const node of cycle) {
    const id = tree.tasks[Math.floor(node / 2)]?.spec.id ?? "";
    if (ids.at(-1) !== id) {
      ids.push(id);
    }
  }
  const closed = ids.at(0) === ids.at(-1) && ids.length > 1 ? ids : [...ids, ids[0] ?? ""];
  return [
    {
      code: "CYCLE",
      message: `these tasks wait for each other: ${closed.map((id) => `"${id}"`).join(" → ")} (each arrow: must be done before)`,
      taskId: closed[0] ?? "",
      cycle: closed,
    },
  ];
}

function findStepIssues(tree: TaskTree, steps: StepMap): GraphIssue[] {
  const names = Object.keys(steps);
  const known =
    names.length > 0
      ? `There are: ${names.slice(0, 20).join(", ")}${names.length > 20 ? ", …" : ""}.`
      : "There are no steps.";
  return tree.tasks.flatMap(({ spec }): GraphIssue[] => {
    const step = spec.step ?? spec.id;
    if (isCompound(spec) || step === "" || Object.hasOwn(steps, step)) {
      return [];
    }
    return [
      {
        code: "UNKNOWN_STEP",
        message: `task "${spec.id}" needs step "${step}", which does not exist. ${known}`,
        taskId: spec.id,
        path: "step",
      },
    ];
  });
}

function findLimitIssues(
  size: { count: number; before: number; depth: number; width: number },
  limits: GraphLimits,
): GraphIssue[] {
  const issues: GraphIssue[] = [];
  if (size.count === 0) {
    issues.push({ code: "EMPTY_GRAPH", message: "there are no tasks; a graph needs at least one" });
  }
  if (size.count + size.before > limits.maxTasks) {
    const before = size.before > 0 ? ` beside the ${size.before} of the run so far` : "";
    issues.push({
      code: "TOO_LARGE",
      message: `the graph has ${size.count} tasks${before}; ${limits.maxTasks} are allowed (maxTasks)`,
    });
  }
  if (size.depth > limits.maxDepth) {
    issues.push({
      code: "TOO_DEEP",
      message: `tasks are nested more than ${limits.maxDepth} levels deep, which is what is allowed (maxDepth)`,
    });
  }
  if (size.width > limits.maxWidth) {
    issues.push({
      code: "TOO_WIDE",
      message: `${size.width} tasks could run at once; ${limits.maxWidth} are allowed (maxWidth)`,
    });
  }
  return issues;
}

/** Tasks that the run has already; the names of hidden nodes begin with a slash. */
function countTaken({ within }: ValidateOptions): number {
  return [...(within?.taken ?? [])].filter((name) => !name.startsWith("/")).length;
}

/** Only the entry of a task that does work takes a level; compound tasks and exits are passed at once. */
function takesTime(tree: TaskTree, node: number): number {
  const task = tree.tasks[node / 2];
  return task && !isCompound(task.spec) ? 1 : 0;
}

/** The most tasks on one level of the longest-way layering. */
function widthOf(tree: TaskTree, { levels }: Topology): number {
  const counts = new Map<number, number>();
  for (const [index, { spec }] of tree.tasks.entries()) {
    if (!isCompound(spec)) {
      const level = levels[2 * index] ?? 0;
      counts.set(level, (counts.get(level) ?? 0) + 1);
    }
  }
  return [...counts.values()].reduce((most, count) => Math.max(most, count), 0);
}

/**
 * Where the top level ends in one task that joins others, a task that nobody waits for and that declares no writes
 * does work that nobody sees.
 */
function findWarnings(tree: TaskTree): GraphIssue[] {
  const warnings: GraphIssue[] = tree.tasks.flatMap(({ spec }): GraphIssue[] =>
    isCompound(spec) && spec.step !== undefined
      ? [
          {
            code: "UNUSED_STEP",
            message: `task "${spec.id}" has subtasks, so its step "${spec.step}" is not called`,
            taskId: spec.id,
            path: "step",
          },
        ]
      : [],
  );
  const used = new Set(tree.tasks.flatMap((task) => task.dependencies.map((dependency) => dependency.id)));
  const ends = tree.tasks.filter((task) => task.parent < 0 && !used.has(task.spec.id));
  const joins = ends.filter((task) => task.dependencies.length > 1);
  const dead = joins.length === 1 ? ends.filter((task) => task !== joins[0] && !writes(task)) : [];
  for (const { spec } of dead) {
    warnings.push({
      code: "DEAD_TASK",
      message: `nothing uses the output of task "${spec.id}"; let a task depend on it, or leave it out`,
      taskId: spec.id,
    });
  }
  return warnings;
}

function writes({ spec }: TreeTask): boolean {
  return (spec.effects?.writes?.length ?? 0) > 0;
}
