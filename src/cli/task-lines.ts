import type { RunRecord, TaskRecord, TaskStatus } from "../index.ts";
import { formatDuration, type Paint, shorten } from "./format.ts";

const SIGNS: Readonly<Record<TaskStatus, string>> = {
  waiting: "·",
  ready: "◦",
  running: "▸",
  suspended: "‖",
  completed: "✓",
  failed: "✗",
  skipped: "↷",
  cancelled: "⊘",
};

const STYLES: Readonly<Record<TaskStatus, Parameters<Paint>[0]>> = {
  waiting: "gray",
  ready: "gray",
  running: "cyan",
  suspended: "yellow",
  completed: "green",
  failed: "red",
  skipped: "gray",
  cancelled: "yellow",
};

export interface TaskLineOptions {
  readonly paint: Paint;
  /** What stands for a running task: a frame of a spinner. */
  readonly spinner?: string;
  /** For the elapsed time of running tasks, in milliseconds since the epoch. */
  readonly nowMs: number;
  /** Characters of a line. */
  readonly width: number;
  /** Show errors and earlier tries under the task. */
  readonly details: boolean;
}

/** The tasks of a run as an indented tree. */
export function taskLines(tasks: readonly TaskRecord[], options: TaskLineOptions): string[] {
  const children = new Map<string | null, TaskRecord[]>();
  for (const task of tasks) {
    children.set(task.parent, [...(children.get(task.parent) ?? []), task]);
  }
  const lines: string[] = [];
  const draw = (parent: string | null, indent: string): void => {
    for (const task of children.get(parent) ?? []) {
      const status = effectiveStatus(task, children);
      lines.push(...oneTask({ ...task, status }, indent, options));
      draw(task.id, `${indent}  `);
    }
  };
  draw(null, "");
  return lines;
}

/** A task that holds others is never running itself: it runs while one of them does. */
function effectiveStatus(
  task: TaskRecord,
  children: ReadonlyMap<string | null, readonly TaskRecord[]>,
): TaskStatus {
  const inside = children.get(task.id) ?? [];
  const begun = inside.some((child) => effectiveStatus(child, children) !== "waiting");
  return task.status === "waiting" && begun ? "running" : task.status;
}

function oneTask(task: TaskRecord, indent: string, options: TaskLineOptions): string[] {
  const { paint, width } = options;
  const sign = task.status === "running" && options.spinner ? options.spinner : SIGNS[task.status];
  const head = `${indent}${paint(STYLES[task.status], sign)} ${task.id}`;
  const facts = [
    elapsed(task, options.nowMs),
    task.progress ? `${Math.floor(task.progress.fraction * 100)} %` : undefined,
    task.progress?.note ?? undefined,
    task.attempts > 1 ? `attempt ${task.attempts}` : undefined,
    task.status === "completed" || task.status === "running" ? undefined : task.status,
    task.replacedBy === null ? undefined : `replaced by plan ${task.replacedBy}`,
  ].filter((fact) => fact !== undefined);
  const room = width - indent.length - task.id.length - facts.join(", ").length - 8;
  const description = task.description === task.id || room < 10 ? "" : ` ${shorten(task.description, room)}`;
  const line = `${head}${paint("gray", `${facts.length > 0 ? ` (${facts.join(", ")})` : ""}${description}`)}`;
  return options.details ? [line, ...detailLines(task, `${indent}    `, paint)] : [line];
}

function detailLines(task: TaskRecord, indent: string, paint: Paint): string[] {
  return task.history.map((attempt, index) => {
    const took = attempt.startedAt
      ? formatDuration(attempt.finishedAt.getTime() - attempt.startedAt.getTime())
      : "";
    const what =
      attempt.outcome === "lost"
        ? "lost with its worker"
        : `${attempt.error?.code}: ${attempt.error?.message}`;
    return `${indent}${paint("red", `try ${index + 1} ${took && `(${took}) `}${what}`)}`;
  });
}

function elapsed(task: TaskRecord, nowMs: number): string | undefined {
  if (!task.startedAt) {
    return undefined;
  }
  const until = task.finishedAt?.getTime() ?? (task.status === "running" ? nowMs : undefined);
  return until === undefined ? undefined : formatDuration(until - task.startedAt.getTime());
}

/** Tasks that do work, and how many of them are completed. */
export function countWork(run: RunRecord): { readonly total: number; readonly done: number } {
  const work = run.tasks.filter((task) => task.step !== null && task.replacedBy === null);
  return { total: work.length, done: work.filter((task) => task.status === "completed").length };
}
