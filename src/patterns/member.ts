import { GoalpostError, NonRetryableError } from "../core/errors.ts";
import type { Budget } from "../core/llm.ts";
import { check } from "../core/policy.ts";
import type { StepContext } from "../core/step.ts";
import type { Workflow } from "../core/workflow.ts";

/** What patterns need of a step's ctx. */
export type PatternContext = Pick<StepContext, "once" | "execute" | "agents">;

/**
 * Who takes part: a function, called once for each turn and remembered with `ctx.once` (so it must not wait by ctx itself);
 * `agent:NAME`, asked with a message of type "turn"; or a workflow, run as a child whose output is the answer.
 */
export type Member<Input, Output> =
  | ((input: Input) => Output | Promise<Output>)
  | `agent:${string}`
  | Workflow<Input, Output>;

/** What every pattern can be told. */
export interface PatternOptions {
  /** Tells this use of a pattern from others in the same step. Default: the pattern's name. */
  readonly key?: string | undefined;
  /** Milliseconds that an agent may take for one turn. Default: as long as it takes. */
  readonly timeoutMs?: number | undefined;
  /**
   * What one turn of a workflow may cost. The budget of the run holds for all turns of functions and workflows together;
   * what an agent asks models for is on its own account. Default: no limit.
   */
  readonly budget?: Budget | undefined;
}

/** One turn of one member. */
export interface Turn<Input> {
  readonly key: string;
  readonly input: Input;
  readonly timeoutMs?: number | undefined;
  readonly budget?: Budget | undefined;
}

/** Lets a member take its turn; a step that is called again is given the same answer. */
export async function takeTurn<Input, Output>(
  ctx: PatternContext,
  member: Member<Input, Output>,
  { key, input, timeoutMs, budget }: Turn<Input>,
): Promise<Output> {
  if (typeof member === "function") {
    return (await ctx.once(key, () => member(input))) as Output;
  }
  if (typeof member === "string") {
    const to = member.slice("agent:".length);
    return ctx.agents.request<Output>({ to, type: "turn", payload: input }, { key, timeoutMs });
  }
  const { output } = await ctx.execute(member, input as never, { key, deadlineMs: timeoutMs, budget });
  return output;
}

/** @throws INVALID_INPUT if there is nobody of that name */
export function memberOf<M>(members: Readonly<Record<string, M>>, name: unknown, pattern: string): M {
  const member = typeof name === "string" && Object.hasOwn(members, name) ? members[name] : undefined;
  if (member === undefined) {
    const there = Object.keys(members).map((one) => `"${one}"`);
    throw new GoalpostError(
      "INVALID_INPUT",
      `${pattern}: there is no member ${JSON.stringify(name)}; there are ${there.join(", ") || "none"}`,
      { details: { member: name, members: Object.keys(members) } },
    );
  }
  return member;
}

/** @throws INVALID_INPUT if there is nobody, or the limit is no whole number ≥ 1 */
export function checkPattern(pattern: string, members: object, rounds: number): void {
  check(rounds, { what: `${pattern}: maxRounds`, least: 1, whole: true });
  if (Object.keys(members).length === 0) {
    throw new GoalpostError("INVALID_INPUT", `${pattern} needs at least one member`);
  }
}

/** Another try would go the same way: its turns are remembered. */
export function outOfRounds(pattern: string, maxRounds: number, what: string): NonRetryableError {
  return new NonRetryableError(
    `${pattern} ended without ${what} after ${maxRounds} rounds; raise maxRounds`,
    {
      details: { pattern, maxRounds },
    },
  );
}
