import { z } from "zod";
import { defineStep, type GoalInput, type StepMap } from "../index.ts";
import { REPORT_FILE } from "./report-files.ts";
import { escapeText } from "./report-markdown.ts";
import { type WrittenFile, writeText } from "./steps-write.ts";

const args = z.object({
  title: z.string().min(1),
  sections: z
    .array(
      z.object({
        heading: z.string(),
        content: z
          .unknown()
          .meta({ type: "string" })
          .describe("Markdown, or a reference to the output of a task"),
      }),
    )
    .optional()
    .describe("Default: one for each task that this one depends on"),
  path: z.string().optional().describe(`where to, in the working folder. Default ${REPORT_FILE}`),
});

/** What a report is made of. */
export interface ReportArgs {
  readonly title: string;
  readonly sections?: readonly { readonly heading: string; readonly content?: unknown }[] | undefined;
  readonly path?: string | undefined;
}

/** Says who wrote a file: such a file may be replaced. */
const MARK = "<!-- written by goalpost";

/** Writes a report as Markdown in the working folder. */
export function reportStep(folder: string): StepMap[string] {
  return defineStep({
    description:
      "Writes a report from texts that other tasks made, as a Markdown file in the working folder. Returns { path, bytes, changed }",
    args,
    execute: (given, ctx) => writeReport(folder, given, ctx),
  });
}

/** @throws INVALID_INPUT if the path is refused, or a file is there that no report was */
export function writeReport(
  folder: string,
  { title, sections, path = REPORT_FILE }: ReportArgs,
  { runId, input }: { readonly runId: string; readonly input: GoalInput },
): Promise<WrittenFile> {
  const text = makeReport({ title, sections: sections ?? sectionsOf(input), runId });
  return writeText(folder, {
    path,
    text,
    mayReplace: (there) =>
      path === REPORT_FILE || there.trimEnd().split("\n").at(-1)?.startsWith(MARK) === true,
  });
}

function sectionsOf({ run: _, ...outputs }: GoalInput): NonNullable<ReportArgs["sections"]> {
  return Object.entries(outputs).map(([heading, content]) => ({ heading, content }));
}

interface Report {
  readonly title: string;
  readonly sections: NonNullable<ReportArgs["sections"]>;
  readonly runId: string;
}

export function makeReport({ title, sections, runId }: Report): string {
  const blocks = [
    `# ${escapeText(title)}`,
    ...sections.flatMap(({ heading, content }) => [`## ${escapeText(heading)}`, toMarkdown(content)]),
    `${MARK}, run ${runId} -->`,
  ];
  return `${blocks.filter((block) => block !== "").join("\n\n")}\n`;
}

/** What a task returned, for people. */
function toMarkdown(content: unknown): string {
  if (typeof content === "string") {
    return content.trim();
  }
  if (Array.isArray(content) && content.every((item) => typeof item === "string")) {
    return content.map((item) => `- ${item.trim().replaceAll("\n", "\n  ")}`).join("\n");
  }
  if (isPage(content)) {
    return `${content.text.trim()}\n\nSource: <${content.url}>`;
  }
  return fence(JSON.stringify(content ?? null, null, 2), "json");
}

function isPage(content: unknown): content is { readonly url: string; readonly text: string } {
  const page = content as { url?: unknown; text?: unknown } | null;
  return typeof page === "object" && typeof page?.url === "string" && typeof page.text === "string";
}

/** A block of code, with a fence longer than any in it. */
function fence(text: string, language: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const ticks = "`".repeat(longest + 1);
  return `${ticks}${language}\n${text}\n${ticks}`;
}
