import type { GraphIssueCode } from "../core/errors.ts";

/** What is wrong with a model's plan: a problem of its graph, or of the answer that should hold one. */
export interface PlanIssue {
  readonly code: GraphIssueCode | "NO_PLAN" | "TRUNCATED" | "REFUSED";
  readonly message: string;
  readonly taskId?: string | undefined;
  readonly path?: string | undefined;
}

const MAX_ISSUES = 200;
const MAX_MESSAGE_CHARS = 600;

/** Every issue on a line of its own; what would be no help to anybody any more is counted only. */
export function describeIssues(issues: readonly PlanIssue[], most: number = MAX_ISSUES): string {
  const lines = issues
    .slice(0, most)
    .map(({ code, message }) => `- ${code}: ${cut(message, MAX_MESSAGE_CHARS)}`);
  const rest = issues.length - lines.length;
  return [...lines, ...(rest > 0 ? [`- and ${rest} more`] : [])].join("\n");
}

/** The beginning of a text that is too long, and how long it was. */
export function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most)}… (cut; ${text.length} characters in all)`;
}
