import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TaskSpec } from "goalpost";

/** A recorded or generated workflow: what was run, and how long each task took. */
export interface Trace {
  readonly name: string;
  readonly tasks: readonly TraceTask[];
}

export interface TraceTask {
  readonly id: string;
  /** The program or process: its kind. */
  readonly type: string;
  readonly dependsOn: readonly string[];
  readonly runtimeSec: number;
}

/** Repeats of one workflow are told apart by the number at the end of their names. */
export function shapeOf({ name }: Pick<Trace, "name">): string {
  return name.replace(/-\d{3}$/, "");
}

/** Reads every trace of a folder, in the order of their names. */
export function readTraces(folder: string): Trace[] {
  const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
  if (files.length === 0) {
    throw new Error(`there are no traces (*.json) in ${folder}`);
  }
  return files.sort().map((file) => check(file, JSON.parse(readFileSync(join(folder, file), "utf8"))));
}

function check(file: string, value: Trace): Trace {
  const ok =
    Array.isArray(value.tasks) &&
    value.tasks.length > 0 &&
    value.tasks.every(
      (task) =>
        typeof task.id === "string" &&
        typeof task.type === "string" &&
        Array.isArray(task.dependsOn) &&
        Number.isFinite(task.runtimeSec) &&
        task.runtimeSec >= 0,
    );
  if (!ok) {
    throw new Error(`${file} is no trace: { name, tasks: [{ id, type, dependsOn, runtimeSec }] }`);
  }
  return { ...value, name: value.name ?? file.replace(/\.json$/, "") };
}

/** The trace as a plan: a task is named by its place, since recorded names may hold anything. */
export function toTasks({ tasks }: Trace): TaskSpec[] {
  const names = new Map(tasks.map(({ id }, index) => [id, `t${index}`]));
  return tasks.map(({ id, type, dependsOn }) => ({
    id: names.get(id) ?? id,
    description: id,
    step: stepOf(type),
    dependsOn: dependsOn.map((before) => names.get(before) ?? before),
  }));
}

/** The name of a kind, as names of steps may be. */
export function stepOf(type: string): string {
  return `k_${type.replaceAll(/[^A-Za-z0-9_.:-]/g, "_")}`.slice(0, 128);
}
