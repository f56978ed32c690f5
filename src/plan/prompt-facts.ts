import { createHash } from "node:crypto";
import type { DecomposeContext, Goal, Replan, StepInfo, TaskSpec } from "../core/goal.ts";
import { isObject, type Json } from "../core/json.ts";
import { cut } from "./plan-issue.ts";

/** What is put into the holes of a prompt's template. What there is nothing of is "". */
export interface PromptFacts {
  /** The goal's text, between tags. */
  readonly goal: string;
  /** The goal's context, between tags. */
  readonly context: string;
  /** The steps with their descriptions and schemas. */
  readonly steps: string;
  readonly limits: string;
  readonly examples: string;
  /** Plans of earlier runs that reached goals like this one, between tags. */
  readonly recalled: string;
  /** The task that is decomposed. */
  readonly task: string;
  /** What it is given: the outputs of its dependencies. */
  readonly outputs: string;
  /** The plan that failed, what failed in it, and what is done. */
  readonly replan: string;
  /** Tasks of this plan that have begun already. */
  readonly handedOn: string;
  /** How to leave a task to be planned later, where that is allowed. */
  readonly decompose: string;
  /** What the names of the tags end with; it comes from what they hold, so that nothing in it can close them. */
  readonly mark: string;
}

/** A plan to learn from. */
export interface PlanExample {
  readonly goal: string;
  readonly tasks: readonly TaskSpec[];
}

export interface FactOptions {
  readonly examples: readonly PlanExample[];
  /** What others asked for, and how that was planned. */
  readonly recalled: readonly PlanExample[];
  /** Steps whose args the answer's schema holds as they are. */
  readonly typed: ReadonlySet<string>;
  readonly canDecompose: boolean;
}

const MAX_CONTEXT_CHARS = 20_000;
const MAX_OUTPUT_CHARS = 2_000;
const MAX_GOAL_CHARS = 2_000;
const MAX_OUTPUTS_CHARS = 20_000;
const MAX_STEPS_CHARS = 60_000;
const MAX_PLAN_CHARS = 20_000;

/** Everything that a prompt can say of a goal. The same goal and context give the same texts. */
export function describePlan(goal: Goal, ctx: DecomposeContext, options: FactOptions): PromptFacts {
  const context = goal.context === undefined ? "" : cut(JSON.stringify(goal.context), MAX_CONTEXT_CHARS);
  const outputs = describeOutputs(ctx.outputs);
  const failed = ctx.replan ? describeFailure(ctx.replan, options.typed) : "";
  const task = ctx.task ? describeTask(ctx.task) : "";
  const recalled = options.recalled
    .map(({ goal, tasks }) => describeExample({ goal: cut(goal, MAX_GOAL_CHARS), tasks }, options.typed))
    .join("\n\n");
  const mark = createHash("sha256")
    .update(JSON.stringify([goal.text, context, task, outputs, failed, ...(recalled ? [recalled] : [])]))
    .digest("hex")
    .slice(0, 12);
  const tagged = (name: string, text: string): string => `<${name}_${mark}>\n${text}\n</${name}_${mark}>`;
  return {
    mark,
    goal: `The goal:\n\n${tagged("goal", goal.text)}`,
    context: context && `What is known:\n\n${tagged("context", context)}`,
    steps: describeSteps(ctx.steps),
    limits: describeLimits(ctx),
    examples: describeExamples(options),
    recalled: recalled && `${RECALLED}\n\n${tagged("earlier_plans", recalled)}`,
    task:
      task &&
      `The goal is one task of a larger plan; plan this task only, its tasks take its place. The task:\n\n${tagged("task", task)}`,
    outputs:
      outputs &&
      `Outputs that are there already; pass them on by \`\${id}\` like those of tasks:\n\n${tagged("outputs", outputs)}`,
    replan: failed && `${REPLAN}\n\n${tagged("failed_plan", failed)}`,
    handedOn: describeHandedOn(ctx.streamed ?? [], options.typed),
    decompose: options.canDecompose ? LATE : "",
  };
}

const LATE = `
A part of the work whose tasks depend on what is found out first is one task without step and args but with \`"decompose": true\`: it is planned when it is reached, with the outputs of the tasks that it depends on. Do this only where you cannot know the tasks now.
`;

const RECALLED =
  "Plans that reached other goals like this one, the nearest first. Take over what fits; this goal may need more, less or something else, and its args are its own.";

const REPLAN = `A plan for this goal was carried out in part and failed. Make the tasks that take the place of what is not completed, by another way than the one that failed. What is completed stays: do not do it again, pass its outputs on by \`\${id}\`. Give new tasks new ids.`;

