import { GoalpostError } from "../core/errors.ts";
import type { JsonSchema } from "../core/goal.ts";
import { isObject } from "../core/json.ts";

/** What a value is not, and where. */
export interface SchemaIssue {
  readonly path: string;
  readonly message: string;
}

export type Checked = { readonly value: unknown } | { readonly issues: readonly SchemaIssue[] };

/** A schema that a value can be checked by. */
export interface CompiledSchema {
  readonly json: JsonSchema;
  check(value: unknown): Promise<Checked>;
}

interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

type StandardResult = { readonly value: unknown } | { readonly issues: readonly StandardIssue[] };

/** The parts of Standard Schema (standardschema.dev) that are used; zod's schemas have them, too. */
interface StandardProps {
  readonly validate: (value: unknown) => StandardResult | Promise<StandardResult>;
  readonly jsonSchema?: { readonly input: (options: { readonly target: string }) => JsonSchema } | undefined;
}

/**
 * Reads a zod schema, or one of another library that speaks Standard Schema with JSON Schema.
 * @param what where the schema is from, for messages
 * @throws INVALID_INPUT if it is none, or if JSON Schema cannot hold it
 */
export async function compileSchema(schema: unknown, what: string): Promise<CompiledSchema> {
  const props = isObject(schema) ? schema["~standard"] : undefined;
  if (!isObject(props) || typeof props.validate !== "function") {
    throw new GoalpostError("INVALID_INPUT", `${what} must be a zod schema, such as z.object({ … })`);
  }
  const { validate, jsonSchema } = props as unknown as StandardProps;
  return {
    json: await toJsonSchema(schema, jsonSchema, what),
    check: async (value) => {
      const result = await validate(value);
      return "issues" in result && result.issues
        ? { issues: result.issues.map(toIssue) }
        : (result as Checked);
    },
  };
}

async function toJsonSchema(
  schema: unknown,
  own: StandardProps["jsonSchema"],
  what: string,
): Promise<JsonSchema> {
  try {
    if (isObject(schema) && "_zod" in schema) {
      const { z } = await import("zod");
      return z.toJSONSchema(schema as never, { target: "draft-2020-12", io: "input", reused: "inline" });
    }
    if (own) {
      return own.input({ target: "draft-2020-12" });
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new GoalpostError("INVALID_INPUT", `${what} cannot be written as JSON Schema: ${message}`, {
      cause: error,
    });
  }
  throw new GoalpostError("INVALID_INPUT", `${what} gives no JSON Schema; use zod`);
}

/** A schema from a JSON Schema document. @throws INVALID_INPUT */
export async function fromJsonSchema(json: unknown, what: string): Promise<unknown> {
  const { z } = await import("zod");
  if (typeof z.fromJSONSchema !== "function") {
    throw new GoalpostError(
      "INVALID_INPUT",
      `${what}: this version of zod reads no JSON Schema; install 4.2 or later`,
    );
  }
  try {
    return z.fromJSONSchema(json as Parameters<typeof z.fromJSONSchema>[0]);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new GoalpostError("INVALID_INPUT", `${what} is no JSON Schema that can be used: ${message}`, {
      cause: error,
    });
  }
}

function toIssue({ message, path = [] }: StandardIssue): SchemaIssue {
  const keys = path.map((part) => (typeof part === "object" ? part.key : part));
  return { message, path: keys.map(toStep).join("").replace(/^\./, "") };
}

function toStep(key: PropertyKey): string {
  return typeof key === "number" ? `[${key}]` : `.${String(key)}`;
}
