import { isObject, type Json } from "../core/json.ts";
import {
  checkPattern,
  type Member,
  outOfRounds,
  type PatternContext,
  type PatternOptions,
  takeTurn,
} from "./member.ts";

/** What each said in one round, by name. */
export type DebateRound = Readonly<Record<string, Json>>;

export interface DebateView {
  readonly question: Json;
  /** From 1. */
  readonly round: number;
  /** What was said in the rounds before. */
  readonly said: readonly DebateRound[];
}

/** What the judge is asked after every round. */
export interface JudgeView extends DebateView {
  /** There is no round after this one: a verdict is needed. */
  readonly last: boolean;
}

export interface DebateOptions extends PatternOptions {
  readonly question: Json;
  readonly debaters: Readonly<Record<string, Member<DebateView & { readonly self: string }, Json>>>;
  /** Returns the verdict, or null for another round. */
  readonly judge: Member<JudgeView, { readonly verdict: Json } | null>;
  /** Default 3. */
  readonly maxRounds?: number | undefined;
}

/**
 * Several argue, round by round, each knowing what all said before; a judge ends it with a verdict.
 * @throws STEP_FAILED if there is none after `maxRounds`
 */
export async function debate(
  ctx: PatternContext,
  options: DebateOptions,
): Promise<{ readonly verdict: Json; readonly rounds: readonly DebateRound[] }> {
  const { question, debaters, judge, maxRounds = 3, key = "debate", timeoutMs, budget } = options;
  checkPattern("debate", debaters, maxRounds);
  const said: DebateRound[] = [];
  for (let round = 1; round <= maxRounds; round++) {
    const before = [...said];
    const entries = await Promise.all(
      Object.entries(debaters).map(async ([self, debater]) => {
        const input = { question, round, said: before, self };
        return [
          self,
          await takeTurn(ctx, debater, { key: `${key}/${round}/${self}`, input, timeoutMs, budget }),
        ] as const;
      }),
    );
    said.push(Object.fromEntries(entries));
    const input = { question, round, said: [...said], last: round === maxRounds };
    const judged: unknown = await takeTurn(ctx, judge, { key: `${key}/${round}`, input, timeoutMs, budget });
    if (isObject(judged) && "verdict" in judged) {
      return { verdict: judged.verdict as Json, rounds: said };
    }
  }
  throw outOfRounds("debate", maxRounds, "a verdict");
}
