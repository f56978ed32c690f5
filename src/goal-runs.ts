import { v7 as newId } from "uuid";
import {
  askDecomposer,
  DEFAULT_PLAN_TIMEOUT_MS,
  type GoalCode,
  type GoalSettings,
  type StoredGoal,
  toGoal,
} from "./ask-decomposer.ts";
import type { CodeRegistry } from "./code-registry.ts";
import { GOAL_WORKFLOW } from "./code-registry.ts";
import type { AgentPort } from "./core/agent.ts";
import type { Clock } from "./core/clock.ts";
import type { Driver } from "./core/driver.ts";
import { GoalpostError } from "./core/errors.ts";
import type {
  DecomposeContext,
  Decomposer,
  Goal,
  PlanMemory,
  StepInfo,
  TaskGraph,
  TaskSpec,
  ValidTaskGraph,
} from "./core/goal.ts";
import type { Json } from "./core/json.ts";
import type { Logger } from "./core/logger.ts";
import type { OptimizeLevel } from "./core/optimizer.ts";
import { shapeToRows } from "./core/shape.ts";
import type { StepMap } from "./core/step.ts";
import { toTree } from "./core/task-tree.ts";
import type { FinishedRun, StartRow } from "./engine/protocol.ts";
import type { Worker } from "./engine/worker.ts";
import type { Learning } from "./learning.ts";
import type { LlmClient } from "./llm-client.ts";
import {
  checkGoalOptions,
  type GoalOptions,
  type GraphOptions,
  hashGoal,
  inputToJson,
  readGoal,
  toStartFields,
} from "./options.ts";
import { planShape } from "./plan/compile.ts";
import { validate } from "./plan/validate.ts";
import type { RunPlaces } from "./run-place.ts";
import { type GoalHandle, type GoalResult, tasksOf, throwUnlessCompleted } from "./run-result.ts";
import type { RunStarter } from "./run-starter.ts";
import type { RunWatch } from "./run-watch.ts";
import type { Runs } from "./runs.ts";
import { agentSteps } from "./step-agents.ts";
import { getGraph } from "./store/plan-versions.ts";
import { savePlan } from "./store/plans.ts";
import { retryRun } from "./store/run-actions.ts";
import { getRun, lastRunOfGoal } from "./store/runs.ts";
import { getOutputs } from "./store/task-rows.ts";
import type { TakeOver } from "./take-over.ts";
import { plainMemory } from "./task-memory.ts";
import { usageOf } from "./usage.ts";

/** The reason that marks a run as one to go on with. */
export const INTERRUPTED = "interrupted";

export interface GoalRunsOptions {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: CodeRegistry;
  readonly agents: AgentPort;
  readonly watch: RunWatch;
  readonly runs: Runs;
  readonly worker: Worker;
  readonly starter: RunStarter;
  readonly takeOver: TakeOver;
  readonly workerId: string;
  readonly lane: string;
  readonly places: RunPlaces;
  readonly models: LlmClient;
  readonly learning: Learning;
  /** Tasks carried out at once; 0 if this client carries nothing out. */
  readonly concurrency: number;
}

interface GoalStart {
  readonly decomposer: Decomposer | undefined;
  readonly steps: StepMap | undefined;
  readonly options: GoalOptions;
  readonly graph: readonly TaskSpec[] | null;
}

/** Starts, plans and resumes the runs of goals. */
export class GoalRuns {
  readonly #o: GoalRunsOptions;

  constructor(options: GoalRunsOptions) {
    this.#o = options;
  }

  async start(given: string | Goal, start: GoalStart): Promise<GoalHandle> {
    const { decomposer, steps, options, graph } = start;
    if (options.resume) {
      const goal = readGoal(given);
      checkGoalOptions(options);
      const resumed = await this.#resume(goal, this.#code(decomposer, steps, graph === null));
      if (resumed) {
        return resumed;
      }
    }
    const runId = newId();
    const row = await this.#row(runId, given, start);
    const started = await this.#o.starter.start(row, { goal: this.#code(decomposer, steps, graph === null) });
    return this.#handle(started.runId, { attached: started.attached, resumed: null });
  }

