import { canonicalJson, isObject } from "../core/json.ts";

/** A request as it is recorded: nothing secret is in it. */
export interface CassetteRequest {
  readonly method: string;
  /** With the query in order, without its secrets. */
  readonly path: string;
  /** Parsed, if it is JSON; else a text, or `{ base64 }`; null if there is none. */
  readonly body: unknown;
  /** Those that say what is asked. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Fields of bodies that change from one run to the next and do not change the answer. */
const VOLATILE: readonly string[] = [
  "stream_options.include_obfuscation",
  "prompt_cache_key",
  "safety_identifier",
  "metadata",
  "user",
  "labels",
];

/** A text that is the same for requests that mean the same. */
export function textOfRequest({ method, path, body }: CassetteRequest, ignored: readonly string[]): string {
  return canonicalJson([method, path, comparable(body, ignored)]);
}

/** A body without what may differ. */
export function comparable(body: unknown, ignored: readonly string[]): unknown {
  return [...VOLATILE, ...ignored].reduce((rest, field) => without(rest, field.split(".")), body);
}

function without(value: unknown, [name, ...inner]: readonly string[]): unknown {
  if (Array.isArray(value) && name === "*") {
    return value.map((item) => without(item, inner));
  }
  if (!isObject(value) || name === undefined || !Object.hasOwn(value, name)) {
    return value;
  }
  const { [name]: dropped, ...rest } = value;
  if (inner.length === 0) {
    return rest;
  }
  const left = without(dropped, inner);
  // An object that held nothing else is as if it were not there.
  return isObject(left) && Object.keys(left).length === 0 ? rest : { ...rest, [name]: left };
}

/** Where two values differ. */
export interface Difference {
  readonly path: string;
  readonly recorded: unknown;
  readonly asked: unknown;
}

/** All places where two JSON values differ, those nearest to the top first. */
export function differences(recorded: unknown, asked: unknown, path = ""): Difference[] {
  if (Array.isArray(recorded) && Array.isArray(asked)) {
    const length = Math.max(recorded.length, asked.length);
    return Array.from({ length }, (_, index) =>
      differences(recorded[index], asked[index], `${path}[${index}]`),
    ).flat();
  }
  if (isObject(recorded) && isObject(asked)) {
    const keys = [...new Set([...Object.keys(recorded), ...Object.keys(asked)])].sort();
    return keys.flatMap((key) =>
      differences(recorded[key], asked[key], path === "" ? key : `${path}.${key}`),
    );
  }
  return canonicalJson([recorded ?? null]) === canonicalJson([asked ?? null]) &&
    (recorded === undefined) === (asked === undefined)
    ? []
    : [{ path, recorded, asked }];
}
