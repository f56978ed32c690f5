import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { GoalpostError } from "../core/errors.ts";
import type { DecomposeContext, Goal } from "../core/goal.ts";
import type { LlmMessage } from "../core/llm.ts";
import { describePlan, type FactOptions, type PromptFacts } from "./prompt-facts.ts";

/** A prompt of your own: the text of a template, or what makes the prompt. */
export type PlanPrompt =
  | string
  | ((facts: PromptFacts, goal: Goal, ctx: DecomposeContext) => string | Promise<string>);

export interface PromptOptions extends FactOptions {
  readonly prompt: PlanPrompt | undefined;
}

/** The conversation's beginning, and the hash of the template that it was made from. */
export interface RenderedPrompt {
  readonly messages: readonly LlmMessage[];
  readonly sha256: string;
}

/** What stands above this line is the system's part. */
const USER_PART = "<!-- user -->";

const HOLES: ReadonlySet<string> = new Set<keyof PromptFacts>([
  "goal",
  "context",
  "steps",
  "limits",
  "examples",
  "recalled",
  "task",
  "outputs",
  "replan",
  "handedOn",
  "decompose",
  "mark",
]);

let shipped: Promise<string> | undefined;

/** The template in prompts/, read once. */
function readShipped(): Promise<string> {
  shipped ??= readFile(new URL("../../prompts/decompose-goal.md", import.meta.url), "utf8");
  return shipped;
}

/** @throws INVALID_INPUT if it is no template of ours */
export function checkPrompt(prompt: unknown): void {
  if (prompt === undefined || typeof prompt === "function") {
    return;
  }
  if (typeof prompt !== "string" || prompt.trim() === "") {
    throw new GoalpostError(
      "INVALID_INPUT",
      "llmDecomposer: prompt must be a template's text, or a function that returns the prompt",
    );
  }
  const unknown = [...prompt.matchAll(/\{\{(\w+)\}\}/g)]
    .map(([, name = ""]) => name)
    .filter((name) => !HOLES.has(name));
  if (unknown.length > 0 || !prompt.includes("{{goal}}")) {
    const problem = unknown.length > 0 ? `has {{${unknown[0]}}}, which nothing fills` : "has no {{goal}}";
    throw new GoalpostError(
      "INVALID_INPUT",
      `llmDecomposer: the prompt ${problem}; there are: ${[...HOLES].map((name) => `{{${name}}}`).join(", ")}`,
    );
  }
}

/** Puts the goal and what is known into the template, once: nothing in it is looked through again. */
export async function renderPrompt(
  goal: Goal,
  ctx: DecomposeContext,
  options: PromptOptions,
): Promise<RenderedPrompt> {
  const facts = describePlan(goal, ctx, options);
  if (typeof options.prompt === "function") {
    const text = await options.prompt(facts, goal, ctx);
    return { messages: toMessages(splitTemplate(text)), sha256: hash(text) };
  }
  const template = options.prompt ?? (await readShipped());
  const fill = (part: string): string =>
    part.replaceAll(/\{\{(\w+)\}\}/g, (hole, name: string) =>
      HOLES.has(name) ? facts[name as keyof PromptFacts] : hole,
    );
  // Divided before it is filled: nobody's text can begin the user's part.
  return { messages: toMessages(splitTemplate(template).map(fill)), sha256: hash(template) };
}

/** The system's part, if there is one, and the user's. */
function splitTemplate(text: string): readonly string[] {
  const at = text.indexOf(USER_PART);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + USER_PART.length)];
}

function toMessages(parts: readonly string[]): LlmMessage[] {
  const [system = "", user] = parts.length > 1 ? parts : ["", parts[0]];
  return [
    ...(system.trim() === "" ? [] : [{ role: "system" as const, content: tidy(system) }]),
    { role: "user", content: tidy(user ?? "") },
  ];
}

function tidy(text: string): string {
  return text.replaceAll(/\n{3,}/g, "\n\n").trim();
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
