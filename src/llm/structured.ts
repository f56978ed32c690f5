import type { CompiledSchema, SchemaIssue } from "./schemas.ts";

/** Places where JSON may begin that are looked at. */
const MAX_STARTS = 32;
const MAX_ISSUES = 20;
const MAX_ISSUE_LENGTH = 300;

export type Parsed =
  | { readonly value: unknown }
  /** What is wrong, a line each. */
  | { readonly problems: readonly string[] };

/**
 * Reads the JSON in an answer: the whole of it, what is in a code fence, or the first piece of it that the schema
 * allows.
 */
export async function parseAnswer(text: string, schema: CompiledSchema): Promise<Parsed> {
  let first: readonly SchemaIssue[] | undefined;
  for (const candidate of candidatesIn(text)) {
    const checked = await schema.check(candidate);
    if (!("issues" in checked)) {
      return checked;
    }
    first ??= checked.issues;
  }
  return { problems: first ? first.slice(0, MAX_ISSUES).map(describe) : [whyNone(text)] };
}

function describe({ path, message }: SchemaIssue): string {
  return `${path === "" ? "the whole" : path}: ${message}`.slice(0, MAX_ISSUE_LENGTH);
}

function whyNone(text: string): string {
  return text.trim() === "" ? "the answer is empty" : "the answer holds no complete JSON value";
}

/** The turn in which a model is told what is wrong with its answer. */
export function repairTurn(problems: readonly string[]): string {
  const list = problems.map((problem) => `- ${problem}`).join("\n");
  return `Your answer does not fit the JSON Schema:\n${list}\nAnswer again: the whole corrected JSON and nothing else.`;
}

/** What a model is told of the schema that its provider does not enforce. */
export function schemaPrompt(schema: CompiledSchema): string {
  return (
    "Answer with one JSON value and nothing else: no explanation, no code fence. " +
    `It must satisfy this JSON Schema:\n${JSON.stringify(schema.json)}`
  );
}

function* candidatesIn(text: string): Generator<unknown> {
  const whole = parse(text.trim());
  if (whole) {
    yield whole.value;
    return;
  }
  for (const [, fenced = ""] of text.matchAll(/```[a-z]*\s*\n([\s\S]*?)```/gi)) {
    const inside = parse(fenced.trim());
    if (inside) {
      yield inside.value;
    }
  }
  const starts = [...text.matchAll(/[{[]/g)].slice(0, MAX_STARTS).map(({ index }) => index);
  let end = 0;
  for (const start of starts) {
    // What is within a piece that was read is part of it.
    const piece = start >= end ? balancedFrom(text, start) : undefined;
    const read = piece === undefined ? undefined : parse(piece);
    if (piece !== undefined && read) {
      end = start + piece.length;
      yield read.value;
    }
  }
}

function parse(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

/** The text from a bracket to the one that closes it; undefined if none does. */
function balancedFrom(text: string, start: number): string | undefined {
  let depth = 0;
  let quoted = false;
  for (let i = start; i < text.length; i++) {
    const char = text[i];
    if (quoted) {
      i += char === "\\" ? 1 : 0;
      quoted = char !== '"';
    } else if (char === '"') {
      quoted = true;
    } else if (char === "{" || char === "[") {
      depth += 1;
    } else if (char === "}" || char === "]") {
      depth -= 1;
      if (depth === 0) {
        return text.slice(start, i + 1);
      }
    }
  }
  return undefined;
}
