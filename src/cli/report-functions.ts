import type { ScannedLine } from "./report-scan.ts";

/** A function with a name, and where it stands. */
export interface FoundFunction {
  readonly name: string;
  /** From 1. */
  readonly line: number;
  /** Its length, first and last line included. */
  readonly lines: number;
}

/**
 * The functions of a file that have a name and a body: declarations, methods, and functions that a variable or
 * property is set to. A heuristic over brackets (indentation, in Python), exact for code that is formatted as usual.
 */
export function findFunctions(
  lines: readonly ScannedLine[],
  dialect: "javascript" | "python",
): FoundFunction[] {
  return dialect === "python" ? pythonFunctions(lines) : bracedFunctions(lines);
}

interface Bracket {
  readonly mark: string;
  readonly index: number;
  readonly line: number;
  readonly head: { readonly name: string; readonly line: number } | undefined;
}

const CLOSES: Readonly<Record<string, string>> = { ")": "(", "]": "[", "}": "{" };

function bracedFunctions(lines: readonly ScannedLine[]): FoundFunction[] {
  const code = lines.map((line) => line.code).join("\n");
  const found: FoundFunction[] = [];
  const open: Bracket[] = [];
  /** Of each `)`: its `(`. */
  const pairs = new Map<number, Bracket>();
  let line = 1;
  for (const { 0: mark, index } of code.matchAll(/[\n()[\]{}]/g)) {
    const begin = CLOSES[mark];
    if (mark === "\n") {
      line++;
    } else if (begin === undefined) {
      open.push({ mark, index, line, head: mark === "{" ? headOf(code, index, pairs) : undefined });
    } else {
      const bracket = popTo(open, begin);
      if (bracket && mark === ")") {
        pairs.set(index, bracket);
      }
      if (bracket?.head) {
        found.push({ ...bracket.head, lines: line - bracket.head.line + 1 });
      }
    }
  }
  return found;
}

/** The innermost open bracket of that kind. Those inside it that were never closed were no brackets: text in JSX. */
function popTo(open: Bracket[], mark: string): Bracket | undefined {
  const at = open.findLastIndex((bracket) => bracket.mark === mark);
  return at < 0 ? undefined : open.splice(at)[0];
}

const HEAD_LENGTH = 600;
const NO_NAMES: ReadonlySet<string> = new Set([
  "if",
  "for",
  "while",
  "switch",
  "catch",
  "with",
  "await",
  "return",
  "super",
]);

/** The function whose body a brace begins, if it does: what stands before the brace tells. */
function headOf(code: string, brace: number, pairs: ReadonlyMap<number, Bracket>): Bracket["head"] {
  let end = endBefore(code, brace);
  const arrow = code.slice(end - 2, end) === "=>";
  if (arrow) {
    end = endBefore(code, end - 2);
  }
  const close = code[end - 1] === ")" ? end - 1 : closeBeforeReturnType(code, end);
  const params = pairs.get(close);
  if (!params) {
    return undefined;
  }
  const before = withoutGenerics(code.slice(Math.max(0, params.index - HEAD_LENGTH), params.index).trimEnd());
  const name = arrow ? nameOfArrow(before) : nameOfFunction(before);
  return name === undefined ? undefined : { name, line: params.line };
}

function endBefore(code: string, index: number): number {
  let end = index;
  while (end > 0 && /\s/.test(code[end - 1] ?? "")) {
    end--;
  }
  return end;
}

/** The `)` of `(…): Type`, looked for backwards from the type's end; -1 if that is not what stands there. */
function closeBeforeReturnType(code: string, end: number): number {
  let depth = 0;
  for (let at = end - 1; at >= Math.max(0, end - HEAD_LENGTH); at--) {
    const char = code[at] ?? "";
    if (char === ">" && code[at - 1] === "=") {
      at--;
    } else if (">]})".includes(char)) {
      depth++;
    } else if ("<[{(".includes(char)) {
      depth--;
    } else if (depth === 0 && char === ":") {
      const close = endBefore(code, at) - 1;
      const type = code.slice(at + 1, end);
      // A word behind a closing brace is no type any more: the function ended there.
      return code[close] === ")" && type !== "" && !/\}\s*[\w$#@]/.test(type) ? close : -1;
    }
    if (depth < 0 || (depth === 0 && (char === ";" || char === "="))) {
      return -1;
    }
  }
  return -1;
}

function withoutGenerics(head: string): string {
  if (!head.endsWith(">") || head.endsWith("=>")) {
    return head;
  }
  let depth = 0;
  for (let at = head.length - 1; at >= 0; at--) {
    if (head[at] === ">" && head[at - 1] !== "=") {
      depth++;
    } else if (head[at] === "<" && --depth === 0) {
      return head.slice(0, at).trimEnd();
    }
  }
  return head;
}

/** `name = `, where a name can stand but a type cannot. */
const UNTYPED = /(?:^|[;{}\n,(]|\b(?:const|let|var|static|readonly|override))\s*(?:[\w$#]+\.)*([\w$#]+)\s*=$/;
/** `name: Type = `, where the type can be a function's. */
const TYPED =
  /(?:^|[;{}\n])\s*(?:(?:export|const|let|var|public|private|protected|static|readonly|override)\s+)*([\w$#]+)\s*[?!]?:(?:[^=;]|=>)*=$/;

function nameOfArrow(before: string): string | undefined {
  const head = before.replace(/\basync$/, "").trimEnd();
  if (/\btype\s+[\w$]+\s*=$/.test(head)) {
    return undefined;
  }
  const name = UNTYPED.exec(head) ?? TYPED.exec(head) ?? /([\w$#]+)\s*[=:]$/.exec(head);
  return name?.[1];
}

function nameOfFunction(before: string): string | undefined {
  const expression = /(?:([\w$#]+)\s*[:=]\s*(?:async\s+)?)?\bfunction\s*\*?$/.exec(before);
  if (expression) {
    return expression[1];
  }
  const name = /(?:[\w$#]+|\[[^[\]]+\])$/.exec(before)?.[0];
  const isClass = /\bextends\s+[\w$.]+$/.test(before);
  return name === undefined || isClass || NO_NAMES.has(name) ? undefined : name;
}

function pythonFunctions(lines: readonly ScannedLine[]): FoundFunction[] {
  const found: FoundFunction[] = [];
  const open: { readonly name: string; readonly indent: number; readonly line: number; last: number }[] = [];
  const close = (indent: number): void => {
    for (let last = open.at(-1); last && last.indent >= indent; last = open.at(-1)) {
      found.push({ name: last.name, line: last.line, lines: last.last - last.line + 1 });
      open.pop();
    }
  };
  let brackets = 0;
  for (const [index, { code, kind }] of lines.entries()) {
    if (kind !== "code") {
      continue;
    }
    // A line in the middle of a string has no indentation.
    if (brackets === 0 && code.trim() !== "") {
      const indent = code.length - code.trimStart().length;
      close(indent);
      const name = /^\s*(?:async\s+)?def\s+(\w+)/.exec(code)?.[1];
      if (name !== undefined) {
        open.push({ name, indent, line: index + 1, last: index + 1 });
      }
    }
    brackets = Math.max(0, brackets + count(code, /[([{]/g) - count(code, /[)\]}]/g));
    for (const around of open) {
      around.last = index + 1;
    }
  }
  close(0);
  return found;
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}
