import { stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, resolve } from "node:path";
import { type DecomposeContext, GoalpostError, type TaskSpec } from "../index.ts";
import { findFiles, REPORT_FILE } from "./report-files.ts";

/** What a report is to be made of. */
export interface ReportPlan {
  /** The folder, absolute. */
  readonly folder: string;
  /** Where the report is written to, absolute. */
  readonly report: string;
  /** Parts that the files are measured in, side by side. */
  readonly parts: number;
}

const MAX_PARTS = 8;
/** Files that are worth a task of their own. */
const FILES_PER_PART = 8;

/**
 * Plans a report on the folder that a goal names, by looking at how many files there are.
 * @throws INVALID_INPUT if there is no such folder
 */
export async function planReportOn(named: string, ctx: DecomposeContext): Promise<readonly TaskSpec[]> {
  const folder = await findFolder(named);
  const { paths } = await findFiles(folder, ctx.signal);
  const parts = Math.min(MAX_PARTS, Math.max(1, Math.ceil(paths.length / FILES_PER_PART)));
  return reportTasks({ folder, report: resolve(REPORT_FILE), parts });
}

/** The tasks of a report. A function of the plan alone, so that the report can draw them. */
export function reportTasks({ folder, report, parts }: ReportPlan): readonly TaskSpec[] {
  const files = { $ref: "files", path: "parts" };
  const measure = { $ref: "measure" };
  return [
    { id: "files", description: `List the files of ${folder}`, args: { folder, parts } },
    {
      id: "measure",
      description: "Read and measure the files, in parts of like size",
      subtasks: Array.from({ length: parts }, (_, part) => ({
        id: `measure.${part + 1}`,
        description: `Measure part ${part + 1} of ${parts}`,
        step: "measureFiles",
        args: { folder, paths: { $ref: "files", path: `parts.${part}` } },
      })),
    },
    {
      id: "duplicates",
      description: "Compare the files with each other",
      args: { folder, parts: files },
    },
    { id: "history", description: "Ask git for the history", args: { folder } },
    { id: "inventory", description: "Add up languages and folders", args: { measure } },
    { id: "outliers", description: "Rank files, functions and lines by size", args: { measure } },
    { id: "todos", description: "Gather the notes of what is left to do", args: { measure } },
    { id: "imports", description: "Count what is imported most", args: { measure } },
    {
      id: "report",
      description: `Write ${REPORT_FILE}`,
      step: "write_code_report",
      args: {
        plan: { folder, report, parts },
        ...Object.fromEntries(RESULTS.map((id) => [id, { $ref: id }])),
      },
      effects: { writes: [report] },
    },
  ];
}

/** The tasks at the top whose outputs a report is made of. */
const RESULTS = [
  "files",
  "measure",
  "duplicates",
  "history",
  "inventory",
  "outliers",
  "todos",
  "imports",
] as const;

const HERE = /^(?:here|(?:this|the current) (?:folder|directory))$/i;

/**
 * The folder that somebody means by a text: a path, perhaps in quotes, perhaps at the end of a sentence.
 * @throws INVALID_INPUT if there is no such folder
 */
export async function findFolder(named: string): Promise<string> {
  const text = named.trim();
  for (const candidate of [text, text.replace(/[.!?]$/, "")].map(unwrap)) {
    const path = resolve(candidate);
    const found = await stat(path).catch(() => undefined);
    if (found?.isDirectory()) {
      return path;
    }
    if (found) {
      throw new GoalpostError(
        "INVALID_INPUT",
        `${path} is a file; a report is on a folder, such as ${dirname(path)}`,
        { retryable: false },
      );
    }
  }
  throw new GoalpostError(
    "INVALID_INPUT",
    `there is no folder ${resolve(unwrap(text))}; give one that exists, as in "Report on the code in ./src"`,
    { retryable: false },
  );
}

/** Takes off quotes, and puts a path for words that mean one. */
function unwrap(text: string): string {
  const bare = text.replace(/^(["'`])(.*)\1$/s, "$2");
  return HERE.test(bare) ? "." : bare.replace(/^~(?=\/|$)/, () => homedir());
}
