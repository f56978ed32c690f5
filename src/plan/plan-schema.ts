import type { z as Zod } from "zod";
import type { StepInfo } from "../core/goal.ts";
import { toArgsSchema } from "./args-schema.ts";

type ZodModule = typeof Zod;

/** Beyond these the schema would cost more than it helps: the general form is used, and only the validator checks. */
const MAX_STEPS = 30;
const MAX_SCHEMA_CHARS = 20_000;

/** The form in which a model writes a plan. */
export interface PlanSchema {
  readonly schema: Zod.ZodType;
  /** Steps whose args stand in `args`, as their schema says; those of others are JSON text in `argsJson`. */
  readonly typed: ReadonlySet<string>;
}

/**
 * The schema of a plan: one list of a union over the steps, each with its own args. Every property is required, null
 * where there is nothing: the form that all vendors' strict modes accept.
 */
export async function makePlanSchema(steps: readonly StepInfo[], canDecompose: boolean): Promise<PlanSchema> {
  const { z } = await import("zod");
  const few = steps.length <= MAX_STEPS;
  const argsOf = new Map(few ? steps.flatMap((step) => typedArgs(z, step)) : []);
  if (few) {
    const schema = planOf(z, [
      ...steps.map(({ name }) => stepTask(z, z.literal(name), argsOf.get(name))),
      ...(canDecompose ? [lateTask(z)] : []),
    ]);
    if (JSON.stringify(z.toJSONSchema(schema, { io: "input" })).length <= MAX_SCHEMA_CHARS) {
      return { schema, typed: new Set(argsOf.keys()) };
    }
  }
  const any = stepTask(z, z.string().describe("the name of one of the steps"), undefined);
  return { schema: planOf(z, [any, ...(canDecompose ? [lateTask(z)] : [])]), typed: new Set() };
}

function typedArgs(z: ZodModule, { name, argsSchema }: StepInfo): [string, Zod.ZodType][] {
  const args = argsSchema && toArgsSchema(z, argsSchema);
  return args ? [[name, args]] : [];
}

function planOf(z: ZodModule, tasks: readonly Zod.ZodType[]): Zod.ZodType {
  const [only] = tasks;
  return z.strictObject({ tasks: z.array(tasks.length === 1 && only ? only : z.union(tasks)) });
}

function stepTask(z: ZodModule, step: Zod.ZodType, args: Zod.ZodType | undefined): Zod.ZodType {
  return z.strictObject({
    ...commonFields(z),
    step,
    ...(args ? { args } : { argsJson: z.string().nullable() }),
    dependsOn: dependencies(z),
    mapOver: z.string().nullable(),
  });
}

/** A task that is planned when it is reached. */
function lateTask(z: ZodModule): Zod.ZodType {
  return z.strictObject({ ...commonFields(z), decompose: z.literal(true), dependsOn: dependencies(z) });
}

function commonFields(z: ZodModule): { readonly id: Zod.ZodType; readonly description: Zod.ZodType } {
  return { id: z.string(), description: z.string() };
}

function dependencies(z: ZodModule): Zod.ZodType {
  return z.array(z.strictObject({ id: z.string(), reason: z.enum(["data", "order", "conflict"]) }));
}
