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

/** What a member did for the supervisor. */
export interface Assignment {
  readonly round: number;
  readonly to: string;
  readonly task: Json;
  readonly output: Json;
}

/** What the supervisor decides by. */
export interface SupervisorView {
  readonly task: Json;
  /** From 1. */
  readonly round: number;
  readonly members: readonly string[];
  readonly done: readonly Assignment[];
}

/** What it decides: who does what next, at the same time; or what the result is. */
export type SupervisorChoice =
  | { readonly assign: readonly { readonly to: string; readonly task: Json }[] }
  | { readonly result: Json };

export interface SupervisorOptions extends PatternOptions {
  readonly task: Json;
  /** The specialists, by name. */
  readonly members: Readonly<Record<string, Member<Json, Json>>>;
  readonly decide: Member<SupervisorView, SupervisorChoice>;
  /** Decisions at most. Default 10. */
  readonly maxRounds?: number | undefined;
}

/**
 * One decides, round by round, who of several specialists does what, until it has a result.
 * @returns the result
 * @throws STEP_FAILED after `maxRounds` without one; INVALID_INPUT for a member that there is not
 */
export async function supervisor(ctx: PatternContext, options: SupervisorOptions): Promise<Json> {
  const { task, members, decide, maxRounds = 10, key = "supervisor", timeoutMs, budget } = options;
  checkPattern("supervisor", members, maxRounds);
  const done: Assignment[] = [];
  for (let round = 1; round <= maxRounds; round++) {
    const input = { task, round, members: Object.keys(members), done };
    const choice = await takeTurn(ctx, decide, { key: `${key}/${round}`, input, timeoutMs, budget });
    if (isObject(choice) && "result" in choice) {
      return choice.result as Json;
    }
    if (!isObject(choice) || !Array.isArray(choice.assign) || choice.assign.length === 0) {
      throw new GoalpostError(
        "INVALID_INPUT",
        "supervisor: decide must return { assign: [{ to, task }, …] } or { result }",
      );
    }
    const chosen = choice.assign.map(({ to, task }) => ({
      to,
      task,
      member: memberOf(members, to, "supervisor"),
    }));
    const outputs = await Promise.all(
      chosen.map(({ to, task, member }, index) =>
        takeTurn(ctx, member, { key: `${key}/${round}/${index}/${to}`, input: task, timeoutMs, budget }),
      ),
    );
    done.push(...chosen.map(({ to, task }, index) => ({ round, to, task, output: outputs[index] ?? null })));
  }
  throw outOfRounds("supervisor", maxRounds, "a result");
}
