import { type Decomposer, llmDecomposer } from "../index.ts";
import type { ModelChoice } from "./steps-llm.ts";

/** Variables that hold the keys of model providers, in the order of preference. */
export const KEY_VARIABLES = [
  "OPENAI_API_KEY",
  "ANTHROPIC_API_KEY",
  "GEMINI_API_KEY",
  "GOOGLE_API_KEY",
] as const;

/** What plans goals that no recipe fits: a model, if the environment holds a key; else nothing does. */
export function choosePlanner({ model, provider }: ModelChoice): Decomposer | undefined {
  const hasKey = KEY_VARIABLES.some((name) => Boolean(process.env[name]));
  return hasKey ? llmDecomposer({ model, provider }) : undefined;
}
