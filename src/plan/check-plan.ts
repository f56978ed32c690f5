import type { DecomposeContext, StepInfo, TaskSpec } from "../core/goal.ts";
import { isObject } from "../core/json.ts";
import { findRefs } from "../core/refs.ts";
import { defineStep, type StepMap } from "../core/step.ts";
import { toTree } from "../core/task-tree.ts";
import type { PlanIssue } from "./plan-issue.ts";
import { findIssues, type ValidateOptions } from "./validate.ts";

/** What a plan is checked against: what the decomposer was told. */
export interface PlanCheck {
  readonly options: ValidateOptions;
  readonly steps: ReadonlyMap<string, StepInfo>;
}

/** Tasks without a fault, or what is wrong with them. */
export type CheckedPlan = { readonly tasks: readonly TaskSpec[] } | { readonly issues: readonly PlanIssue[] };

/** Makes a check of what the decomposer was told of the steps, for the engine's validator sees the real ones later. */
export async function makeCheck(ctx: DecomposeContext): Promise<PlanCheck> {
  const finished = new Set([...Object.keys(ctx.outputs), ...Object.keys(ctx.replan?.completed ?? {})]);
  return {
    steps: new Map(ctx.steps.map((step) => [step.name, step])),
    options: {
      steps: await toStepMap(ctx.steps),
      limits: ctx.limits,
      within: { depth: ctx.depth, taken: new Set(), finished },
    },
  };
}

/** Every problem of a plan at once. */
export async function checkPlan(tasks: readonly unknown[], check: PlanCheck): Promise<CheckedPlan> {
  const { issues, graph } = await findIssues(tasks, check.options);
  const tree = toTree(graph.tasks);
  const sourceOf = (id: string): TaskSpec | undefined => tree.tasks[tree.byId.get(id) ?? -1]?.spec;
  const all = [...issues, ...tree.tasks.flatMap(({ spec }) => findPathIssues(spec, sourceOf, check.steps))];
  return all.length > 0 ? { issues: all } : { tasks: graph.tasks };
}

/** Whether a task is right on its own, all that it waits for being there. */
export async function isRightAfter(
  task: TaskSpec,
  before: ReadonlyMap<string, TaskSpec>,
  check: PlanCheck,
): Promise<boolean> {
  const within = check.options.within;
  const finished = new Set([...(within?.finished ?? []), ...before.keys()]);
  const options = {
    ...check.options,
    within: { depth: within?.depth ?? 0, taken: new Set(before.keys()), finished },
  };
  const { issues } = await findIssues([task], options);
  return issues.length === 0 && findPathIssues(task, (id) => before.get(id), check.steps).length === 0;
}

/** Steps that know their args as far as JSON Schema can say; none of them is ever carried out. */
async function toStepMap(infos: readonly StepInfo[]): Promise<StepMap> {
  const { z } = await import("zod");
  // Older versions of the peer do not have it.
  const fromJSONSchema = "fromJSONSchema" in z ? z.fromJSONSchema : undefined;
  const never = (): never => {
    throw new Error("a step of a plan that is only checked was called");
  };
  return Object.fromEntries(
    infos.map(({ name, argsSchema }): [string, StepMap[string]] => {
      try {
        const args = argsSchema && fromJSONSchema?.(argsSchema as never);
        return [name, args ? defineStep({ description: name, args, execute: never }) : never];
      } catch {
        // What the schema says is not understood here: the engine's validator has the real one.
        return [name, never];
      }
    }),
  );
}

/** References to what the output schema of a step says its output does not have. */
function findPathIssues(
  spec: TaskSpec,
  sourceOf: (id: string) => TaskSpec | undefined,
  steps: PlanCheck["steps"],
): PlanIssue[] {
  return findRefs(spec.args).refs.flatMap((ref): PlanIssue[] => {
    const source = sourceOf(ref.id);
    const has = source && propertiesOf(source, steps);
    const [first] = ref.path;
    // A map's references to what it maps over are to an element of it.
    if (!has || first === undefined || has.includes(first) || spec.map?.over === ref.id) {
      return [];
    }
    const path = ["args", ...ref.at].join(".");
    const message =
      `${path} of task "${spec.id}" refers to "${ref.path.join(".")}" of the output of task "${ref.id}", ` +
      `which has only: ${has.slice(0, 20).join(", ") || "nothing"}`;
    return [{ code: "DANGLING_REF", message, taskId: spec.id, path }];
  });
}

/** The properties of a task's output, if the schema of its step says that there are no others. */
function propertiesOf(spec: TaskSpec, steps: ReadonlyMap<string, StepInfo>): readonly string[] | undefined {
  const schema = steps.get(spec.step ?? spec.id)?.outputSchema;
  const closed = schema?.type === "object" && schema.additionalProperties === false;
  const holdsOthers = (spec.subtasks?.length ?? 0) > 0 || spec.decompose === true || spec.map !== undefined;
  return closed && !holdsOthers && isObject(schema.properties) ? Object.keys(schema.properties) : undefined;
}
