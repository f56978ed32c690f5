import { GoalpostError, isGoalpostError } from "../core/errors.ts";
import {
  BY_RECALL,
  type DecomposeContext,
  type Decomposer,
  type Goal,
  type ReuseRule,
  type TaskGraph,
} from "../core/goal.ts";
import { isObject } from "../core/json.ts";
import type { LlmRequest } from "../core/llm.ts";
import { check } from "../core/policy.ts";
import { checkPlan, makeCheck } from "./check-plan.ts";
import { PlanConversation } from "./plan-conversation.ts";
import { cut, describeIssues, type PlanIssue } from "./plan-issue.ts";
import { checkPrompt, type PlanPrompt } from "./plan-prompt.ts";
import type { PlanExample } from "./prompt-facts.ts";

/** How a model plans. What is passed to the model and not named here is the request's default. */
export interface LlmDecomposerOptions
  extends Pick<
    LlmRequest,
    "model" | "provider" | "fallbacks" | "taskType" | "temperature" | "effort" | "timeoutMs" | "seed"
  > {
  /**
   * The text of a template in place of the built-in one, or a function that returns the prompt. Holes of a template are
   * {{goal}} (needed), {{context}}, {{steps}}, {{limits}}, {{examples}}, {{task}}, {{outputs}}, {{replan}},
   * {{handedOn}}, {{recalled}}, {{decompose}} and {{mark}}; a line `<!-- user -->` ends the system's part.
   */
  readonly prompt?: PlanPrompt | undefined;
  /** Times that the model is asked to mend its plan, told of everything that is wrong with it. Default 2. */
  readonly maxRepairs?: number | undefined;
  /** Plans to learn from. Default: none. */
  readonly examples?: readonly PlanExample[] | undefined;
  /**
   * Plans of earlier runs that the model is shown: so many that reached the goals nearest to this one. 0 to 20. Default 0.
   * Goals are compared by the client's embedding model, if it has one (`embed.model`), else by "hash".
   */
  readonly recall?: number | undefined;
  /**
   * True, or from when on: the plan of an earlier run of this very goal is used again as it stands, and no model is asked,
   * if what came of it speaks for that and it passes the validator. Default false.
   */
  readonly reuse?: boolean | ReuseRule | undefined;
  /** Plans when the model cannot: no usable plan after all repairs, or no model that answers. Default: none. */
  readonly fallback?: Decomposer | undefined;
  /** Tasks may start while the rest of the plan is still being written. Default true. */
  readonly stream?: boolean | undefined;
  /** Tokens that a plan may have. Default 8,192. */
  readonly maxOutputTokens?: number | undefined;
}

const DEFAULT_REPAIRS = 2;
const DEFAULT_OUTPUT_TOKENS = 8192;
const MAX_RECALLED = 20;
const ISSUES_IN_MESSAGE = 10;
const MAX_PLAN_CHARS = 4000;

/**
 * A decomposer that asks a model. Its answer is data: it is read leniently, only tasks of the steps that there are get
 * through, and what is wrong with it goes back to the model, up to `maxRepairs` times.
 * @throws INVALID_INPUT for options out of range; the decomposer throws DECOMPOSER_FAILED if there is no usable plan,
 * with `details` { plan, issues, repairs, promptSha256 }, and what ctx.llm throws
 */
export function llmDecomposer(options: LlmDecomposerOptions = {}): Decomposer {
  checkOptions(options);
  return async (goal, ctx) => {
    const known = options.reuse ? await reuse(options.reuse, ctx) : undefined;
    if (known) {
      return known;
    }
    const conversation = await PlanConversation.begin(goal, ctx, {
      prompt: options.prompt,
      examples: options.examples ?? [],
      recalled: await recall(options.recall ?? 0, ctx),
      stream: options.stream ?? true,
    });
    try {
      return await plan(conversation, ctx, options);
    } catch (error) {
      const { fallback } = options;
      // What has begun already is no part of what another decomposer plans.
      if (!fallback || conversation.handedOn.length > 0 || ctx.signal.aborted || !isForFallback(error)) {
        throw error;
      }
      ctx.log.warn({ code: error.code }, "the model made no usable plan; the fallback decomposer plans");
      return fromFallback(fallback, goal, ctx);
    }
  };
}

/** The plan of an earlier run of this goal, if it is to be used again. One that the validator refuses counts for nothing. */
async function reuse(rule: true | ReuseRule, ctx: DecomposeContext): Promise<TaskGraph | undefined> {
  if (ctx.replan || ctx.streamed) {
    return undefined;
  }
  const tasks = await ctx.memory?.same(rule === true ? {} : rule);
  const checked = tasks && (await checkPlan(tasks, await makeCheck(ctx)));
  return checked && "tasks" in checked ? { tasks: checked.tasks, origin: { by: BY_RECALL } } : undefined;
}

/** A plan that failed says more than those of other goals. */
async function recall(count: number, ctx: DecomposeContext): Promise<readonly PlanExample[]> {
  return count > 0 && !ctx.replan && ctx.memory ? ctx.memory.near(count) : [];
}

