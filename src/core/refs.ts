import { GoalpostError } from "./errors.ts";
import { isObject, type Json } from "./json.ts";

/** A reference inside args: the output of a task, or a part of it. */
export interface Ref {
  readonly id: string;
  /** Property names and indexes into the output; empty for the whole. */
  readonly path: readonly string[];
  /** Where in the args the reference stands. */
  readonly at: readonly string[];
}

/** A `$ref` that is not of the form `{ "$ref": "taskId", "path": "a.b" }`. */
export interface MalformedRef {
  readonly at: readonly string[];
  readonly message: string;
}

export interface FoundRefs {
  readonly refs: readonly Ref[];
  readonly malformed: readonly MalformedRef[];
}

/** Finds every reference in a tree of args. */
export function findRefs(args: unknown): FoundRefs {
  const refs: Ref[] = [];
  const malformed: MalformedRef[] = [];
  const open: { value: unknown; at: readonly string[] }[] = [{ value: args, at: [] }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, at } = next;
    if (isObject(value) && "$ref" in value) {
      const message = refProblem(value);
      if (message) {
        malformed.push({ at, message });
      } else {
        refs.push({ id: value.$ref as string, path: splitPath(value.path), at });
      }
    } else if (typeof value === "object" && value !== null) {
      for (const [key, inner] of Object.entries(value)) {
        open.push({ value: inner, at: [...at, key] });
      }
    }
  }
  return { refs: refs.reverse(), malformed };
}

function refProblem(value: Record<string, unknown>): string | undefined {
  if (typeof value.$ref !== "string" || value.$ref === "") {
    return "its $ref is not the id of a task";
  }
  if (value.path !== undefined && typeof value.path !== "string") {
    return 'its path is not a string such as "items.0.name"';
  }
  const extra = Object.keys(value).filter((key) => key !== "$ref" && key !== "path");
  return extra.length > 0 ? `it has more than $ref and path: ${extra.join(", ")}` : undefined;
}

/** `a.b[0].c` and `a.b.0.c` are the same. */
function splitPath(path: unknown): string[] {
  return typeof path === "string"
    ? path
        .replaceAll(/\[(\d+)\]/g, ".$1")
        .split(".")
        .filter((part) => part !== "")
    : [];
}

/**
 * Puts outputs in the place of references, once: what an output holds is data and is never looked through again.
 * Types are kept.
 * @throws INVALID_INPUT if an output has nothing at the path of a reference
 */
export function bindRefs(args: Json, outputs: Readonly<Record<string, Json>>): Json {
  if (Array.isArray(args)) {
    return args.map((item: Json) => bindRefs(item, outputs));
  }
  if (!isObject(args)) {
    return args;
  }
  if ("$ref" in args) {
    return resolveRef({ id: String(args.$ref), path: splitPath(args.path), at: [] }, outputs);
  }
  return Object.fromEntries(
    Object.entries(args).map(([key, value]) => [key, bindRefs(value as Json, outputs)]),
  );
}

function resolveRef(ref: Ref, outputs: Readonly<Record<string, Json>>): Json {
  let value: unknown = Object.hasOwn(outputs, ref.id) ? outputs[ref.id] : undefined;
  if (value === undefined) {
    throw new GoalpostError("INVALID_INPUT", `the args refer to task "${ref.id}", which has no output here`);
  }
  for (const [index, part] of ref.path.entries()) {
    const has = typeof value === "object" && value !== null && Object.hasOwn(value, part);
    if (!has) {
      const keys = isObject(value)
        ? `it has: ${Object.keys(value).slice(0, 20).join(", ") || "nothing"}`
        : `it is ${kindOf(value)}`;
      const where = ref.path.slice(0, index).join(".");
      throw new GoalpostError(
        "INVALID_INPUT",
        `the args refer to "${ref.path.join(".")}" of the output of task "${ref.id}", but there is no "${part}"` +
          `${where ? ` in "${where}"` : ""}; ${keys}`,
      );
    }
    value = (value as Record<string, unknown>)[part];
  }
  return value as Json;
}

function kindOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? `an array of ${value.length}` : `a ${typeof value}`;
}
