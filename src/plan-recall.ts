import type { Clock } from "./core/clock.ts";
import type { Driver } from "./core/driver.ts";
import type { EmbedTexts } from "./core/embedding.ts";
import { GoalpostError, isGoalpostError } from "./core/errors.ts";
import type { Goal, RecalledPlan, ReuseRule, StepInfo, TaskSpec } from "./core/goal.ts";
import type { Logger } from "./core/logger.ts";
import type { StepMap } from "./core/step.ts";
import { judgeReuse, type ReuseVerdict } from "./learn/judge-reuse.ts";
import {
  hash,
  hashesOfUsed,
  hashOfTools,
  hashSteps,
  keyOfGoal,
  type StepHashes,
  textOfGoal,
} from "./learn/plan-key.ts";
import {
  addFailure,
  addSuccess,
  addVectors,
  type EndedPlan,
  forgetOldPlans,
  forgetPlans,
  hasVector,
  type MissingVector,
  missingVectors,
  plansNear,
  plansOf,
  readEnded,
} from "./learn/plans-table.ts";
import { describeSteps } from "./plan/decompose.ts";

/** The plan of this very goal that was looked at, and what its runs say. */
export interface Weighed {
  readonly tasks: readonly TaskSpec[];
  readonly verdict: ReuseVerdict;
}

/** The embeddings of goals, until somebody chooses a model for the client: no text leaves the process for this. */
const DEFAULT_MODEL = "hash";
/** Runs whose plan waits to be kept; of a client that ends more than it can keep, some are not. */
const MAX_PENDING = 50;
/** Milliseconds between two that are kept: beside the work, not in its way. */
const GAP_MS = 20;
const FORGET_EVERY = 200;
/** Milliseconds that embedding may take: after that planning goes on without examples, and a goal is kept without its vector. */
const EMBED_MS = 10_000;
/** How a run fails that tells nothing of its plan. */
const OF_OTHERS: ReadonlySet<string> = new Set([
  "BUDGET_EXCEEDED",
  "NO_PROVIDER",
  "PROVIDER_ERROR",
  "POISON",
  "RUN_DEADLINE",
]);

/** Keeps the plans that reached their goals, and finds them again. What goes wrong here fails no run. */
export class PlanRecall {
  readonly #driver: Driver;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #keeps: boolean;
  readonly #pending = new Map<string, StepMap>();
  readonly #described = new WeakMap<StepMap, Promise<readonly StepInfo[]>>();
  #embed: EmbedTexts | undefined;
  #model = DEFAULT_MODEL;
  #keeping: Promise<void> = Promise.resolve();
  #cancelTimer: (() => void) | undefined;
  readonly #closing = new AbortController();
  #kept = 0;

  constructor(parts: { driver: Driver; clock: Clock; logger: Logger; learns: boolean }) {
    this.#driver = parts.driver;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    this.#keeps = parts.learns;
  }

  /** @param model the embedding model of the client, if one was chosen */
  embedWith(embed: EmbedTexts, model: string | undefined): void {
    this.#embed = embed;
    this.#model = model ?? DEFAULT_MODEL;
  }

