import { GoalpostError } from "./errors.ts";

/** Anything JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

type Refused = ((...args: never[]) => unknown) | symbol | bigint;

/**
 * What a value is once it has been stored and read back: `Date` becomes string, `undefined` at the top becomes
 * null, optional properties stay optional, and what JSON cannot hold becomes never.
 */
export type Stored<T> = unknown extends T ? T : [T] extends [Json] ? T : StoredPart<T>;

type StoredPart<T> = T extends Refused
  ? never
  : T extends { toJSON(...args: never[]): infer J }
    ? Stored<J>
    : T extends void
      ? null
      : T extends null | boolean | number | string
        ? T
        : T extends readonly unknown[]
          ? { [K in keyof T]: Stored<T[K]> }
          : {
              [K in keyof T]: undefined extends T[K]
                ? Stored<Exclude<T[K], undefined>> | undefined
                : Stored<T[K]>;
            };

/** Deeper nesting is refused: PostgreSQL's parser would run out of stack. */
export const MAX_JSON_DEPTH = 1000;

/**
 * The JSON text of a value. `undefined` at the top is null and is left out of objects; `toJSON` is honoured.
 * @param what what the value is, for the message: `step "price" returned`
 * @throws OUTPUT_NOT_JSON with the path of the first value that JSON cannot hold
 */
export function toJson(value: unknown, what: string): string {
  const problem = findProblem(value, "$", []);
  if (problem) {
    throw new GoalpostError(
      "OUTPUT_NOT_JSON",
      `${what} a value that JSON cannot hold: ${problem.what} at ${problem.path}. ` +
        "Allowed are null, booleans, finite numbers, strings, arrays, plain objects and objects with toJSON().",
      { details: { path: problem.path } },
    );
  }
  return JSON.stringify(value) ?? "null";
}

interface Problem {
  readonly path: string;
  readonly what: string;
}

function findProblem(value: unknown, path: string, above: object[]): Problem | undefined {
  switch (typeof value) {
    case "string":
    case "boolean":
      return undefined;
    case "undefined":
      return Array.isArray(above.at(-1)) ? { path, what: "undefined in an array" } : undefined;
    case "number":
      return Number.isFinite(value) ? undefined : { path, what: String(value) };
    case "bigint":
      return { path, what: "a BigInt" };
    case "function":
      return { path, what: "a function" };
    case "symbol":
      return { path, what: "a symbol" };
    case "object":
      return value === null ? undefined : findInObject(value, path, above);
  }
}

function findInObject(value: object, path: string, above: object[]): Problem | undefined {
  if (above.includes(value)) {
    return { path, what: "a reference to an object that contains it (a cycle)" };
  }
  if (above.length >= MAX_JSON_DEPTH) {
    return { path: `${path.slice(0, 60)}…`, what: `nesting deeper than ${MAX_JSON_DEPTH}` };
  }
  above.push(value);
  const problem = findInside(value, path, above);
  above.pop();
  return problem;
}

function findInside(value: object, path: string, above: object[]): Problem | undefined {
  if ("toJSON" in value && typeof value.toJSON === "function") {
    const given = value.toJSON(path);
    const inArray = Array.isArray(above.at(-2));
    return given === undefined && inArray
      ? { path, what: "undefined in an array" }
      : findProblem(given, path, above);
  }
  const refused = refusedClass(value);
  if (refused) {
    return { path, what: refused };
  }
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const problem = findProblem(value[i], `${path}[${i}]`, above);
      if (problem) {
        return problem;
      }
    }
    return undefined;
  }
  for (const [key, inner] of Object.entries(value)) {
    const problem = findProblem(inner, `${path}.${key}`, above);
    if (problem) {
      return problem;
    }
  }
  return undefined;
}

/** Objects that JSON.stringify would turn into `{}` without a word. */
function refusedClass(value: object): string | undefined {
  if (value instanceof Map || value instanceof Set || value instanceof WeakMap || value instanceof WeakSet) {
    return `a ${value.constructor.name}`;
  }
  if (value instanceof Promise) {
    return "a Promise (is an await missing?)";
  }
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
    return `a ${value.constructor.name} (encode it, for instance as base64)`;
  }
  if (value instanceof Error) {
    return "an Error (return its message)";
  }
  if (value instanceof BigInt) {
    return "a BigInt";
  }
  return value instanceof RegExp ? "a RegExp" : undefined;
}

/** Type guard for plain JSON-like objects. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The JSON text of a JSON value with the keys of every object in order: equal values have equal texts. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    isObject(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );
}

/** What PostgreSQL cannot store as text: zero characters, and halves of surrogate pairs. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for.
const NOT_TEXT = /\u0000|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

/** Whether a value is a text that a text column, or a jsonb one, can hold. */
export function isStorableText(value: unknown): value is string {
  return typeof value === "string" && !NOT_TEXT.test(value);
}
