import { GoalpostError } from "./core/errors.ts";
import type { Dependency, Replan, TaskSpec } from "./core/goal.ts";
import { latestTasks, type StoredPlan } from "./core/plan-history.ts";
import { bindRefs } from "./core/refs.ts";
import { REPLAN } from "./core/shape.ts";
import { toTree } from "./core/task-tree.ts";
import type { TaskCall } from "./engine/code.ts";
import type { DefinitionNode, RunDefinition } from "./engine/definitions.ts";
import type { ReplanFacts } from "./engine/growth.ts";
import type { PlanPlace } from "./plan/compile.ts";

/** Where a plan belongs, and what is there already. */
export interface PlanSite {
  readonly place: PlanPlace;
  /** The compound task that is planned; undefined for the goal itself. */
  readonly task: TaskSpec | undefined;
  /** Set if it replaces another plan. */
  readonly replan: Replan | undefined;
  /** What is completed of the plan that it replaces, and stays. */
  readonly kept: readonly TaskSpec[];
  /** Positions of the tasks in {@link kept} and {@link hidden}, by id. */
  readonly known: ReadonlyMap<string, number>;
  /**
   * Tasks that new ones may depend on though {@link kept} does not show them: completed ones of compound tasks that were
   * decomposed when they were reached, and those outside the scope that the plan needed before.
   */
  readonly hidden: ReadonlySet<string>;
  /** Names that tasks of the run have. */
  readonly names: ReadonlySet<string>;
  /** The position of a task of the run. */
  readonly find: (id: string) => number;
}

/** Finds out what a node has to plan. */
export async function findSite(
  call: TaskCall,
  loaded: RunDefinition,
  node: DefinitionNode,
): Promise<PlanSite> {
  const growth = call.growth();
  const again = node.name.startsWith(REPLAN);
  // Of a run that begins there is nothing but what was loaded.
  const definition =
    again || node.spec.parent !== undefined || growth.parts.length > 0 ? await growth.definition() : loaded;
  const join = definition.joinOf(node.position);
  if (!join) {
    throw new GoalpostError("INVALID_STATE", `plan node "${node.name}" leads into nothing`);
  }
  const facts = again ? await growth.replan() : null;
  const site = siteOf(call, { definition, node, join, version: facts?.version });
  if (!facts) {
    return { ...site, replan: undefined, kept: [], known: new Map(), hidden: new Set() };
  }
  const plans = await growth.plans();
  const tasks = latestTasks(plans, site.task?.id ?? null);
  const kept = keepCompleted(tasks, { plans, facts, inputs: Object.keys(call.inputs) });
  const shown = toTree(kept).tasks.map(({ spec }) => spec.id);
  const completedToo = Object.keys(facts.completed).filter((id) => !shown.includes(id));
  const hidden = new Set([...completedToo, ...neededOutside(tasks, definition, node)]);
  const { failed, version, completed } = facts;
  return {
    ...site,
    replan: {
      version,
      failed: { id: failed.id, step: failed.step, code: failed.error.code, message: failed.error.message },
      tasks,
      completed,
    },
    kept,
    known: new Map([...shown, ...hidden].map((id) => [id, site.find(id)])),
    hidden,
  };
}

/**
 * What tasks needed that are not of their plan. Nothing that came into the run since: it may wait for the scope, and
 * then neither would ever begin.
 */
function neededOutside(
  tasks: readonly TaskSpec[],
  definition: RunDefinition,
  node: DefinitionNode,
): string[] {
  const { tasks: all, byId } = toTree(tasks);
  const needed = new Set(all.flatMap(({ dependencies }) => dependencies.map(({ id }) => id)));
  return [...needed].filter((id) => !byId.has(id) && (definition.find(id) ?? node.position) < node.position);
}

interface Surroundings {
  readonly definition: RunDefinition;
  readonly node: DefinitionNode;
  readonly join: DefinitionNode;
  readonly version: number | undefined;
}

function siteOf(
  call: TaskCall,
  { definition, node, join, version }: Surroundings,
): Pick<PlanSite, "place" | "task" | "names" | "find"> {
  const compound = join.kind === "join";
  const { description = "", args } = join.spec;
  const { within } = definition.node(node.position);
  return {
    place: {
      position: node.position,
      join: join.position,
      depth: compound ? (join.spec.depth ?? 0) : 0,
      inputs: definition.inputsOf(node.position),
      within: within.length > 0 ? within : [join.position],
      ...(compound && { parent: join.name }),
      ...(version !== undefined && { version }),
    },
    task: compound
      ? { id: join.name, description, ...(args !== undefined && { args: bindRefs(args, call.inputs) }) }
      : undefined,
    names: definition.names(),
    find: (id) => {
      const position = definition.find(id);
      if (position === undefined) {
        throw new GoalpostError("INVALID_STATE", `task "${id}" is not in the run that planned it`);
      }
      return position;
    },
  };
}

interface Before {
  readonly plans: readonly StoredPlan[];
  readonly facts: ReplanFacts;
  readonly inputs: readonly string[];
}

/**
 * What is left of a plan: its completed tasks, and those of compound tasks that were replaced, in their place. They depend
 * on what is left.
 */
function keepCompleted(tasks: readonly TaskSpec[], { plans, facts, inputs }: Before): readonly TaskSpec[] {
  const kept: TaskSpec[] = [];
  const open: { task: TaskSpec; around: readonly (string | Dependency)[] }[] = [...tasks]
    .reverse()
    .map((task) => ({ task, around: [] }));
  for (let next = open.pop(); next; next = open.pop()) {
    const { task, around } = next;
    const dependsOn = [...around, ...(task.dependsOn ?? [])];
    if (Object.hasOwn(facts.completed, task.id)) {
      kept.push(dependsOn.length > 0 ? { ...task, dependsOn } : task);
    } else {
      open.push(
        ...[...subtasksOf(task, plans)].reverse().map((inner) => ({ task: inner, around: dependsOn })),
      );
    }
  }
  const left = new Set([...inputs, ...toTree(kept).tasks.map(({ spec }) => spec.id)]);
  return kept.map((task) => withDependencies(task, left));
}

/** Of a task that was decomposed when it was reached, and is replaced: its name is that of the version it was in. */
function subtasksOf(task: TaskSpec, plans: readonly StoredPlan[]): readonly TaskSpec[] {
  const own = plans.findLast(({ scope }) => scope?.startsWith(`${task.id}@`));
  return own?.tasks ?? task.subtasks ?? [];
}

function withDependencies(task: TaskSpec, left: ReadonlySet<string>): TaskSpec {
  const idOf = (dependency: string | Dependency): string =>
    typeof dependency === "string" ? dependency : dependency.id;
  const dependsOn = task.dependsOn?.filter((dependency) => left.has(idOf(dependency)));
  const { dependsOn: _, subtasks, ...own } = task;
  return {
    ...own,
    ...(dependsOn && dependsOn.length > 0 && { dependsOn }),
    ...(subtasks && { subtasks: subtasks.map((inner) => withDependencies(inner, left)) }),
  };
}