  /** A run has ended whose steps these were. */
  ended(runId: string, steps: StepMap): void {
    if (!this.#keeps || this.#pending.size >= MAX_PENDING) {
      return;
    }
    this.#pending.set(runId, steps);
    this.#cancelTimer ??= this.#clock.timer(GAP_MS, () => {
      this.#cancelTimer = undefined;
      this.#keepNext();
    });
  }

  /** Keeps what is pending, and ends. */
  async flush(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    while (this.#pending.size > 0) {
      this.#keepNext();
    }
    await this.#keeping;
  }

  /** The same, without waiting for a model longer than that. @param graceMs milliseconds */
  async close(graceMs: number): Promise<void> {
    const stop = (): void =>
      this.#closing.abort(new GoalpostError("CLOSED", "the client was closed before the goal was embedded"));
    const stopTimer = graceMs > 0 ? this.#clock.timer(graceMs, stop) : stop();
    await this.flush();
    stopTimer?.();
  }

  /** @returns how many plans those were */
  async forget(): Promise<number> {
    await this.flush();
    return forgetPlans(this.#driver);
  }

  /** See {@link PlanMemory.near}. @param embed on the account of whoever plans */
  async near(
    goal: Goal,
    { steps, count, embed }: { steps: readonly StepInfo[]; count: number; embed?: EmbedTexts | undefined },
  ): Promise<readonly RecalledPlan[]> {
    const ask = embed ?? this.#embed;
    if (!ask || count === 0) {
      return [];
    }
    try {
      const known = hashSteps(steps);
      const [vector = []] = await this.#inTime(async (signal) => {
        await this.#embedMissing(known, signal);
        const asked = { model: this.#model, purpose: "similarity", signal } as const;
        return (await ask([textOfGoal(goal)], asked)).vectors;
      });
      return await plansNear(this.#driver, { model: this.#model, steps: known, vector, count });
    } catch (error) {
      this.#warn(error, "plans of earlier goals could not be recalled");
      return [];
    }
  }

  /** The plan of this very goal that went best, and whether to use it; null if there is none. Never fails. */
  async weigh(
    goal: Goal,
    { steps, rule }: { steps: readonly StepInfo[]; rule?: ReuseRule | undefined },
  ): Promise<Weighed | null> {
    try {
      const at = new Date(this.#clock.now());
      const plans = await plansOf(this.#driver, { goalKey: keyOfGoal(goal), tools: hashOfTools(steps), at });
      const weighed = plans.map(({ tasks, ...record }) => ({ tasks, verdict: judgeReuse(record, rule) }));
      return weighed.find(({ verdict }) => verdict.reuse) ?? weighed[0] ?? null;
    } catch (error) {
      this.#warn(error, "the plan of an earlier run could not be read");
      return null;
    }
  }

  #keepNext(): void {
    const [next] = this.#pending;
    if (!next) {
      return;
    }
    const [runId, steps] = next;
    this.#pending.delete(runId);
    this.#keeping = this.#keeping
      .then(() => this.#keep(runId, steps))
      .catch((error: unknown) => this.#warn(error, "the plan of a run could not be kept", runId))
      .then(() => {
        const [waiting] = this.#pending;
        if (waiting) {
          this.ended(...waiting);
        }
      });
  }

  async #keep(runId: string, steps: StepMap): Promise<void> {
    const ended = await readEnded(this.#driver, runId);
    if (!ended || ended.tasks.length === 0) {
      return;
    }
    const { goal, tasks } = ended;
    const infos = await this.#describe(steps);
    const at = new Date(this.#clock.now());
    const plan = { runId, at, goalKey: keyOfGoal(goal), tools: hashOfTools(infos), graphHash: hash(tasks) };
    if (failed(ended)) {
      await addFailure(this.#driver, plan);
      return;
    }
    const used = hashesOfUsed(tasks, hashSteps(infos));
    if (ended.status !== "completed" || !used) {
      return;
    }
    const text = textOfGoal(goal);
    const contentHash = hash(text);
    await addSuccess(this.#driver, { ...plan, contentHash, goal: goal.text, tasks, steps: used });
    if (!(await hasVector(this.#driver, this.#model, contentHash))) {
      await this.#inTime((signal) => this.#embedTexts([{ contentHash, goal: goal.text }], signal));
    }
    this.#kept += 1;
    if (this.#kept % FORGET_EVERY === 0) {
      await forgetOldPlans(this.#driver);
    }
  }

  #describe(steps: StepMap): Promise<readonly StepInfo[]> {
    const infos = this.#described.get(steps) ?? describeSteps(steps);
    this.#described.set(steps, infos);
    return infos;
  }

  /** Those of another model than today's, and of clients that ended in between. */
  async #embedMissing(steps: StepHashes, signal: AbortSignal): Promise<void> {
    const missing = await missingVectors(this.#driver, { model: this.#model, steps });
    if (missing.length > 0) {
      await this.#embedTexts(missing, signal);
    }
  }

  async #embedTexts(missing: readonly MissingVector[], signal: AbortSignal): Promise<void> {
    const texts = missing.map(({ goal }) => textOfGoal({ text: goal }));
    const asked = { model: this.#model, purpose: "similarity", signal } as const;
    const { vectors = [] } = (await this.#embed?.(texts, asked)) ?? {};
    const rows = vectors.map((vector, index) => [missing[index]?.contentHash ?? "", vector] as const);
    await addVectors(this.#driver, this.#model, rows);
  }

  /** @throws PROVIDER_ERROR when the time is up, CLOSED when the client is about to be closed */
  async #inTime<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const abort = new AbortController();
    const stopTimer = this.#clock.timer(EMBED_MS, () =>
      abort.abort(new GoalpostError("PROVIDER_ERROR", "the embedding model took too long")),
    );
    const signal = AbortSignal.any([abort.signal, this.#closing.signal]);
    const late = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
    try {
      signal.throwIfAborted();
      // What is asked on a task's account ends with the task.
      return await Promise.race([work(signal), late]);
    } finally {
      stopTimer();
    }
  }

  /** @throws what is no failure: whoever waits is unwound by it */
  #warn(error: unknown, message: string, runId?: string): void {
    const isOurs = isGoalpostError(error);
    const isOfDatabase = typeof (error as { code?: unknown } | null)?.code === "string";
    if (runId === undefined && !isOurs && !isOfDatabase) {
      throw error;
    }
    // The message of an error may quote the goal.
    const code = isOurs || isOfDatabase ? (error as { code: string }).code : (error as Error | null)?.name;
    this.#logger.warn({ ...(runId !== undefined && { runId }), code }, message);
  }
}

/** The first plan did not do it, whatever another one did. */
function failed({ status, errorCode, replanned }: EndedPlan): boolean {
  return replanned || (status === "failed" && !OF_OTHERS.has(errorCode ?? ""));
}