/** The steps with everything that is known of them, or as much of it as there is room for. */
function describeSteps(steps: readonly StepInfo[]): string {
  if (steps.length === 0) {
    return "(There are no steps.)";
  }
  const forms = [
    (step: StepInfo) => [
      heading(step),
      schemaLine("args", step.argsSchema),
      schemaLine("output", step.outputSchema),
    ],
    (step: StepInfo) => [heading(step), schemaLine("args", step.argsSchema)],
    (step: StepInfo) => [heading(step), argNames(step)],
  ];
  const texts = forms.map((form) => steps.map((step) => form(step).filter(Boolean).join("\n")).join("\n\n"));
  return texts.find((text) => text.length <= MAX_STEPS_CHARS) ?? cut(texts.at(-1) ?? "", 2 * MAX_STEPS_CHARS);
}

function heading({ name, description }: StepInfo): string {
  return `- \`${name}\`${description ? `: ${description}` : ""}`;
}

function schemaLine(what: string, schema: StepInfo["argsSchema"]): string {
  if (!schema) {
    return "";
  }
  const { $schema: _, ...rest } = schema;
  return `  ${what}: ${JSON.stringify(rest)}`;
}

function argNames({ argsSchema }: StepInfo): string {
  const properties = isObject(argsSchema?.properties) ? Object.keys(argsSchema.properties) : [];
  const required = Array.isArray(argsSchema?.required) ? argsSchema.required : [];
  const names = properties.map((name) => (required.includes(name) ? name : `${name}?`));
  return names.length > 0 ? `  args: ${names.join(", ")}` : "";
}

function describeLimits({ limits }: DecomposeContext): string {
  return `At most ${limits.maxTasks} tasks, at most ${limits.maxWidth} of them at the same time. Most goals need fewer than ten.`;
}

function describeExamples({ examples, typed }: FactOptions): string {
  if (examples.length === 0) {
    return "";
  }
  const texts = examples.map((example) => describeExample(example, typed));
  return `\nExamples\n\n${texts.join("\n\n")}\n`;
}

function describeExample({ goal, tasks }: PlanExample, typed: ReadonlySet<string>): string {
  return `Goal: ${goal}\nAnswer: ${writePlan(tasks, typed)}`;
}

function describeTask({ id, description, args }: TaskSpec): string {
  return JSON.stringify({ id, description, ...(args !== undefined && { args }) });
}

/** By id, each cut to a size at which many fit. */
function describeOutputs(outputs: Readonly<Record<string, Json>>): string {
  const lines = Object.entries(outputs).map(
    ([id, output]) => `${id}: ${cut(JSON.stringify(output), MAX_OUTPUT_CHARS)}`,
  );
  return cut(lines.join("\n"), MAX_OUTPUTS_CHARS);
}

function describeFailure(replan: Replan, typed: ReadonlySet<string>): string {
  const { failed, tasks, completed } = replan;
  return [
    `The plan: ${cut(writePlan(tasks, typed), MAX_PLAN_CHARS)}`,
    `What failed: task ${failed.id}, step ${failed.step}, with ${failed.code}: ${cut(failed.message, MAX_OUTPUT_CHARS)}`,
    Object.keys(completed).length > 0
      ? `Completed, with their outputs:\n${describeOutputs(completed)}`
      : "Nothing is completed.",
  ].join("\n");
}

/** What a model is told of tasks that have begun while it was writing. */
export function describeHandedOn(tasks: readonly TaskSpec[], typed: ReadonlySet<string>): string {
  return tasks.length === 0
    ? ""
    : `These tasks of the plan have begun already. They must be in your answer exactly as they are:\n${writePlan(tasks, typed)}`;
}

/** Tasks in the form that the model is asked for. */
export function writePlan(tasks: readonly TaskSpec[], typed: ReadonlySet<string>): string {
  return JSON.stringify({ tasks: tasks.map((task) => writeTask(task, typed)) });
}

function writeTask(task: TaskSpec, typed: ReadonlySet<string>): Record<string, unknown> {
  const step = task.step ?? task.id;
  const args = writeRefs(task.args);
  const written = typed.has(step) ? { args } : { argsJson: args === undefined ? null : JSON.stringify(args) };
  const holds = (task.subtasks?.length ?? 0) > 0;
  return {
    id: task.id,
    description: task.description,
    ...(task.decompose ? { decompose: true } : holds ? {} : { step, ...written }),
    ...(holds && { subtasks: task.subtasks?.map((inner) => writeTask(inner, typed)) }),
    dependsOn: (task.dependsOn ?? []).map((edge) =>
      typeof edge === "string"
        ? { id: edge, reason: "data" }
        : { id: edge.id, reason: edge.reason ?? "data" },
    ),
    ...(!task.decompose && !holds && { mapOver: task.map?.over ?? null }),
  };
}

/** References as the model is told to write them. */
function writeRefs(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(writeRefs);
  }
  if (!isObject(value)) {
    return value;
  }
  if (typeof value.$ref === "string") {
    return `\${${[value.$ref, ...(typeof value.path === "string" ? [value.path] : [])].join(".")}}`;
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, writeRefs(inner)]));
}
