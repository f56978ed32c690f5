import { type GoalpostError, isGoalpostError } from "../core/errors.ts";
import type { DecomposeContext, Goal, TaskSpec } from "../core/goal.ts";
import type { LlmMessage, LlmRequest, LlmResult } from "../core/llm.ts";
import { toTree } from "../core/task-tree.ts";
import { checkPlan, makeCheck, type PlanCheck } from "./check-plan.ts";
import { cut, describeIssues, type PlanIssue } from "./plan-issue.ts";
import { readPlanText } from "./plan-json.ts";
import { type PlanPrompt, renderPrompt } from "./plan-prompt.ts";
import { makePlanSchema, type PlanSchema } from "./plan-schema.ts";
import { PlanStream } from "./plan-stream.ts";
import { type PlanPlaceInfo, toSpecs } from "./plan-tasks.ts";
import { describeHandedOn, type PlanExample } from "./prompt-facts.ts";

export interface ConversationOptions {
  readonly prompt: PlanPrompt | undefined;
  readonly examples: readonly PlanExample[];
  readonly recalled: readonly PlanExample[];
  readonly stream: boolean;
}

/** A plan without a fault, or what is wrong with the answer. */
export type PlanAnswer =
  | { readonly tasks: readonly TaskSpec[]; readonly model: string | undefined }
  | { readonly issues: readonly PlanIssue[]; readonly text: string };

/** What a model answered, whatever it was. */
interface Said {
  readonly text: string;
  readonly messages: readonly LlmMessage[];
  readonly model: string | undefined;
  /** Why it is no plan, if the model or the provider says so. */
  readonly issue: PlanIssue | undefined;
}

interface Parts {
  readonly ctx: DecomposeContext;
  readonly messages: readonly LlmMessage[];
  readonly sha256: string;
  readonly plan: PlanSchema;
  readonly check: PlanCheck;
  readonly place: PlanPlaceInfo;
  readonly stream: PlanStream;
}

/** A longer answer is not repeated whole in the turn that asks to mend it. */
const MAX_REPEATED_CHARS = 100_000;

/** Asks a model for a plan, and again for a better one. */
export class PlanConversation {
  readonly #p: Parts;
  #messages: readonly LlmMessage[];

  private constructor(parts: Parts) {
    this.#p = parts;
    this.#messages = parts.messages;
  }

  static async begin(
    goal: Goal,
    ctx: DecomposeContext,
    options: ConversationOptions,
  ): Promise<PlanConversation> {
    const canDecompose = ctx.depth + 2 <= ctx.limits.maxDepth;
    const plan = await makePlanSchema(ctx.steps, canDecompose);
    const { messages, sha256 } = await renderPrompt(goal, ctx, {
      prompt: options.prompt,
      examples: options.examples,
      recalled: options.recalled,
      typed: plan.typed,
      canDecompose,
    });
    const check = await makeCheck(ctx);
    const place = placeOf(ctx);
    const streaming = options.stream ? ctx : { ...ctx, stream: undefined };
    const stream = new PlanStream({ ctx: streaming, check, place });
    return new PlanConversation({ ctx, messages, sha256, plan, check, place, stream });
  }

  /** Of the template that the prompt was made from. */
  get sha256(): string {
    return this.#p.sha256;
  }

  /** Tasks that may have begun. */
  get handedOn(): readonly TaskSpec[] {
    return this.#p.stream.handedOn;
  }

  async ask(request: Omit<LlmRequest, "messages">): Promise<PlanAnswer> {
    const { ctx, plan, stream } = this.#p;
    const onText = stream.listen();
    let said: Said;
    try {
      const result = await ctx.llm({
        ...request,
        messages: this.#messages,
        schema: plan.schema,
        // What does not fit the schema may fit ours, and the validator's messages say more.
        maxRepairs: 0,
        ...(onText && { onText }),
      });
      said = fromResult(result);
    } catch (error) {
      said = fromError(error);
    } finally {
      await stream.settle();
    }
    this.#messages = [...this.#messages, ...said.messages];
    const answer = said.issue ? { issues: [said.issue] } : await this.#read(said.text);
    return "tasks" in answer ? { ...answer, model: said.model } : { ...answer, text: said.text };
  }

