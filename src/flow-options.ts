import { GoalpostError, type GraphIssueCode } from "./core/errors.ts";
import type { FlowOptions, FlowRef, FlowStep } from "./core/flow.ts";
import { DEFAULT_LIMITS } from "./core/goal.ts";
import { isObject } from "./core/json.ts";
import { checkName } from "./core/names.ts";
import { check, checkPolicy } from "./core/policy.ts";
import type { StepPolicy } from "./core/retry.ts";
import { checkStartOptions, inputToJson } from "./options.ts";
import type { NewStep } from "./store/flows.ts";

const POLICY = ["maxAttempts", "timeoutMs", "retry"] as const;
const RETRY = ["baseMs", "factor", "maxDelayMs", "jitter"] as const;
const OPTIONS = {
  flow: [...POLICY, "priority", "deadlineMs"],
  step: [...POLICY, "after"],
  map: [...POLICY, "after", "over", "items", "concurrency"],
} as const;

/** The name of a flow that was given by name or as an object. @throws INVALID_INPUT */
export function flowName(flow: FlowRef): string {
  const name: unknown = isObject(flow) ? flow.name : flow;
  checkName(name, "flow");
  return name as string;
}

/** @throws INVALID_INPUT for an option that is unknown or out of range */
export function readFlowOptions(name: string, given: unknown): FlowOptions {
  const what = `flow "${name}"`;
  const options = readOptions(given, OPTIONS.flow, what);
  const { priority, deadlineMs } = options as FlowOptions;
  checkStartOptions({ priority, deadlineMs });
  return { ...readPolicy(options, what), ...defined({ priority, deadlineMs }) };
}

/** @throws INVALID_INPUT for a name that is not allowed, and options that are unknown, of another kind or out of range */
export function readStep(
  flow: FlowRef,
  name: string,
  { kind, given }: { readonly kind: FlowStep["kind"]; readonly given: unknown },
): NewStep {
  const inFlow = flowName(flow);
  checkName(name, "step");
  const what = `step "${name}" of flow "${inFlow}"`;
  const options = readOptions(given, OPTIONS[kind], what);
  const over = readOver(options.over, what);
  const after = readAfter(options.after, what).filter((dependency) => dependency !== over);
  if (over === name || after.includes(name)) {
    throw refused("SELF_DEPENDENCY", `${what} cannot come after itself`, [name]);
  }
  return {
    flow: inFlow,
    name,
    kind,
    after,
    over,
    concurrency: readConcurrency(options.concurrency, what),
    items: readItems(options, what),
    policy: readPolicy(options, what),
  };
}

/** What is wrong with the place of a step: INVALID_INPUT, with the kind of issue and the names in `details`. */
export function refused(
  issue: GraphIssueCode,
  message: string,
  names: readonly string[] = [],
): GoalpostError {
  return new GoalpostError("INVALID_INPUT", message, { details: { issue, names } });
}

/** The options that are given; those that are undefined or null count as left out. */
function readOptions(given: unknown, known: readonly string[], what: string): Record<string, unknown> {
  const options = given ?? {};
  if (!isObject(options)) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `the options of ${what} must be an object, such as { ${known[0]}: 1 }`,
    );
  }
  const unknown = Object.keys(options).filter((key) => !known.includes(key));
  if (unknown.length > 0) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `${what} was given unknown options: ${unknown.join(", ")}; there are: ${known.join(", ")}`,
    );
  }
  return defined(options);
}

function defined<T extends object>(options: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined && value !== null),
  ) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}

function readPolicy(options: Record<string, unknown>, what: string): StepPolicy {
  const { maxAttempts, timeoutMs } = options as StepPolicy;
  const retry = options.retry === undefined ? undefined : readOptions(options.retry, RETRY, `${what}: retry`);
  if (retry?.jitter !== undefined && typeof retry.jitter !== "boolean") {
    throw new GoalpostError(
      "INVALID_INPUT",
      `${what}: retry.jitter is ${String(retry.jitter)}; it must be true or false`,
    );
  }
  const policy: StepPolicy = defined({ maxAttempts, timeoutMs, retry });
  checkPolicy(policy, what);
  return policy;
}

function readAfter(given: unknown, what: string): string[] {
  const after = given ?? [];
  if (!Array.isArray(after)) {
    throw new GoalpostError("INVALID_INPUT", `${what}: after must be an array of the names of steps`);
  }
  for (const dependency of after) {
    checkName(dependency, `${what} comes after a step whose`);
  }
  return [...new Set(after as string[])].sort();
}

function readOver(over: unknown, what: string): string | null {
  if (over === undefined) {
    return null;
  }
  if (typeof over !== "string") {
    throw new GoalpostError(
      "INVALID_INPUT",
      `${what}: over names the one step whose output the map goes over; leave it out for the run's input, ` +
        "and name steps that it only comes after in after",
    );
  }
  checkName(over, `${what} goes over a step whose`);
  return over;
}

function readConcurrency(concurrency: unknown, what: string): number | null {
  check(concurrency, { what: `${what}: concurrency`, least: 1, whole: true });
  const limit = (concurrency as number | undefined) ?? null;
  if (limit !== null && limit > DEFAULT_LIMITS.maxWidth) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `${what}: concurrency is ${limit}; it must be at most ${DEFAULT_LIMITS.maxWidth}, or be left out for no limit`,
    );
  }
  return limit;
}

function readItems({ items, over }: Record<string, unknown>, what: string): string | null {
  if (items === undefined) {
    return null;
  }
  if (over !== undefined) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `${what} goes over the output of "${String(over)}" or over items, not both; for the order alone use after`,
    );
  }
  if (!Array.isArray(items) || items.length > DEFAULT_LIMITS.maxWidth) {
    const given = Array.isArray(items) ? `${items.length} items` : `a ${typeof items}`;
    throw new GoalpostError(
      "INVALID_INPUT",
      `${what}: items is ${given}; it must be an array of at most ${DEFAULT_LIMITS.maxWidth}`,
    );
  }
  return inputToJson(items, `${what}: items holds`);
}
