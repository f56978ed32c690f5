import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { GoalpostError } from "../index.ts";
import { whyClosed } from "./steps-folder.ts";

const MAX_PATTERN_LENGTH = 400;
/** Patterns that one with braces stands for. */
const MAX_ALTERNATIVES = 64;
/** Files and folders that are looked at. */
const MAX_ENTRIES = 100_000;

/** Whether a text is a pattern, not a path. */
export function isPattern(text: string): boolean {
  return /[*?{]/.test(text);
}

/**
 * A test of paths: `*` and `?` stay within a name, `**` stands for any folders, `{a,b}` for a or b.
 * @throws INVALID_INPUT for patterns that are too long or have too many alternatives
 */
export function toMatcher(pattern: string): (path: string) => boolean {
  const alternatives = pattern.length <= MAX_PATTERN_LENGTH ? expandBraces(pattern) : [];
  if (alternatives.length === 0 || alternatives.length > MAX_ALTERNATIVES) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `the pattern ${JSON.stringify(pattern.slice(0, 80))} is too large: it may have ${MAX_PATTERN_LENGTH} characters and stand for ${MAX_ALTERNATIVES} alternatives`,
    );
  }
  const parts = alternatives.map((one) => one.replace(/^(?:\.\/)+/, "").split("/"));
  return (path) => {
    const names = path.split("/");
    return parts.some((one) => matchNames(one, names));
  };
}

function expandBraces(pattern: string): string[] {
  let open = [pattern];
  for (;;) {
    const next = open.flatMap((one) => {
      // The innermost braces first: what is in them holds none.
      const found = /^(.*)\{([^{}]*)\}(.*)$/s.exec(one);
      return found ? (found[2] ?? "").split(",").map((part) => `${found[1]}${part}${found[3]}`) : [one];
    });
    if (next.length > MAX_ALTERNATIVES || next.every((one, index) => one === open[index])) {
      return next;
    }
    open = next;
  }
}

function matchNames(parts: readonly string[], names: readonly string[]): boolean {
  // reached[n]: the parts so far fit the first n names.
  let reached = [true, ...names.map(() => false)];
  for (const part of parts) {
    const next = reached.map(() => false);
    for (let n = 0; n < reached.length; n++) {
      const name = names[n - 1];
      if (part === "**") {
        next[n] = Boolean(reached[n] || (n > 0 && next[n - 1]));
      } else {
        next[n] = name !== undefined && Boolean(reached[n - 1]) && matchName(part, name);
      }
    }
    reached = next;
  }
  return reached.at(-1) === true;
}

/** Goes back to the last star only: the time is the product of the lengths at most. */
function matchName(part: string, name: string): boolean {
  let p = 0;
  let star = -1;
  let resume = 0;
  for (let n = 0; n < name.length; ) {
    if (part[p] === "*") {
      star = p++;
      resume = n;
    } else if (part[p] === "?" || (p < part.length && part[p] === name[n])) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  return /^\**$/.test(part.slice(p));
}

/** What a search found. */
export interface Matches {
  /** Ordered. */
  readonly paths: readonly string[];
  /** Paths that fit and are closed to steps. */
  readonly closed: number;
  /** True if there was more to look at than a search looks at. */
  readonly capped: boolean;
}

/** The files of a folder that fit one of the patterns; symbolic links are not followed. */
export async function findMatches(
  folder: string,
  patterns: readonly string[],
  signal: AbortSignal,
): Promise<Matches> {
  const matchers = patterns.map(toMatcher);
  const paths: string[] = [];
  const folders = [""];
  let entries = 0;
  let closed = 0;
  for (let next = folders.shift(); next !== undefined && entries < MAX_ENTRIES; next = folders.shift()) {
    signal.throwIfAborted();
    // A folder that cannot be read holds nothing that could be.
    const found = await readdir(join(folder, next), { withFileTypes: true }).catch(() => []);
    entries += found.length;
    for (const entry of found) {
      const path = next === "" ? entry.name : `${next}/${entry.name}`;
      if (whyClosed(path)) {
        closed += entry.isFile() && matchers.some((fits) => fits(path)) ? 1 : 0;
      } else if (entry.isDirectory()) {
        folders.push(path);
      } else if (entry.isFile() && matchers.some((fits) => fits(path))) {
        paths.push(path);
      }
    }
  }
  return { paths: paths.sort(), closed, capped: entries >= MAX_ENTRIES };
}