  /** Adds the turn that tells the model of everything that is wrong. */
  askForRepair(issues: readonly PlanIssue[]): void {
    const fixed = describeHandedOn(this.handedOn, this.#p.plan.typed);
    const content =
      `This plan cannot be used:\n${describeIssues(issues)}\n\n` +
      `${fixed && `${fixed}\n\n`}Answer with the whole plan again, mended, as one JSON object and nothing else.`;
    this.#messages = [...this.#messages, { role: "user", content }];
  }

  async #read(text: string): Promise<{ tasks: readonly TaskSpec[] } | { issues: readonly PlanIssue[] }> {
    const { ctx, check, place, stream } = this.#p;
    const read = await readPlanText(text);
    if ("issue" in read) {
      return { issues: [read.issue] };
    }
    const fromZero = /<[A-Za-z]+-0>/.test(text);
    const { tasks, issues } = toSpecs(read.tasks, { ...place, names: { ...place.names, fromZero } });
    const { kept, missing } = keep(tasks, stream.handedOn);
    const checked = await checkPlan(kept, check);
    const all = [
      ...issues,
      ...missing,
      ...stream.takeRefusals(),
      ...("issues" in checked ? checked.issues : []),
    ];
    ctx.signal.throwIfAborted();
    return "tasks" in checked && all.length === 0 ? { tasks: checked.tasks } : { issues: all };
  }
}

/** Tasks that were handed on are what they were then; those that an answer leaves out are missing. */
function keep(
  tasks: readonly unknown[],
  handedOn: readonly TaskSpec[],
): { readonly kept: readonly unknown[]; readonly missing: readonly PlanIssue[] } {
  const fixed = new Map(handedOn.map((task) => [task.id, task]));
  const idOf = (task: unknown): string => (task as TaskSpec | null)?.id ?? "";
  const there = new Set(tasks.map(idOf));
  return {
    kept: tasks.map((task) => fixed.get(idOf(task)) ?? task),
    missing: handedOn
      .filter((task) => !there.has(task.id))
      .map(({ id }) => ({
        code: "INVALID_TASK",
        message: `task "${id}" has begun already and is missing; it must be in the plan as it was`,
        taskId: id,
      })),
  };
}

function placeOf(ctx: DecomposeContext): PlanPlaceInfo {
  const { replan, task } = ctx;
  const finished = new Set([...Object.keys(ctx.outputs), ...Object.keys(replan?.completed ?? {})]);
  const used = new Set(toTree(replan?.tasks ?? []).tasks.map(({ spec }) => spec.id));
  return {
    steps: ctx.steps,
    names: {
      prefix: task?.id,
      finished,
      ...(replan && { used, suffix: `.v${replan.version}` }),
      positions: true,
    },
  };
}

function fromResult(result: LlmResult): Said {
  const { response, finishReason, messages, model } = result;
  const text = response === "" && result.parsed ? JSON.stringify(result.parsed) : response;
  const reason = finishReason === "stop" || finishReason === "tool_calls" ? undefined : finishReason;
  return { text, messages: shorten(messages, text), model, issue: reason && ISSUES[reason] };
}

/** An answer that does not fit the schema is one all the same; anything else is the caller's. */
function fromError(error: unknown): Said {
  if (!isGoalpostError(error) || (error.code !== "RESPONSE_INVALID" && error.code !== "RESPONSE_REFUSED")) {
    throw error;
  }
  const { response, finishReason, model } = (error as GoalpostError).details ?? {};
  const text = typeof response === "string" ? response : "";
  const refused = error.code === "RESPONSE_REFUSED";
  const cutOff = finishReason === "length";
  return {
    text,
    messages: shorten([], text),
    model: typeof model === "string" ? model : undefined,
    issue: refused ? ISSUES.refusal : cutOff ? ISSUES.length : undefined,
  };
}

const ISSUES: Readonly<Record<"length" | "refusal" | "content_filter", PlanIssue>> = {
  length: {
    code: "TRUNCATED",
    message: "the answer was cut off at its limit of tokens; plan with fewer tasks and shorter texts",
  },
  refusal: { code: "REFUSED", message: "the answer is a refusal and no plan" },
  content_filter: { code: "REFUSED", message: "the answer was withheld by the provider's filter" },
};

/** The model's turn, for the turns behind it; a provider's own form is kept only with the whole text. */
function shorten(messages: readonly LlmMessage[], text: string): readonly LlmMessage[] {
  if (messages.length > 0 && text.length <= MAX_REPEATED_CHARS) {
    return messages;
  }
  return [{ role: "assistant", content: cut(text, MAX_REPEATED_CHARS) || "(nothing)" }];
}
