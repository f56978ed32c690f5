import type { JsonSchema } from "../core/goal.ts";
import { isObject } from "../core/json.ts";

/** What a reference inside of a schema stands for; undefined if it leads nowhere. */
export function resolveRef(root: JsonSchema, ref: string): unknown {
  let at: unknown = root;
  for (const part of ref.split("/").slice(1)) {
    const name = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
    at = isObject(at) || Array.isArray(at) ? (at as Readonly<Record<string, unknown>>)[name] : undefined;
  }
  return at;
}

/** Which references of a schema lead back to where they are. */
export interface Recursion {
  /** Whether a reference leads to a definition, through others or at once. */
  reaches(ref: string, definition: string): boolean;
  /** The same for any reference in a part of the schema. */
  leadsTo(part: unknown, definition: string): boolean;
}

export function recursionOf(root: JsonSchema): Recursion {
  const known = new Map<string, ReadonlySet<string>>();
  const reachable = (ref: string): ReadonlySet<string> => {
    const before = known.get(ref);
    if (before) {
      return before;
    }
    const all = new Set<string>([ref]);
    for (const one of all) {
      for (const next of refsIn(one === "#" ? withoutDefs(root) : resolveRef(root, one))) {
        all.add(next);
      }
    }
    known.set(ref, all);
    return all;
  };
  const reaches = (ref: string, definition: string): boolean => reachable(ref).has(definition);
  return {
    reaches,
    leadsTo: (part, definition) => refsIn(part).some((ref) => reaches(ref, definition)),
  };
}

function withoutDefs({ $defs: _, ...own }: JsonSchema): JsonSchema {
  return own;
}

function refsIn(part: unknown): string[] {
  if (Array.isArray(part)) {
    return part.flatMap(refsIn);
  }
  if (!isObject(part)) {
    return [];
  }
  return typeof part.$ref === "string" ? [part.$ref] : Object.values(part).flatMap(refsIn);
}
