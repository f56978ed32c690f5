import type { TaskSpec } from "../core/goal.ts";
import { toTree } from "../core/task-tree.ts";

export interface RenderOptions {
  /** What stands behind a task's id. Default: its step, if another. */
  readonly note?: (id: string) => string | undefined;
}

/** A task graph as lines of an indented tree, dependencies behind each task. */
export function renderTree(tasks: readonly TaskSpec[], options: RenderOptions = {}): string {
  const lines: string[] = [];
  const draw = (specs: readonly TaskSpec[], indent: string): void => {
    for (const [index, spec] of specs.entries()) {
      const last = index === specs.length - 1;
      lines.push(`${indent}${last ? "└─ " : "├─ "}${describe(spec, options)}`);
      draw(spec.subtasks ?? [], `${indent}${last ? "   " : "│  "}`);
    }
  };
  draw(tasks, "");
  return lines.join("\n");
}

function describe(spec: TaskSpec, options: RenderOptions): string {
  const dependencies = toTree([spec]).tasks[0]?.dependencies.map(({ id }) => id) ?? [];
  const parts = [
    spec.id,
    spec.step !== undefined && spec.step !== spec.id ? `[${spec.step}]` : undefined,
    spec.decompose ? "(decomposed when reached)" : undefined,
    dependencies.length > 0 ? `← ${dependencies.join(", ")}` : undefined,
    options.note?.(spec.id) ?? (spec.description === spec.id ? undefined : `· ${spec.description}`),
  ];
  return parts.filter((part) => part !== undefined).join(" ");
}

/** A task graph as a Mermaid flowchart. */
export function renderMermaid(tasks: readonly TaskSpec[], options: RenderOptions = {}): string {
  const tree = toTree(tasks);
  const lines = ["flowchart LR"];
  const draw = (specs: readonly TaskSpec[], indent: string): void => {
    for (const spec of specs) {
      const name = nodeName(tree.byId.get(spec.id));
      const note = options.note?.(spec.id);
      const label = quote(note === undefined ? spec.id : `${spec.id}<br/>${note}`);
      if (spec.subtasks?.length) {
        lines.push(`${indent}subgraph ${name}[${label}]`);
        draw(spec.subtasks, `${indent}  `);
        lines.push(`${indent}end`);
      } else {
        lines.push(`${indent}${name}${spec.decompose ? `{{${label}}}` : `[${label}]`}`);
      }
    }
  };
  draw(tasks, "  ");
  for (const [index, task] of tree.tasks.entries()) {
    for (const { id, reason } of task.dependencies) {
      const arrow = reason === undefined || reason === "data" ? "-->" : "-.->";
      lines.push(`  ${nodeName(tree.byId.get(id))} ${arrow} ${nodeName(index)}`);
    }
  }
  return lines.join("\n");
}

/** Ids may be words of Mermaid's own, such as `end`; numbered names never are. */
function nodeName(index: number | undefined): string {
  return `t${index ?? "x"}`;
}

function quote(text: string): string {
  return `"${text.replaceAll('"', "#quot;")}"`;
}
