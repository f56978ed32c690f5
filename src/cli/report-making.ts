import { renderMermaid, type TaskSpec } from "../index.ts";
import { formatDuration } from "./format.ts";
import { escapeText, table } from "./report-markdown.ts";
import type { ReportParts, Timed } from "./report-parts.ts";
import { reportTasks } from "./report-plan.ts";

/** Facts about the making of a report. */
export interface PageFacts {
  readonly runId: string;
  readonly version: string;
  readonly madeAt: Date;
}

/** The last section of a report: the tasks that made it, with their times. */
export function howItWasMade(parts: ReportParts, facts: PageFacts): string[] {
  const tasks = reportTasks(parts.plan);
  const times = timesOf(parts);
  const all = together([...times.values()]);
  const took = (id: string): string | undefined => {
    const time = times.get(id);
    return time && formatDuration(time.tookMs);
  };
  return [
    "## How this report was made",
    `goalpost ${facts.version} took the goal apart into these tasks and ran them side by side where nothing had to wait: ` +
      `up to ${peakOf(times)} at once, ${formatDuration(all.tookMs)} from the first start to the last end. ` +
      "Tasks that run at once in one process take turns, so each takes longer than it would alone.",
    `\`\`\`mermaid\n${renderMermaid(tasks, { note: took })}\n\`\`\``,
    table(
      [
        ["Task", "left"],
        ["What it did", "left"],
        ["Started after", "right"],
        ["Took", "right"],
      ],
      rowsOf(tasks, "").map(([indent, task]) => {
        const time = times.get(task.id);
        const after = time ? formatDuration(time.startedAtMs - all.startedAtMs) : "";
        return [`${indent}${escapeText(task.id)}`, escapeText(task.description), after, took(task.id) ?? ""];
      }),
    ),
    `Folder: ${escapeText(parts.plan.folder)}. Run: ${escapeText(facts.runId)}. Made: ${facts.madeAt.toISOString()}.`,
  ];
}

/** The times of all tasks but the one that writes the report. */
function timesOf({ plan: _, measure, ...outputs }: ReportParts): ReadonlyMap<string, Timed> {
  return new Map<string, Timed>([
    ...Object.entries(outputs),
    ...Object.entries(measure),
    ["measure", together(Object.values(measure))],
  ]);
}

/** From the first start to the last end. */
function together(times: readonly Timed[]): Timed {
  const startedAtMs = Math.min(...times.map((time) => time.startedAtMs));
  const endedAtMs = Math.max(...times.map((time) => time.startedAtMs + time.tookMs));
  return { startedAtMs, tookMs: endedAtMs - startedAtMs };
}

/** The most tasks that worked at the same time; a task that holds others does no work of its own. */
function peakOf(times: ReadonlyMap<string, Timed>): number {
  const work = [...times].filter(([id]) => id !== "measure").map(([, time]) => time);
  const running = (at: number): number =>
    work.filter(({ startedAtMs, tookMs }) => startedAtMs <= at && at < startedAtMs + tookMs).length;
  return Math.max(...work.map(({ startedAtMs }) => running(startedAtMs)));
}

function rowsOf(tasks: readonly TaskSpec[], indent: string): [indent: string, task: TaskSpec][] {
  return tasks.flatMap((task) => [
    [indent, task] as [string, TaskSpec],
    ...rowsOf(task.subtasks ?? [], `${indent}↳ `),
  ]);
}
