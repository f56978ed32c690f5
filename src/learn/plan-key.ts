import { createHash } from "node:crypto";
import { AGENT_STEP } from "../core/agent.ts";
import type { Goal, StepInfo, TaskSpec } from "../core/goal.ts";
import { canonicalJson } from "../core/json.ts";
import { toTree } from "../core/task-tree.ts";

/** What is embedded of a goal; embedders take 10,000 characters. */
const MAX_TEXT_CHARS = 8000;

/**
 * Equal for goals that ask for the same: spaces do not count. Capitals do: they may be a path or a name, and what is
 * used again as it stands must be for this very goal.
 */
export function keyOfGoal({ text, context }: Goal): string {
  return hash([text.normalize("NFC").trim().replaceAll(/\s+/g, " "), context ?? null]);
}

/** Halves of surrogate pairs, and zero characters: no text that embedders or databases take. */
const UNSTORABLE = /[\p{Surrogate}\0]/gu;

/** The text that stands for a goal among others: without its context, which would tell of other things. */
export function textOfGoal({ text }: Goal): string {
  return text.trim().slice(0, MAX_TEXT_CHARS).replaceAll(UNSTORABLE, "\ufffd");
}

export function hash(value: unknown): string {
  return createHash("sha256").update(canonicalJson(value)).digest("hex");
}

/** Hashes of what steps take and give, by their names. */
export type StepHashes = Readonly<Record<string, string>>;

const HASH_CHARS = 16;

/** The steps as the decomposer is told of them. What only tells how long they take is no part of it. */
export function hashSteps(steps: readonly StepInfo[]): StepHashes {
  return Object.fromEntries(
    steps.map(({ name, argsSchema, outputSchema }) => [
      name,
      isAgent(name) ? OF_AGENTS : hash([argsSchema ?? null, outputSchema ?? null]).slice(0, HASH_CHARS),
    ]),
  );
}

/** Equal for equal steps. Agents come and go with the processes that have them: no reason to plan anew. */
export function hashOfTools(steps: readonly StepInfo[]): string {
  return hash(hashSteps(steps.filter(({ name }) => !isAgent(name))));
}

/** Those that a plan uses; null if one of them is not known. */
export function hashesOfUsed(tasks: readonly TaskSpec[], known: StepHashes): StepHashes | null {
  const used: Record<string, string> = {};
  for (const { spec } of toTree(tasks).tasks) {
    if (spec.decompose || spec.subtasks?.length) {
      continue;
    }
    const step = spec.step ?? spec.id;
    const found = isAgent(step) ? OF_AGENTS : Object.hasOwn(known, step) ? known[step] : undefined;
    if (found === undefined) {
      return null;
    }
    used[step] = found;
  }
  return used;
}

/** Every agent takes and gives the like. */
const OF_AGENTS = "agent";

function isAgent(step: string): boolean {
  return step.startsWith(AGENT_STEP);
}