  /** Makes a run and binds its code; it is not stored. @throws INVALID_INPUT */
  async prepare(runId: string, given: string | Goal, start: GoalStart): Promise<StartRow> {
    const row = await this.#row(runId, given, start);
    const { decomposer, steps, graph } = start;
    this.#o.registry.bind(runId, { goal: this.#code(decomposer, steps, graph === null) }, row);
    return row;
  }

  async #row(runId: string, given: string | Goal, start: GoalStart): Promise<StartRow> {
    const { decomposer, steps, options, graph } = start;
    const goal = readGoal(given);
    const limits = checkGoalOptions(options);
    this.#code(decomposer, steps, graph === null || options.replan !== undefined);
    const input: StoredGoal = {
      goal: goal.text,
      ...(goal.context !== undefined && { context: goal.context }),
    };
    const settings: GoalSettings = {
      limits,
      graph,
      ...(options.approvePlan && { approvePlan: true }),
      ...(options.optimize && { optimize: options.optimize, slots: this.#slots(options.maxParallel) }),
    };
    const timeoutMs = options.planTimeoutMs ?? DEFAULT_PLAN_TIMEOUT_MS;
    const keyDelayMs = graph ? await this.#keyDelayMs(graph, options.optimize) : 0;
    const shape = planShape({ timeoutMs }, options.replan?.max);
    return {
      ...toStartFields(options),
      ...(await this.#o.places.of(options, shape)),
      keyDelayMs,
      id: runId,
      definitionId: null,
      workflow: GOAL_WORKFLOW,
      source: "planned",
      owner: this.#o.workerId,
      inputHash: hashGoal(goal),
      input: inputToJson(input, "the goal is"),
      settings: settings as unknown as Json,
      shape: JSON.stringify(shapeToRows(shape)),
      traced: options.events ?? true,
    };
  }

  /** Others may carry out a part of a distributed run: how many there are is not known when it starts. */
  #slots(maxParallel: number = this.#o.concurrency): number {
    return Math.max(1, Math.min(maxParallel, this.#o.concurrency || maxParallel));
  }

  /** Half of the work that a graph is expected to be: by that, short runs pass long ones. Fixed when it starts. */
  async #keyDelayMs(tasks: readonly TaskSpec[], optimize: OptimizeLevel = "basic"): Promise<number> {
    if (optimize === "basic") {
      return 0;
    }
    const work = this.#o.learning.workOf(toTree(tasks).tasks.map(({ spec }) => spec.step ?? spec.id));
    return (await work) / 2;
  }

  async startGraph(
    graph: TaskGraph | readonly TaskSpec[],
    { steps, options }: { steps: StepMap | undefined; options: GraphOptions },
  ): Promise<GoalHandle> {
    const limits = checkGoalOptions(options);
    const code = this.#o.registry.goalCode(undefined, steps);
    const agents = await agentSteps(this.#o.agents);
    const valid = await validate(tasksOf(graph), { steps: { ...agents.steps, ...code.steps }, limits });
    const goal = options.goal ?? valid.tasks.map((task) => task.description).join("; ");
    return this.start(goal, { decomposer: undefined, steps, options, graph: valid.tasks });
  }

  async plan(
    given: string | Goal,
    { decomposer, steps, options }: Omit<GoalStart, "graph">,
  ): Promise<ValidTaskGraph> {
    const goal = readGoal(given);
    const limits = checkGoalOptions(options);
    const code = this.#code(decomposer, steps, true);
    const timeoutMs = options.planTimeoutMs ?? DEFAULT_PLAN_TIMEOUT_MS;
    const timeout = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, timeout.signal]) : timeout.signal;
    const stopTimer = this.#o.clock.timer(timeoutMs, () =>
      timeout.abort(
        new GoalpostError(
          "DECOMPOSER_FAILED",
          `the decomposer did not return within ${timeoutMs} ms; raise planTimeoutMs`,
        ),
      ),
    );
    try {
      signal.throwIfAborted();
      const llm: DecomposeContext["llm"] = (request) =>
        this.#o.models.ask(request, { signal, workflow: GOAL_WORKFLOW, labels: options.labels });
      const agents = await agentSteps(this.#o.agents);
      const log = this.#o.logger;
      const memory = (known: readonly StepInfo[]): PlanMemory =>
        plainMemory(this.#o.learning.plans, { goal, steps: known });
      const asked = askDecomposer(code, { goal, limits, signal, log, llm, memory, agents: agents.infos });
      const { tasks, origin } = await rejectOnAbort(asked, signal);
      // Without any steps registered or given, a plan is checked as a plan only.
      const known =
        steps || Object.keys(code.steps).length > 0 ? { ...agents.steps, ...code.steps } : undefined;
      const valid = await validate(tasks, { steps: known, limits });
      const graph = origin ? { ...valid, origin } : valid;
      await savePlan(this.#o.driver, { id: newId(), goal, graph });
      return graph;
    } finally {
      stopTimer();
    }
  }

  #code(decomposer: Decomposer | undefined, steps: StepMap | undefined, needed: boolean): GoalCode {
    const code = this.#o.registry.goalCode(decomposer, steps);
    if (needed && typeof code.decomposer !== "function") {
      throw new GoalpostError(
        "INVALID_INPUT",
        "there is no decomposer: give a function of (goal, ctx) that returns tasks, rules([...]), or register an app that has one",
      );
    }
    return code;
  }

  async #resume(goal: Goal, code: GoalCode): Promise<GoalHandle | undefined> {
    if (this.#o.concurrency === 0) {
      throw new GoalpostError(
        "INVALID_INPUT",
        "resume takes a run over to carry it out; this client has no workers",
      );
    }
    const last = await lastRunOfGoal(this.#o.driver, hashGoal(goal));
    if (!last) {
      return undefined;
    }
    if (last.finishedAt === null) {
      this.#o.registry.bind(last.id, { goal: code });
      await this.#o.takeOver.follow(last.id, { goal: code });
      return this.#handle(last.id, { attached: true, resumed: "taken over" });
    }
    if (last.status !== "cancelled" || last.error?.message !== INTERRUPTED) {
      return undefined;
    }
    return this.#continue(last.id, code);
  }

  /** Retries an interrupted run; if another process was first, its run is waited for, and taken over if it dies. */
  async #continue(last: string, code: GoalCode): Promise<GoalHandle | undefined> {
    const { driver, registry, worker, takeOver, workerId, lane } = this.#o;
    const wanted = newId();
    registry.bind(wanted, { goal: code });
    const by = { newId: wanted, worker: workerId, lane, resetAll: false };
    const runId = await retryRun(driver, last, by);
    if (runId !== wanted) {
      registry.release(wanted);
    }
    if (runId === undefined) {
      return undefined;
    }
    if (runId === wanted) {
      worker.wake();
    } else {
      await takeOver.follow(runId, { goal: code });
    }
    return this.#handle(runId, { attached: runId !== wanted, resumed: "continued" });
  }

  #handle(runId: string, how: Pick<GoalHandle, "attached" | "resumed">): GoalHandle {
    const { watch, runs } = this.#o;
    return {
      runId,
      ...how,
      result: async (wait) => this.toResult(await watch.waitFor(runId, wait)),
      progress: () => runs.progress(runId),
      events: (from) => runs.events(runId, from),
      cancel: (reason) => runs.cancel(runId, { reason }),
    };
  }

  /** @throws RunFailedError unless the run completed */
  async toResult(finished: FinishedRun): Promise<GoalResult> {
    throwUnlessCompleted(finished);
    const { driver } = this.#o;
    const run = await getRun(driver, finished.id);
    return {
      runId: run.id,
      status: "completed",
      goal: toGoal(run.input),
      graph: (await getGraph(driver, run.id)) as unknown as ValidTaskGraph,
      outputs: await getOutputs(driver, run.id),
      output: run.output as Record<string, Json>,
      usage: await usageOf(driver, finished),
      durationMs: (run.finishedAt?.getTime() ?? 0) - run.createdAt.getTime(),
    };
  }
}

function rejectOnAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
