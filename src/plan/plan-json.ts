import { isObject } from "../core/json.ts";
import type { PlanIssue } from "./plan-issue.ts";

/** Characters that an answer may have; a plan of 10,000 tasks has about a third of them. */
const MAX_CHARS = 4_000_000;
/** Broken JSON beyond this is not worth the time that mending takes. */
const MAX_MENDED_CHARS = 1_000_000;
/** Levels of brackets; a plan has about five plus those of its args. */
const MAX_NESTING = 100;
/** Pieces of a text that are tried. */
const MAX_PIECES = 20;
/** Where the tasks of a plan stand, and what plans are wrapped in. */
const PLACES: readonly string[] = [
  "tasks",
  "plan",
  "steps",
  "nodes",
  "graph",
  "dag",
  "task_graph",
  "taskGraph",
  "result",
];
const MAX_WRAPPERS = 4;

/** The tasks as the model wrote them, or why there are none. */
export type ReadPlan = { readonly tasks: readonly unknown[] } | { readonly issue: PlanIssue };

/**
 * Finds the tasks in a model's answer: JSON with or without a fence, prose around it, small mistakes of syntax, and any
 * of the usual forms of a list of tasks. What was cut off in the middle is never taken for a whole plan.
 */
export async function readPlanText(text: string): Promise<ReadPlan> {
  if (text.trim() === "") {
    return { issue: { code: "NO_PLAN", message: "the answer is empty" } };
  }
  if (text.length > MAX_CHARS) {
    const message = `the answer has ${text.length} characters; ${MAX_CHARS} are allowed`;
    return { issue: { code: "TOO_LARGE", message } };
  }
  const whole = parse(text);
  const found = whole === undefined ? undefined : tasksIn(whole.value);
  if (found) {
    return { tasks: found };
  }
  const { pieces, unclosed } = piecesOf(text);
  for (const piece of pieces) {
    const value = parse(piece) ?? (await mend(piece));
    const tasks = value && tasksIn(value.value);
    if (tasks) {
      return { tasks };
    }
  }
  return { issue: unclosed ? CUT_OFF : NO_TASKS };
}

const CUT_OFF: PlanIssue = {
  code: "TRUNCATED",
  message: "the JSON of the answer ends in the middle, or its brackets do not match",
};
const NO_TASKS: PlanIssue = {
  code: "NO_PLAN",
  message:
    'the answer holds no plan; it must be one JSON object of the form { "tasks": [ … ] } and nothing else',
};

function parse(text: string): { value: unknown } | undefined {
  try {
    return nestingOf(text) > MAX_NESTING ? undefined : { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

async function mend(text: string): Promise<{ value: unknown } | undefined> {
  if (text.length > MAX_MENDED_CHARS || nestingOf(text) > MAX_NESTING) {
    return undefined;
  }
  const { jsonrepair } = await import("jsonrepair");
  try {
    return { value: JSON.parse(jsonrepair(text)) };
  } catch {
    return undefined;
  }
}

/** The list of tasks in a value, whatever it is wrapped in; undefined if there is none. */
function tasksIn(value: unknown, wrappers = 0): readonly unknown[] | undefined {
  if (Array.isArray(value)) {
    return value.length === 0 || value.some(isObject) ? value : undefined;
  }
  if (!isObject(value) || wrappers > MAX_WRAPPERS) {
    return undefined;
  }
  for (const place of PLACES) {
    const inner = Object.hasOwn(value, place) ? value[place] : undefined;
    const tasks = tasksIn(inner, wrappers + 1) ?? tasksById(inner);
    if (tasks) {
      return tasks;
    }
  }
  return looksLikeTask(value) ? [value] : undefined;
}

/** `{ "search": { … }, "report": { … } }` */
function tasksById(value: unknown): readonly unknown[] | undefined {
  const entries = isObject(value) ? Object.entries(value) : [];
  return entries.length > 0 && entries.every(([, inner]) => isObject(inner))
    ? entries.map(([id, inner]) => ({ id, ...(inner as object) }))
    : undefined;
}

function looksLikeTask(value: Record<string, unknown>): boolean {
  return (
    ["id", "task_id"].some((key) => key in value) &&
    ["step", "tool", "description"].some((key) => key in value)
  );
}

interface Pieces {
  readonly pieces: readonly string[];
  /** Whether brackets were left open at the end. */
  readonly unclosed: boolean;
}

/** The parts of a text from an opening bracket to the one that closes it, the longest first. */
function piecesOf(text: string): Pieces {
  const pieces: string[] = [];
  let unclosed = false;
  let from = nextOpening(text, 0);
  for (let tries = 0; from >= 0 && tries < MAX_PIECES; tries++) {
    const end = closingOf(text, from);
    if (end >= 0) {
      pieces.push(text.slice(from, end + 1));
    } else if (BEGINS_JSON.test(text.slice(from, from + 100))) {
      // What is whole inside it is a part of the plan, not the plan.
      unclosed = true;
      break;
    }
    from = nextOpening(text, end >= 0 ? end + 1 : from + 1);
  }
  return { pieces: pieces.toSorted((a, b) => b.length - a.length), unclosed };
}

/** A bracket of JSON, not one of prose such as "[1" or "{what". */
const BEGINS_JSON = /^[[{]\s*(?:["'[{]|$)/;

function nextOpening(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    if (text[at] === "{" || text[at] === "[") {
      return at;
    }
  }
  return -1;
}

/** Where the bracket at `from` is closed; -1 if it is not. Brackets in strings do not count. */
function closingOf(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const char = text[at];
    if (char === '"') {
      at = endOfString(text, at);
    } else if (char === "{" || char === "[") {
      depth += 1;
    } else if ((char === "}" || char === "]") && --depth === 0) {
      return at;
    }
  }
  return -1;
}

/** Where the string that begins at `from` ends; the end of the text if it does not. */
function endOfString(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    if (text[at] === "\\") {
      at += 1;
    } else if (text[at] === '"') {
      return at;
    }
  }
  return text.length;
}

/** Levels of brackets that are open at once, at most: parsers recurse by them. */
function nestingOf(text: string): number {
  let depth = 0;
  let most = 0;
  for (let at = 0; at < text.length && most <= MAX_NESTING; at++) {
    const char = text[at];
    if (char === '"') {
      at = endOfString(text, at);
    } else if (char === "{" || char === "[") {
      depth += 1;
      most = Math.max(most, depth);
    } else if (char === "}" || char === "]") {
      depth -= 1;
    }
  }
  return most;
}
