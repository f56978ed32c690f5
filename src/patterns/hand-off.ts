import { GoalpostError } from "../core/errors.ts";
import { isObject, type Json } from "../core/json.ts";
import {
  checkPattern,
  type Member,
  memberOf,
  outOfRounds,
  type PatternContext,
  type PatternOptions,
  takeTurn,
} from "./member.ts";

/** What the member whose turn it is knows. */
export interface HandOffView {
  readonly task: Json;
  /** Who had the task before, and what each said to the next. */
  readonly history: readonly { readonly member: string; readonly note: Json }[];
  readonly members: readonly string[];
}

/** It hands the task on, or has the result. */
export type HandOffChoice = { readonly handTo: string; readonly note?: Json } | { readonly result: Json };

export interface HandOffOptions extends PatternOptions {
  readonly task: Json;
  readonly members: Readonly<Record<string, Member<HandOffView, HandOffChoice>>>;
  /** Who begins. */
  readonly start: string;
  /** Turns at most. Default 10. */
  readonly maxRounds?: number | undefined;
}

/**
 * A task goes from one to the next until somebody has the result.
 * @returns the result, and who had it
 * @throws STEP_FAILED after `maxRounds` without one; INVALID_INPUT for a member that there is not
 */
export async function handOff(
  ctx: PatternContext,
  options: HandOffOptions,
): Promise<{ readonly result: Json; readonly by: string; readonly history: HandOffView["history"] }> {
  const { task, members, start, maxRounds = 10, key = "hand-off", timeoutMs, budget } = options;
  checkPattern("handOff", members, maxRounds);
  const history: { member: string; note: Json }[] = [];
  let by = start;
  for (let round = 1; round <= maxRounds; round++) {
    const member = memberOf(members, by, "handOff");
    const input = { task, history, members: Object.keys(members) };
    const choice: unknown = await takeTurn(ctx, member, {
      key: `${key}/${round}/${by}`,
      input,
      timeoutMs,
      budget,
    });
    if (!isObject(choice) || !("result" in choice || "handTo" in choice)) {
      throw new GoalpostError("INVALID_INPUT", `handOff: "${by}" must return { handTo, note } or { result }`);
    }
    if ("result" in choice) {
      return { result: choice.result as Json, by, history };
    }
    history.push({ member: by, note: (choice.note ?? null) as Json });
    by = choice.handTo as string;
  }
  throw outOfRounds("handOff", maxRounds, "a result");
}