async function plan(
  conversation: PlanConversation,
  ctx: DecomposeContext,
  options: LlmDecomposerOptions,
): Promise<TaskGraph> {
  const { maxRepairs = DEFAULT_REPAIRS } = options;
  for (let repairs = 0; ; repairs++) {
    ctx.signal.throwIfAborted();
    const answer = await conversation.ask(toRequest(options));
    if ("tasks" in answer) {
      const { model } = answer;
      const { sha256: promptSha256 } = conversation;
      return { tasks: answer.tasks, origin: { by: "llm", ...(model && { model }), promptSha256, repairs } };
    }
    ctx.log.warn({ repairs, issues: answer.issues.length }, "a plan of the model cannot be used");
    if (repairs >= maxRepairs) {
      throw failure(answer, { repairs, promptSha256: conversation.sha256 });
    }
    conversation.askForRepair(answer.issues);
  }
}

function toRequest(options: LlmDecomposerOptions): Omit<LlmRequest, "messages"> {
  const { model = "auto", taskType = "decomposition", maxOutputTokens = DEFAULT_OUTPUT_TOKENS } = options;
  const { provider, fallbacks, temperature, effort, timeoutMs, seed } = options;
  return {
    model,
    taskType,
    maxOutputTokens,
    ...(provider !== undefined && { provider }),
    ...(fallbacks !== undefined && { fallbacks }),
    ...(temperature !== undefined && { temperature }),
    ...(effort !== undefined && { effort }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(seed !== undefined && { seed }),
  };
}

function failure(
  answer: { readonly issues: readonly PlanIssue[]; readonly text: string },
  facts: { readonly repairs: number; readonly promptSha256: string },
): GoalpostError {
  const { issues, text } = answer;
  const turns = facts.repairs === 1 ? "1 repair" : `${facts.repairs} repairs`;
  return new GoalpostError(
    "DECOMPOSER_FAILED",
    `the model made no usable plan, after ${turns}; the last one has these problems:\n${describeIssues(issues, ISSUES_IN_MESSAGE)}\n` +
      "Try a stronger model, describe the steps better, or give a fallback decomposer.",
    // The same answers would be remembered, and fail again.
    { retryable: false, details: { plan: cut(text, MAX_PLAN_CHARS), issues, ...facts } },
  );
}

function isForFallback(error: unknown): error is GoalpostError {
  return (
    isGoalpostError(error) && ["DECOMPOSER_FAILED", "NO_PROVIDER", "PROVIDER_ERROR"].includes(error.code)
  );
}

async function fromFallback(fallback: Decomposer, goal: Goal, ctx: DecomposeContext): Promise<TaskGraph> {
  const made: unknown = await fallback(goal, ctx);
  if (isObject(made)) {
    return { origin: { by: "fallback" }, ...made } as unknown as TaskGraph;
  }
  return Array.isArray(made) ? { tasks: made, origin: { by: "fallback" } } : (made as TaskGraph);
}

function checkOptions(options: LlmDecomposerOptions): void {
  check(options.maxRepairs, { what: "llmDecomposer: maxRepairs", least: 0, most: 10, whole: true });
  check(options.recall, { what: "llmDecomposer: recall", least: 0, most: MAX_RECALLED, whole: true });
  checkReuse(options.reuse);
  check(options.maxOutputTokens, { what: "llmDecomposer: maxOutputTokens", least: 1, whole: true });
  check(options.temperature, { what: "llmDecomposer: temperature", least: 0 });
  check(options.timeoutMs, { what: "llmDecomposer: timeoutMs", least: 1 });
  checkPrompt(options.prompt);
  const { fallback, stream, examples } = options;
  refuseUnless(fallback === undefined || typeof fallback === "function", "fallback must be a decomposer");
  refuseUnless(stream === undefined || typeof stream === "boolean", "stream must be true or false");
  for (const name of ["model", "provider", "taskType"] as const) {
    const value: unknown = options[name];
    refuseUnless(
      value === undefined || (typeof value === "string" && value !== ""),
      `${name} must be a name`,
    );
  }
  const fit =
    examples === undefined ||
    (Array.isArray(examples) &&
      examples.every(
        (one: unknown) => isObject(one) && typeof one.goal === "string" && Array.isArray(one.tasks),
      ));
  refuseUnless(fit, "examples must be a list of { goal, tasks }");
}

function checkReuse(reuse: unknown): void {
  refuseUnless(
    reuse === undefined || typeof reuse === "boolean" || isObject(reuse),
    "reuse must be true, false or { least, maxAgeMs }",
  );
  const { least, maxAgeMs } = isObject(reuse) ? (reuse as ReuseRule) : {};
  check(least, { what: "llmDecomposer: reuse.least", least: 0, most: 1 });
  check(maxAgeMs, { what: "llmDecomposer: reuse.maxAgeMs", least: 0 });
}

function refuseUnless(fits: boolean, rule: string): void {
  if (!fits) {
    throw new GoalpostError("INVALID_INPUT", `llmDecomposer: ${rule}`);
  }
}
