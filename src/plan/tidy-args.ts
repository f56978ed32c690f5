import type { JsonSchema } from "../core/goal.ts";
import { isObject, type Json } from "../core/json.ts";

/**
 * Leaves out what a plan says too much: null for a property that may be absent and may not be null (vendors' strict
 * schemas want every property there), and unknown properties where the schema allows none. References stay.
 */
export function tidyArgs(value: Json, schema: JsonSchema | undefined): Json {
  if (!schema) {
    return value;
  }
  if (Array.isArray(value)) {
    const items = isObject(schema.items) ? schema.items : undefined;
    return value.map((item: Json) => tidyArgs(item, items));
  }
  if (!isObject(value) || "$ref" in value || !isObject(schema.properties)) {
    return value;
  }
  const properties = schema.properties;
  const required = Array.isArray(schema.required) ? schema.required : [];
  const entries = Object.entries(value as Record<string, Json>).flatMap(([key, inner]): [string, Json][] => {
    const known = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (!isObject(known)) {
      return schema.additionalProperties === false && known === undefined ? [] : [[key, inner]];
    }
    const needless = inner === null && !required.includes(key) && !allowsNull(known);
    return needless ? [] : [[key, tidyArgs(inner, known)]];
  });
  return Object.fromEntries(entries);
}

/** Whether a schema lets null through; one that says nothing of types does. */
function allowsNull(schema: JsonSchema): boolean {
  const { type, enum: values, anyOf, oneOf } = schema;
  const alternatives = anyOf ?? oneOf;
  if (Array.isArray(alternatives)) {
    return alternatives.some((one) => isObject(one) && allowsNull(one));
  }
  if (Array.isArray(values)) {
    return values.includes(null);
  }
  if ("const" in schema) {
    return schema.const === null;
  }
  return type === undefined || type === "null" || (Array.isArray(type) && type.includes("null"));
}
