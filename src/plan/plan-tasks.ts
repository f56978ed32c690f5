import type { Dependency, StepInfo, TaskSpec } from "../core/goal.ts";
import { mendEdges } from "./mend-edges.ts";
import { readPlaceholders } from "./placeholders.ts";
import { type GivenTask, readFields } from "./plan-fields.ts";
import type { PlanIssue } from "./plan-issue.ts";
import { readTasks } from "./read-tasks.ts";
import { type NamePlace, TaskNames } from "./task-names.ts";
import { tidyArgs } from "./tidy-args.ts";

/** Deeper nesting is not read: the validator's limit is far below. */
const MAX_DEPTH = 50;

/** Where a plan will stand, and what its tasks can be done by. */
export interface PlanPlaceInfo {
  readonly steps: readonly StepInfo[];
  readonly names: NamePlace;
}

/** Tasks in our form; the validator has not seen them yet. */
export interface ToldTasks {
  readonly tasks: readonly unknown[];
  readonly issues: readonly PlanIssue[];
}

interface Reading {
  readonly names: TaskNames;
  readonly schemas: ReadonlyMap<string, StepInfo>;
  readonly finished: ReadonlySet<string>;
  readonly issues: PlanIssue[];
}

interface Named {
  readonly id: string;
  readonly given: GivenTask;
  readonly subtasks: readonly (Named | { readonly unread: unknown })[];
}

/** Turns the tasks of a model's answer into specs: fields, ids and references. */
export function toSpecs(values: readonly unknown[], place: PlanPlaceInfo): ToldTasks {
  const reading: Reading = {
    names: new TaskNames(place.names),
    schemas: new Map(place.steps.map((step) => [step.name, step])),
    finished: place.names.finished,
    issues: [],
  };
  // All names first: a reference may point at a task further down.
  const named = values.map((value) => nameTask(value, reading, 1));
  const tasks = named
    .filter((task) => "unread" in task || !reading.finished.has(task.id))
    .map((task) => ("unread" in task ? task.unread : toSpec(task, reading).spec));
  return { tasks: mendTasks(tasks), issues: reading.issues };
}

/** Edges are mended where everything has its type; else the validator says first what has not. */
function mendTasks(values: readonly unknown[]): readonly unknown[] {
  const { tasks, issues } = readTasks(values, MAX_DEPTH);
  return issues.length === 0 ? mendEdges(tasks) : values;
}

function nameTask(value: unknown, reading: Reading, depth: number): Named | { readonly unread: unknown } {
  const given = depth > MAX_DEPTH ? undefined : readFields(value);
  if (!given) {
    return { unread: value };
  }
  const id = reading.names.add(given.id);
  reading.issues.push(...given.issues);
  return { id, given, subtasks: given.subtasks.map((inner) => nameTask(inner, reading, depth + 1)) };
}

/** A spec, and whether something about it may change once more of the plan is known. */
interface ReadSpec {
  readonly spec: TaskSpec;
  readonly doubtful: boolean;
}

function toSpec({ id, given, subtasks }: Named, reading: Reading): ReadSpec {
  const dependsOn = given.dependsOn.map((dependency): Dependency => {
    const { id: on, ...rest } = dependency;
    return { ...rest, id: findTask(on, reading.names) ?? String(on) };
  });
  const owner = { id, names: reading.names, dependsOn: new Set(dependsOn.map((edge) => edge.id)) };
  const step = given.step ?? id;
  const schema = typeof step === "string" ? reading.schemas.get(step)?.argsSchema : undefined;
  const read = given.args === undefined ? undefined : readPlaceholders(given.args, owner);
  reading.issues.push(...(read?.issues ?? []));
  const over = given.map && (findTask(given.map.over, reading.names) ?? given.map.over);
  const { concurrency } = given.map ?? {};
  const inner = subtasks.map((task) => ("unread" in task ? task.unread : toSpec(task, reading).spec));
  const spec = {
    id,
    ...given.rest,
    ...(given.step !== undefined && { step: given.step }),
    ...(read && { args: tidyArgs(read.args, schema) }),
    ...(dependsOn.length > 0 && { dependsOn }),
    ...(given.map && { map: { over, ...(concurrency !== undefined && { concurrency }) } }),
    ...(inner.length > 0 && { subtasks: inner }),
  };
  const unknown = dependsOn.some(
    (_, index) => findTask(given.dependsOn[index]?.id, reading.names) === undefined,
  );
  return { spec: spec as unknown as TaskSpec, doubtful: unknown || (read?.doubtful ?? false) };
}

/** Dependencies are ids, or placeholders of the simple kind. */
function findTask(given: unknown, names: TaskNames): string | undefined {
  if (typeof given === "number") {
    return names.find(String(given)) ?? names.numbered(given)?.id;
  }
  if (typeof given !== "string") {
    return undefined;
  }
  const found = names.find(given);
  const number = /^(?:\$|#E|#)?(\d{1,6})$/.exec(given)?.[1];
  return found ?? (number === undefined ? undefined : names.numbered(Number(number))?.id);
}

/** Reads the tasks of a plan that is still being written, one after the other. */
export class TaskReader {
  readonly #reading: Reading;

  constructor(place: PlanPlaceInfo) {
    this.#reading = {
      names: new TaskNames({ ...place.names, positions: false }),
      schemas: new Map(place.steps.map((step) => [step.name, step])),
      finished: place.names.finished,
      issues: [],
    };
  }

  /** The task, if nothing that comes behind it can change what it is. */
  read(value: unknown): TaskSpec | undefined {
    const issuesBefore = this.#reading.issues.length;
    const task = nameTask(value, this.#reading, 1);
    if ("unread" in task || typeof task.given.id !== "string" || task.subtasks.length > 0) {
      return undefined;
    }
    const { spec, doubtful } = toSpec(task, this.#reading);
    const settled = this.#reading.issues.length === issuesBefore && !doubtful;
    const { tasks, issues } = readTasks([spec], 1);
    return settled && issues.length === 0 && !this.#reading.finished.has(task.id)
      ? mendEdges(tasks)[0]
      : undefined;
  }
}
