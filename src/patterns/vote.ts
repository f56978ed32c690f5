import { GoalpostError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import { checkPattern, type Member, type PatternContext, type PatternOptions, takeTurn } from "./member.ts";

/** What a voter knows. */
export interface VoteView {
  readonly question: Json;
  readonly options: readonly string[];
  /** From 1. */
  readonly round: number;
  /** How the rounds before went: votes by option. */
  readonly before: readonly Readonly<Record<string, number>>[];
}

export interface VoteOptions extends PatternOptions {
  readonly question: Json;
  /** What can be voted for. */
  readonly options: readonly string[];
  readonly voters: Readonly<Record<string, Member<VoteView, string>>>;
  /** The share of all votes that the winner must have more than, from 0 to 1. Default 0: the most votes win. */
  readonly majority?: number | undefined;
  /** Rounds at most, while nobody wins. Default 1. */
  readonly maxRounds?: number | undefined;
}

export interface VoteResult {
  /** Null if there was no winner in the last round. */
  readonly winner: string | null;
  /** Votes of the last round, by voter. */
  readonly votes: Readonly<Record<string, string>>;
  readonly counts: Readonly<Record<string, number>>;
  readonly rounds: number;
}

/**
 * Several choose among options, at the same time; a tie, or too few votes, leads to another round.
 * @throws INVALID_INPUT for a vote for something else
 */
export async function vote(ctx: PatternContext, given: VoteOptions): Promise<VoteResult> {
  const { question, options, voters, majority = 0, maxRounds = 1, key = "vote", timeoutMs, budget } = given;
  checkPattern("vote", voters, maxRounds);
  const before: Record<string, number>[] = [];
  for (let round = 1; ; round++) {
    const input = { question, options, round, before: [...before] };
    const entries = await Promise.all(
      Object.entries(voters).map(async ([name, voter]) => {
        const choice = await takeTurn(ctx, voter, {
          key: `${key}/${round}/${name}`,
          input,
          timeoutMs,
          budget,
        });
        return [name, checkVote(name, choice, options)] as const;
      }),
    );
    const counts = Object.fromEntries(
      options.map((option) => [option, entries.filter(([, one]) => one === option).length]),
    );
    const winner = winnerOf(counts, entries.length * majority);
    if (winner !== null || round === maxRounds) {
      return { winner, votes: Object.fromEntries(entries), counts, rounds: round };
    }
    before.push(counts);
  }
}

function checkVote(name: string, choice: string, options: readonly string[]): string {
  if (!options.includes(choice)) {
    const there = options.map((option) => `"${option}"`).join(", ");
    throw new GoalpostError(
      "INVALID_INPUT",
      `vote: "${name}" voted for ${JSON.stringify(choice)}; there are ${there}`,
    );
  }
  return choice;
}

function winnerOf(counts: Readonly<Record<string, number>>, moreThan: number): string | null {
  const most = Math.max(...Object.values(counts));
  const first = Object.entries(counts).filter(([, count]) => count === most);
  return first.length === 1 && most > moreThan ? (first[0]?.[0] ?? null) : null;
}
