import { writeFile } from "node:fs/promises";
import { z } from "zod";
import { defineStep, GoalpostError, type StepMap, VERSION } from "../index.ts";
import { findDuplicates } from "./report-duplicates.ts";
import { listFiles } from "./report-files.ts";
import { readHistory } from "./report-history.ts";
import { combine, measureFiles } from "./report-measure.ts";
import { makePage } from "./report-page.ts";
import { type Measured, type ReportParts, summarize, type Timed, takeInventory } from "./report-parts.ts";

/** Milliseconds that a task which reads many files may take. */
const READ_TIMEOUT_MS = 120_000;

const folder = z.string().describe("an absolute path");
const paths = z.array(z.string()).describe("relative to the folder");
/** What other steps returned: only this app makes it, so that it is an object is all that is checked. */
const output = <T extends object>(): z.ZodType<T> =>
  z.custom<T>((value) => typeof value === "object" && value !== null);
const measured = z.object({ measure: output<Measured>() });

/** The steps of reports on code. */
export const reportSteps: StepMap = {
  files: defineStep({
    description: "Lists the files of a folder whose language is known, in parts of like size",
    args: z.object({ folder, parts: z.number().int().min(1) }),
    timeoutMs: READ_TIMEOUT_MS,
    execute: (args, ctx) => timed(() => listFiles(args.folder, args.parts, ctx.signal)),
  }),
  measureFiles: defineStep({
    description: "Reads files and measures lines, functions, notes and imports",
    args: z.object({ folder, paths }),
    timeoutMs: READ_TIMEOUT_MS,
    execute: (args, ctx) => timed(() => measureFiles(args.folder, args.paths, ctx.signal)),
  }),
  duplicates: defineStep({
    description: "Finds code that stands in more than one place",
    args: z.object({ folder, parts: z.array(paths) }),
    timeoutMs: READ_TIMEOUT_MS,
    execute: (args, ctx) => timed(() => findDuplicates(args.folder, args.parts.flat(), ctx.signal)),
  }),
  history: defineStep({
    description: "Reads the git history of a folder, if there is any",
    args: z.object({ folder }),
    timeoutMs: READ_TIMEOUT_MS,
    execute: (args, ctx) => timed(() => readHistory(args.folder, ctx.signal)),
  }),
  inventory: defineStep({
    description: "Adds up what was measured, by language and by folder",
    args: measured,
    execute: ({ measure }) => timed(() => takeInventory(measure)),
  }),
  outliers: defineStep({
    description: "Finds the largest files, the longest functions and the longest lines",
    args: measured,
    execute: ({ measure }) =>
      timed(() => {
        const { largest, functions, longLines } = combine(Object.values(measure));
        return { largest, functions, longLines };
      }),
  }),
  todos: defineStep({
    description: "Gathers TODO, FIXME, HACK and XXX notes",
    args: measured,
    execute: ({ measure }) => timed(() => combine(Object.values(measure)).notes),
  }),
  imports: defineStep({
    description: "Counts how many files import each module",
    args: measured,
    execute: ({ measure }) => timed(() => combine(Object.values(measure)).imports),
  }),
  write_code_report: defineStep({
    description: "Writes the report as Markdown",
    args: output<ReportParts>(),
    execute: (parts, ctx) => writeReport(parts, ctx.runId),
  }),
};

/** Tells when a step worked and for how long: the report draws the graph with these times. */
async function timed<T extends object>(work: () => T | Promise<T>): Promise<T & Timed> {
  const startedAtMs = Date.now();
  const start = performance.now();
  const result = await work();
  return { ...result, startedAtMs, tookMs: Math.round((performance.now() - start) * 10) / 10 };
}

async function writeReport(parts: ReportParts, runId: string): Promise<object> {
  const path = parts.plan.report;
  const page = makePage(parts, { runId, version: VERSION, madeAt: new Date() });
  try {
    await writeFile(path, page);
  } catch (error) {
    throw new GoalpostError("STEP_FAILED", `the report cannot be written to ${path}: ${String(error)}`, {
      cause: error,
    });
  }
  return { path, summary: summarize(parts) };
}
