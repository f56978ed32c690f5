import {
  BY_RECALL,
  type Goal,
  type PlanMemory,
  type PlanOrigin,
  type RecalledPlan,
  type ReuseRule,
  type StepInfo,
  type TaskSpec,
} from "./core/goal.ts";
import type { Json } from "./core/json.ts";
import type { Decision } from "./core/optimizer.ts";
import type { TaskCall } from "./engine/code.ts";
import { reuseDecision } from "./learn/judge-reuse.ts";
import type { PlanRecall, Weighed } from "./plan-recall.ts";
import { taskEmbedTexts } from "./task-embed.ts";

/** Keys of what is remembered: no name begins like that. */
const PREFIX = "/recall/";

export interface Planned {
  readonly goal: Goal;
  readonly steps: readonly StepInfo[];
}

/** What earlier runs left for a goal that is planned in a task: on its account, and the same if it is tried again. */
export class TaskMemory implements PlanMemory {
  readonly #plans: PlanRecall;
  readonly #call: TaskCall;
  readonly #planned: Planned;
  #weighed: Weighed | null = null;

  constructor(plans: PlanRecall, call: TaskCall, planned: Planned) {
    this.#plans = plans;
    this.#call = call;
    this.#planned = planned;
  }

  /** Other examples would make another prompt, and what a model answered to that is not known yet. */
  async near(count: number): Promise<readonly RecalledPlan[]> {
    const key = `${PREFIX}${count}`;
    const { goal, steps } = this.#planned;
    const embed = taskEmbedTexts(this.#call);
    const kept = this.#call.recall(key) ?? (await this.#plans.near(goal, { steps, count, embed }));
    return (await this.#call.once(key, () => kept)) as unknown as readonly RecalledPlan[] & Json;
  }

  async same(rule?: ReuseRule): Promise<readonly TaskSpec[] | null> {
    const { goal, steps } = this.#planned;
    this.#weighed = await this.#plans.weigh(goal, { steps, rule });
    return this.#weighed?.verdict.reuse ? this.#weighed.tasks : null;
  }

  /** What was decided about an earlier plan; undefined if there was none, or nobody asked. */
  decision(tasks: readonly string[], origin: PlanOrigin | undefined): Decision | undefined {
    return this.#weighed ? reuseDecision(this.#weighed.verdict, tasks, origin?.by === BY_RECALL) : undefined;
  }
}

/** The same for a goal that is planned outside of tasks. */
export function plainMemory(plans: PlanRecall, { goal, steps }: Planned): PlanMemory {
  return {
    near: (count) => plans.near(goal, { steps, count }),
    same: async (rule) => {
      const weighed = await plans.weigh(goal, { steps, rule });
      return weighed?.verdict.reuse ? weighed.tasks : null;
    },
  };
}
