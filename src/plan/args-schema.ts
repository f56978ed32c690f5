import type { z as Zod } from "zod";
import type { JsonSchema } from "../core/goal.ts";
import { isObject } from "../core/json.ts";

type ZodModule = typeof Zod;

/** Vendors allow about ten levels; the plan itself has four. */
const MAX_DEPTH = 5;
const MAX_VALUES = 200;

/** A schema uses what one of the vendors cannot be told. */
class Inexpressible extends Error {}

/**
 * The schema of a step's args as all three vendors take it: objects with every property required and null for one that
 * is left out, lists, texts, numbers, booleans, fixed values and alternatives of these. Anything may be the text of a
 * placeholder instead. What cannot be said (records, tuples, references, anything goes) makes the whole inexpressible.
 * Lengths, ranges and formats are left to the validator.
 */
export function toArgsSchema(z: ZodModule, schema: JsonSchema): Zod.ZodType | undefined {
  try {
    return schema.type === "object" ? toObject(z, schema, 1) : undefined;
  } catch (error) {
    if (error instanceof Inexpressible) {
      return undefined;
    }
    throw error;
  }
}

function toObject(z: ZodModule, schema: JsonSchema, depth: number): Zod.ZodType {
  const { properties, required, additionalProperties } = schema;
  const open = additionalProperties !== undefined && additionalProperties !== false;
  if (!isObject(properties) || open || "patternProperties" in schema || depth > MAX_DEPTH) {
    throw new Inexpressible();
  }
  const needed = Array.isArray(required) ? required : [];
  const shape = Object.entries(properties).map(([key, inner]): [string, Zod.ZodType] => {
    if (!isObject(inner) || key === "__proto__") {
      throw new Inexpressible();
    }
    const value = describe(orPlaceholder(z, toValue(z, inner, depth + 1)), inner);
    return [key, needed.includes(key) ? value : value.nullable()];
  });
  return z.strictObject(Object.fromEntries(shape));
}

function toValue(z: ZodModule, schema: JsonSchema, depth: number): Zod.ZodType {
  const alternatives = schema.anyOf ?? schema.oneOf;
  if ("$ref" in schema || "allOf" in schema || "prefixItems" in schema || depth > MAX_DEPTH) {
    throw new Inexpressible();
  }
  if (Array.isArray(alternatives)) {
    return union(
      z,
      alternatives.map((one) => toValue(z, isObject(one) ? one : {}, depth + 1)),
    );
  }
  const values = "const" in schema ? [schema.const] : schema.enum;
  if (Array.isArray(values)) {
    return toFixed(z, values);
  }
  if (Array.isArray(schema.type)) {
    return union(
      z,
      schema.type.map((type) => toValue(z, { ...schema, type }, depth + 1)),
    );
  }
  switch (schema.type) {
    case "string":
      return z.string();
    case "number":
      return z.number();
    case "integer":
      return z.int();
    case "boolean":
      return z.boolean();
    case "null":
      return z.null();
    case "array":
      return z.array(orPlaceholder(z, toValue(z, isObject(schema.items) ? schema.items : {}, depth + 1)));
    case "object":
      return toObject(z, schema, depth);
    default:
      throw new Inexpressible();
  }
}

function toFixed(z: ZodModule, values: readonly unknown[]): Zod.ZodType {
  const simple = values.filter(
    (value) => value === null || ["string", "number", "boolean"].includes(typeof value),
  );
  if (simple.length !== values.length || values.length === 0 || values.length > MAX_VALUES) {
    throw new Inexpressible();
  }
  return z.literal(simple as (string | number | boolean | null)[]);
}

function orPlaceholder(z: ZodModule, value: Zod.ZodType): Zod.ZodType {
  return value instanceof z.ZodString ? value : z.union([value, z.string()]);
}

function union(z: ZodModule, options: readonly Zod.ZodType[]): Zod.ZodType {
  const [first] = options;
  if (!first) {
    throw new Inexpressible();
  }
  return options.length === 1 ? first : z.union(options);
}

function describe(value: Zod.ZodType, { description }: JsonSchema): Zod.ZodType {
  return typeof description === "string" ? value.describe(description) : value;
}
