import { isObject, type Json } from "../core/json.ts";
import type { PlanIssue } from "./plan-issue.ts";
import type { TaskNames } from "./task-names.ts";

/** Longer texts are no placeholders. */
const MAX_PLACEHOLDER_CHARS = 300;

const CURLY = /^(?:\$\{|\{\{)\s*([^{}]+?)\s*\}{1,2}$/;
const DOLLAR = /^\$([A-Za-z_][\w:-]*|\d{1,6})((?:[.[].*)?)$/;
const EVIDENCE = /^#(E\d{1,6})((?:[.[].*)?)$/;
const ANGLE = /^<([A-Za-z]{1,20})-(\d{1,6})>((?:[.[].*)?)$/;
const INSIDE =
  /\{\{\s*([^{}]{1,200}?)\s*\}\}|\$\{\s*([^{}]{1,200}?)\s*\}|#(E\d{1,6})\b|<[A-Za-z]{1,20}-(\d{1,6})>/g;
/** What plans put before an id. */
const COLLECTION = /^(?:tasks|steps|nodes|outputs|results)\./;

/** A task's args without placeholders. */
export interface ReadArgs {
  readonly args: Json;
  readonly issues: readonly PlanIssue[];
  /** Whether some text may turn out to be a placeholder once more of the plan is known. */
  readonly doubtful: boolean;
}

/** The task whose args are read. */
export interface ArgsOwner {
  readonly id: string;
  /** Ids of the tasks that it says it waits for. */
  readonly dependsOn: ReadonlySet<string>;
  readonly names: TaskNames;
}

/**
 * Turns the placeholders that models write, `$1`, `$2.field`, `#E1`, `<node-1>`, `{{id.path}}`, `${id.path}`, into
 * `$ref`, once, on the tree of the args: types are kept, and what an output holds is never looked through. Only a whole
 * text that names a task is one. A text around it stays a text: "costs $1" is what somebody wrote; where the form is
 * one that nobody writes by chance it is an issue, since args have no templates.
 */
export function readPlaceholders(args: Json, owner: ArgsOwner): ReadArgs {
  const reader = new ArgsReader(owner);
  const read = reader.read(args, ["args"]);
  return { args: read, issues: reader.issues, doubtful: reader.doubtful };
}

class ArgsReader {
  readonly issues: PlanIssue[] = [];
  doubtful = false;
  readonly #owner: ArgsOwner;

  constructor(owner: ArgsOwner) {
    this.#owner = owner;
  }

  read(value: Json, at: readonly string[]): Json {
    if (typeof value === "string") {
      return this.#readText(value, at);
    }
    if (Array.isArray(value)) {
      return value.map((item: Json, index) => this.read(item, [...at, String(index)]));
    }
    if (!isObject(value)) {
      return value;
    }
    if ("$ref" in value) {
      return this.#readRef(value as Record<string, Json>);
    }
    return Object.fromEntries(
      Object.entries(value)
        // Nothing that a model writes may reach a prototype, however a step merges its args.
        .filter(([key]) => key !== "__proto__")
        .map(([key, inner]) => [key, this.read(inner as Json, [...at, key])]),
    );
  }

  #readText(text: string, at: readonly string[]): Json {
    if (text.length > MAX_PLACEHOLDER_CHARS) {
      this.#lookInside(text, at);
      return text;
    }
    const trimmed = text.trim();
    const ref = this.#wholeRef(trimmed);
    if (ref) {
      return ref;
    }
    this.doubtful ||= [CURLY, DOLLAR, EVIDENCE, ANGLE].some((form) => form.test(trimmed));
    this.#lookInside(text, at);
    return text;
  }

  #wholeRef(text: string): Json | undefined {
    const curly = CURLY.exec(text)?.[1];
    if (curly !== undefined) {
      return this.#expression(curly);
    }
    const [, name = "", path = ""] = DOLLAR.exec(text) ?? EVIDENCE.exec(text) ?? [];
    if (name !== "") {
      const id = text.startsWith("$") ? this.#dollar(name) : this.#evidence(name);
      return id === undefined ? undefined : toRef(id, path);
    }
    const [, word = "", number = "", rest = ""] = ANGLE.exec(text) ?? [];
    const id = word === "" ? undefined : this.#angle(word, number);
    return id === undefined ? undefined : toRef(id, rest);
  }

  /** A number may be money: as a position it counts only where the task says that it waits for the task there. */
  #dollar(name: string): string | undefined {
    const { names, dependsOn } = this.#owner;
    const found = /^\d+$/.test(name) ? names.numbered(Number(name)) : undefined;
    const given = names.find(name);
    return given ?? (found && (found.byId || dependsOn.has(found.id)) ? found.id : undefined);
  }

  #evidence(name: string): string | undefined {
    return this.#owner.names.find(name) ?? this.#owner.names.numbered(Number(name.slice(1)))?.id;
  }

  #angle(word: string, number: string): string | undefined {
    const { names } = this.#owner;
    return names.find(`${word}-${number}`) ?? names.find(number) ?? names.numbered(Number(number))?.id;
  }

  /** An id with a path behind it; ids may have dots themselves, so the longest one that there is counts. */
  #expression(expression: string): Json | undefined {
    for (const text of [expression, expression.replace(COLLECTION, "")]) {
      for (let end = text.length; end > 0; end = lastSeparator(text, end)) {
        const id = this.#owner.names.find(text.slice(0, end));
        if (id !== undefined) {
          return toRef(id, text.slice(end));
        }
      }
    }
    const number = /^\d{1,6}$/.exec(expression)?.[0];
    const found = number === undefined ? undefined : this.#owner.names.numbered(Number(number));
    return found?.byId ? toRef(found.id, "") : undefined;
  }

  /** References as they should be, but for ids of the model's own, or with the path behind the id. */
  #readRef(value: Record<string, Json>): Json {
    const { $ref: given, path, ...rest } = value;
    const withPath = path === null || path === undefined || path === "" ? {} : { path };
    if (typeof given === "number") {
      const found = this.#owner.names.numbered(given);
      return found ? { ...rest, $ref: found.id, ...withPath } : { ...value };
    }
    if (typeof given !== "string") {
      return { ...value };
    }
    const id = this.#owner.names.find(given);
    if (id !== undefined) {
      return { ...rest, $ref: id, ...withPath };
    }
    this.doubtful = true;
    const inner = this.#wholeRef(given) ?? this.#expression(given);
    return isObject(inner) && !("path" in withPath)
      ? { ...rest, ...inner }
      : { ...rest, $ref: given, ...withPath };
  }

  #lookInside(text: string, at: readonly string[]): void {
    for (const [placeholder, double, single, evidence, number] of text.matchAll(INSIDE)) {
      const expression = double ?? single ?? evidence;
      const names = expression === undefined ? this.#angle("node", number ?? "") : this.#inner(expression);
      if (names) {
        const path = at.join(".");
        this.issues.push({
          code: "DANGLING_REF",
          message:
            `${path} of task "${this.#owner.id}" has ${placeholder} inside a longer text, where nothing is put in; ` +
            "make it the whole value, or name the task in dependsOn: a step is given the outputs of all tasks it depends on",
          taskId: this.#owner.id,
          path,
        });
        return;
      }
      this.doubtful = true;
    }
  }

  #inner(expression: string): unknown {
    return /^E\d+$/.test(expression) ? this.#evidence(expression) : this.#expression(expression);
  }
}

function toRef(id: string, path: string): Json {
  const clean = path.replace(/^\./, "");
  return clean === "" ? { $ref: id } : { $ref: id, path: clean };
}

/** Where the path may begin: the last dot or bracket before `end`. */
function lastSeparator(text: string, end: number): number {
  return Math.max(text.lastIndexOf(".", end - 1), text.lastIndexOf("[", end - 1));
}
