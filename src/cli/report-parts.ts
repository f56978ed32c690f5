import type { Duplicates } from "./report-duplicates.ts";
import type { FileList } from "./report-files.ts";
import type { History } from "./report-history.ts";
import { addTotals, combine, type Measures, type Total } from "./report-measure.ts";
import type { ReportPlan } from "./report-plan.ts";

/** When a task did its work. */
export interface Timed {
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number;
  readonly tookMs: number;
}

/** Languages, folders and sums. */
export interface Inventory extends Pick<Measures, "languages" | "folders" | "leftOut"> {
  /** All code. */
  readonly code: Total;
  /** Prose and data. */
  readonly text: Total;
}

export type Outliers = Pick<Measures, "largest" | "functions" | "longLines">;
export type Todos = Measures["notes"];
export type Imports = Measures["imports"];
/** What was measured, by task. */
export type Measured = Readonly<Record<string, Measures & Timed>>;

/** All that a report is made of: the outputs of its tasks, by id. */
export interface ReportParts {
  readonly plan: ReportPlan;
  readonly files: FileList & Timed;
  readonly measure: Measured;
  readonly duplicates: Duplicates & Timed;
  readonly history: History & Timed;
  readonly inventory: Inventory & Timed;
  readonly outliers: Outliers & Timed;
  readonly todos: Todos & Timed;
  readonly imports: Imports & Timed;
}

/** Sums up languages, folders and what could not be read. */
export function takeInventory(measured: Measured): Inventory {
  const { languages, folders, leftOut } = combine(Object.values(measured));
  const sum = (family: "code" | "text"): Total => {
    const nothing: Total = { name: family, files: 0, bytes: 0, lines: 0, code: 0, comments: 0 };
    return languages.filter((language) => language.family === family).reduce(addTotals, nothing);
  };
  return { languages, folders, leftOut, code: sum("code"), text: sum("text") };
}

/** The numbers of a report, for programs and for the terminal. */
export interface ReportSummary {
  readonly files: number;
  readonly lines: number;
  readonly codeLines: number;
  readonly commentLines: number;
  /** The language with the most code; null if there is no code. */
  readonly mainLanguage: string | null;
  readonly largestFile: string | null;
  readonly functions: number;
  readonly longFunctions: number;
  readonly todos: number;
  /** Lines of code that stand somewhere else too. */
  readonly repeatedLines: number;
  /** Null if there is no history. */
  readonly commits: number | null;
  /** True if there were more files than a report reads. */
  readonly capped: boolean;
}

/** The numbers that matter most. */
export function summarize(parts: ReportParts): ReportSummary {
  const { inventory, outliers, todos, duplicates, history, files } = parts;
  return {
    files: inventory.code.files,
    lines: inventory.code.lines,
    codeLines: inventory.code.code,
    commentLines: inventory.code.comments,
    mainLanguage: inventory.languages.find(({ family }) => family === "code")?.name ?? null,
    largestFile: outliers.largest[0]?.path ?? null,
    functions: outliers.functions.count,
    longFunctions: outliers.functions.long,
    todos: todos.count,
    repeatedLines: duplicates.repeatedLines,
    commits: history.found ? history.commits : null,
    capped: files.capped,
  };
}
