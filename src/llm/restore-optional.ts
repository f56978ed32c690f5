import type { JsonSchema } from "../core/goal.ts";
import { isObject } from "../core/json.ts";
import { resolveRef } from "./schema-refs.ts";

/**
 * An answer to a compiled schema as the original schema expects it: where an optional property had to be made
 * nullable, its null is left out again. A null that the original allows stays.
 * @param json the original schema
 */
export function restoreOptional(value: unknown, json: JsonSchema): unknown {
  return restore(value, json, json);
}

function restore(value: unknown, schema: unknown, root: JsonSchema): unknown {
  if (!isObject(schema) || typeof value !== "object" || value === null) {
    return value;
  }
  if (typeof schema.$ref === "string") {
    return restore(value, resolveRef(root, schema.$ref), root);
  }
  const branches = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(branches)) {
    return restoreBranch(value, branches, root);
  }
  if (Array.isArray(schema.allOf)) {
    return schema.allOf.reduce((inner: unknown, part) => restore(inner, part, root), value);
  }
  return Array.isArray(value)
    ? value.map((item, index) => restore(item, itemSchema(schema, index), root))
    : restoreObject(value as Readonly<Record<string, unknown>>, schema, root);
}

function itemSchema(schema: Readonly<Record<string, unknown>>, index: number): unknown {
  const first: unknown = Array.isArray(schema.prefixItems) ? schema.prefixItems[index] : undefined;
  return first ?? schema.items;
}

function restoreObject(
  value: Readonly<Record<string, unknown>>,
  schema: Readonly<Record<string, unknown>>,
  root: JsonSchema,
): unknown {
  const properties = isObject(schema.properties) ? schema.properties : {};
  const required = Array.isArray(schema.required) ? schema.required : [];
  // fromEntries, because assigning would take "__proto__" for something else.
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => {
      const property: unknown = Object.hasOwn(properties, key)
        ? properties[key]
        : schema.additionalProperties;
      const wasOptional = Object.hasOwn(properties, key) && !required.includes(key);
      return inner === null && wasOptional && !allowsNull(property, root)
        ? []
        : [[key, restore(inner, property, root)] as const];
    }),
  );
}

function restoreBranch(value: object, branches: readonly unknown[], root: JsonSchema): unknown {
  const candidates = branches.filter((branch) => couldBe(value, branch, root));
  // Of objects that share their required properties, the one that knows all of them.
  const ordered = candidates.sort((a, b) => unknownKeys(value, a, root) - unknownKeys(value, b, root));
  if (ordered.length === 1) {
    return restore(value, ordered[0], root);
  }
  for (const branch of ordered) {
    const restored = restore(value, branch, root);
    if (fits(restored, branch, root)) {
      return restored;
    }
  }
  return value;
}

function unknownKeys(value: object, schema: unknown, root: JsonSchema): number {
  const full = follow(schema, root);
  const known = isObject(full) && isObject(full.properties) ? full.properties : {};
  return Array.isArray(value) ? 0 : Object.keys(value).filter((key) => !Object.hasOwn(known, key)).length;
}

function follow(schema: unknown, root: JsonSchema): unknown {
  let at = schema;
  for (let hops = 0; hops < 100 && isObject(at) && typeof at.$ref === "string"; hops++) {
    at = resolveRef(root, at.$ref);
  }
  return at;
}

/** A look at the outside only: the type, the required properties, and those that have one value. */
function couldBe(value: unknown, schema: unknown, root: JsonSchema): boolean {
  const full = follow(schema, root);
  if (!isObject(full) || !isOfType(value, full)) {
    return !isObject(full) && full !== false;
  }
  if (!isObject(value)) {
    return true;
  }
  const required = Array.isArray(full.required) ? full.required : [];
  const properties = isObject(full.properties) ? full.properties : {};
  return (
    required.every((key) => Object.hasOwn(value, String(key))) &&
    Object.entries(properties).every(
      ([key, property]) =>
        !Object.hasOwn(value, key) ||
        (value[key] === null && !required.includes(key)) ||
        isOfType(value[key], follow(property, root)),
    )
  );
}

/** Whether a value fits a schema, as far as types, constants and required properties go. */
function fits(value: unknown, schema: unknown, root: JsonSchema): boolean {
  const full = follow(schema, root);
  if (!isObject(full)) {
    return full !== false;
  }
  const branches = full.anyOf ?? full.oneOf;
  if (Array.isArray(branches) && !branches.some((branch) => fits(value, branch, root))) {
    return false;
  }
  if (!couldBe(value, full, root)) {
    return false;
  }
  if (Array.isArray(value)) {
    return value.every((item, index) => fits(item, itemSchema(full, index), root));
  }
  if (!isObject(value)) {
    return true;
  }
  const properties = isObject(full.properties) ? full.properties : {};
  return Object.entries(value).every(([key, inner]) =>
    Object.hasOwn(properties, key)
      ? fits(inner, properties[key], root)
      : full.additionalProperties !== false && fits(inner, full.additionalProperties, root),
  );
}

function isOfType(value: unknown, schema: unknown): boolean {
  if (!isObject(schema)) {
    return schema !== false;
  }
  if ("const" in schema && schema.const !== value) {
    return false;
  }
  if (Array.isArray(schema.enum) && !schema.enum.includes(value)) {
    return false;
  }
  const types = Array.isArray(schema.type) ? schema.type : schema.type === undefined ? [] : [schema.type];
  return types.length === 0 || types.some((type) => typeNames(value).includes(String(type)));
}

function typeNames(value: unknown): readonly string[] {
  if (value === null) {
    return ["null"];
  }
  if (Array.isArray(value)) {
    return ["array"];
  }
  return typeof value === "number" && Number.isInteger(value) ? ["number", "integer"] : [typeof value];
}

function allowsNull(schema: unknown, root: JsonSchema): boolean {
  const full = follow(schema, root);
  if (!isObject(full)) {
    return full !== false;
  }
  const branches = full.anyOf ?? full.oneOf;
  if (Array.isArray(branches)) {
    return branches.some((branch) => allowsNull(branch, root));
  }
  return isOfType(null, full) && !("not" in full);
}
