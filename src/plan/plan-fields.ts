import type { EdgeReason } from "../core/goal.ts";
import { isObject, type Json } from "../core/json.ts";
import type { PlanIssue } from "./plan-issue.ts";

/** Names that models give the fields of a task; the first that is there counts. */
const WORDS = {
  id: ["id", "task_id", "taskId", "node_id"],
  description: ["description", "desc", "task", "title", "goal"],
  step: ["step", "step_name", "stepName", "tool", "tool_name", "toolName", "function", "action"],
  args: ["args", "arguments", "parameters", "params", "input", "inputs", "action_input"],
  argsJson: ["argsJson", "args_json"],
  dependsOn: ["dependsOn", "depends_on", "dependencies", "deps", "dep", "after", "needs"],
  subtasks: ["subtasks", "sub_tasks", "children"],
  map: ["map", "mapOver", "map_over", "for_each", "forEach"],
  decompose: ["decompose", "expand"],
  maxAttempts: ["maxAttempts", "max_attempts"],
  timeoutMs: ["timeoutMs", "timeout_ms"],
  onExhausted: ["onExhausted", "on_exhausted"],
  approval: ["approval"],
  effects: ["effects"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

type Field = keyof typeof WORDS;

const REASONS: readonly string[] = ["data", "order", "conflict"];

/** A dependency with the id as the model wrote it. */
export interface GivenDependency {
  readonly id: string | number;
  readonly reason?: EdgeReason | undefined;
  readonly optional?: boolean | undefined;
}

/** A task as the model wrote it, its fields under our names. Ids and references are still the model's. */
export interface GivenTask {
  readonly id: unknown;
  readonly step: unknown;
  readonly args: Json | undefined;
  readonly dependsOn: readonly GivenDependency[];
  readonly map: { readonly over: unknown; readonly concurrency: unknown } | undefined;
  readonly subtasks: readonly unknown[];
  /** Fields that need no reading, the validator checks them. */
  readonly rest: Readonly<Record<string, unknown>>;
  readonly issues: readonly PlanIssue[];
}

/** Reads a task's fields; undefined for what is no object. */
export function readFields(value: unknown): GivenTask | undefined {
  if (!isObject(value)) {
    return undefined;
  }
  const issues: PlanIssue[] = [];
  const action = pick(value, "step");
  const call = isObject(action) ? action : {};
  const step = isObject(action) ? (call.name ?? call.tool) : action;
  const subtasks = pick(value, "subtasks");
  const description = pick(value, "description");
  const decompose = pick(value, "decompose");
  return {
    id: pick(value, "id"),
    step: step === "" ? undefined : step,
    args: readArgs(value, call, issues),
    dependsOn: readDependencies(pick(value, "dependsOn"), value.reasons),
    map: readMap(pick(value, "map")),
    subtasks: Array.isArray(subtasks) ? subtasks : [],
    rest: withoutNothing({
      description: typeof description === "number" ? String(description) : description,
      decompose:
        decompose === "true" ? true : decompose === false || decompose === "false" ? undefined : decompose,
      maxAttempts: pick(value, "maxAttempts"),
      timeoutMs: pick(value, "timeoutMs"),
      onExhausted: pick(value, "onExhausted"),
      approval: pick(value, "approval"),
      effects: pick(value, "effects"),
      ...(subtasks !== undefined && !Array.isArray(subtasks) && { subtasks }),
    }),
    issues,
  };
}

function pick(value: Record<string, unknown>, field: Field): unknown {
  const word = WORDS[field].find((name) => Object.hasOwn(value, name) && value[name] !== null);
  return word === undefined ? undefined : value[word];
}

function withoutNothing(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** An object, or the JSON text of one. */
function readArgs(
  value: Record<string, unknown>,
  call: Record<string, unknown>,
  issues: PlanIssue[],
): Json | undefined {
  const given = pick(value, "args") ?? pick(call, "args");
  const text = pick(value, "argsJson") ?? (typeof given === "string" ? given : undefined);
  if (typeof text !== "string" || (isObject(given) && Object.keys(given).length > 0)) {
    return given as Json | undefined;
  }
  if (text.trim() === "") {
    return undefined;
  }
  try {
    return (JSON.parse(text) as Json) ?? undefined;
  } catch (error) {
    const id = String(pick(value, "id") ?? "");
    const why = error instanceof Error ? error.message : String(error);
    const message = `the args of task "${id}" are a text that is no JSON: ${why}`;
    issues.push({ code: "INVALID_ARGS", message, taskId: id, path: "argsJson" });
    return undefined;
  }
}

function readDependencies(given: unknown, reasons: unknown): GivenDependency[] {
  const list = typeof given === "string" ? given.split(",") : Array.isArray(given) ? given : [given];
  return list.flatMap((item: unknown, index): GivenDependency[] => {
    const whole = isObject(item) ? item : { id: item };
    const id = pick(whole, "id") ?? whole.task ?? whole.on;
    // HuggingGPT writes [-1] for none.
    if ((typeof id !== "string" && typeof id !== "number") || id === -1 || id === "" || id === "-1") {
      return [];
    }
    const reason = whole.reason ?? reasonAt(reasons, index, String(id));
    return [
      {
        id: typeof id === "string" ? id.trim() : id,
        ...(reason !== undefined && reason !== null && { reason: toReason(reason) }),
        ...(whole.optional === true && { optional: true }),
      },
    ];
  });
}

/** Reasons may stand in a list of their own, or by id. */
function reasonAt(reasons: unknown, index: number, id: string): unknown {
  if (Array.isArray(reasons)) {
    return reasons[index];
  }
  return isObject(reasons) && Object.hasOwn(reasons, id) ? reasons[id] : undefined;
}

/** Whatever else a model gives as a reason: it wants the one after the other. */
function toReason(reason: unknown): EdgeReason {
  return REASONS.includes(reason as string) ? (reason as EdgeReason) : "order";
}

function readMap(given: unknown): GivenTask["map"] {
  if (isObject(given)) {
    return { over: given.over ?? given.task ?? given.id, concurrency: given.concurrency ?? undefined };
  }
  return given === undefined || given === "" || given === false
    ? undefined
    : { over: given, concurrency: undefined };
}
