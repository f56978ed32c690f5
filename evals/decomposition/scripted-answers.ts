import type { TaskSpec } from "goalpost";

/** A manner in which a model answers: what it says first, and each time that it is told what is wrong. */
export interface Manner {
  readonly name: string;
  readonly answers: (gold: readonly TaskSpec[]) => readonly string[];
}

type Dialect = (id: string, path: string | undefined) => unknown;

const curly: Dialect = (id, path) => `\${${path ? `${id}.${path}` : id}}`;

function withDialect(value: unknown, dialect: Dialect): unknown {
  if (Array.isArray(value)) {
    return value.map((item) => withDialect(item, dialect));
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  if ("$ref" in value) {
    const { $ref, path } = value as { $ref: string; path?: string };
    return dialect($ref, path);
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withDialect(inner, dialect)]));
}

const idsIn = (value: unknown): string[] =>
  typeof value !== "object" || value === null
    ? []
    : "$ref" in value
      ? [String(value.$ref)]
      : Object.values(value).flatMap(idsIn);

const needs = (task: TaskSpec): string[] => [
  ...new Set([
    ...idsIn(task.args),
    ...(task.dependsOn ?? []).map((edge) => (typeof edge === "string" ? edge : edge.id)),
  ]),
];

/** As it is asked for. */
function clean(gold: readonly TaskSpec[]): string {
  const tasks = gold.map((task) => ({
    id: task.id,
    description: task.description,
    step: task.step,
    args: withDialect(task.args, curly),
    dependsOn: needs(task).map((id) => ({ id, reason: idsIn(task.args).includes(id) ? "data" : "order" })),
    mapOver: null,
  }));
  return JSON.stringify({ tasks });
}

/** Numbered tasks, placeholders with a dollar, snake case, a fence and a sentence. */
function numbered(gold: readonly TaskSpec[]): string {
  const number = new Map(gold.map((task, index) => [task.id, index + 1]));
  const tasks = gold.map((task, index) => ({
    id: index + 1,
    task: task.description,
    tool: task.step,
    arguments: withDialect(task.args, (id, path) => `$${number.get(id)}${path ? `.${path}` : ""}`),
    depends_on: needs(task).map((id) => number.get(id)),
  }));
  return `Here is the plan:\n\n\`\`\`json\n${JSON.stringify(tasks, null, 2)}\n\`\`\``;
}

/** Each task after the one before it, whether it needs that or not. */
function sequential(gold: readonly TaskSpec[]): string {
  const tasks = gold.map((task, index) => ({
    id: task.id,
    description: task.description,
    step: task.step,
    args: withDialect(task.args, curly),
    dependsOn: index > 0 ? [{ id: gold[index - 1]?.id, reason: "order" }] : [],
  }));
  return JSON.stringify({ tasks });
}

/** The last task is forgotten. */
const forgetful = (gold: readonly TaskSpec[]): string => clean(gold.length > 1 ? gold.slice(0, -1) : gold);

/** A step that does not exist, and a circle. */
function broken(gold: readonly TaskSpec[]): string {
  const last = gold.at(-1)?.id;
  const tasks = gold.map((task, index) => ({
    id: task.id,
    description: task.description,
    step: index === 0 ? "think_hard" : task.step,
    args: withDialect(task.args, curly),
    dependsOn: index === 0 ? [last] : [gold[0]?.id],
  }));
  return JSON.stringify({ tasks });
}

/** From the best to the worst, and what they do when they are told what is wrong. */
export const MANNERS: readonly Manner[] = [
  { name: "clean", answers: (gold) => [clean(gold)] },
  { name: "numbered", answers: (gold) => [numbered(gold)] },
  { name: "mends what is broken", answers: (gold) => [broken(gold), clean(gold)] },
  { name: "cut off, then whole", answers: (gold) => [clean(gold).slice(0, -15), clean(gold)] },
  { name: "all in sequence", answers: (gold) => [sequential(gold)] },
  { name: "forgets a task", answers: (gold) => [forgetful(gold)] },
  {
    name: "talks only",
    answers: () => Array.from({ length: 3 }, () => "I would do one thing after the other."),
  },
];
