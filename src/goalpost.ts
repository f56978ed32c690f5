import { hostname } from "node:os";
import { v7 as newId } from "uuid";
import { CodeRegistry } from "./code-registry.ts";
import type { App } from "./core/app.ts";
import type { Clock } from "./core/clock.ts";
import type { Driver } from "./core/driver.ts";
import { GoalpostError, isGoalpostError } from "./core/errors.ts";
import type { FlowFunctions, FlowRef } from "./core/flow.ts";
import type { Decomposer, Goal, TaskGraph, TaskSpec, ValidTaskGraph } from "./core/goal.ts";
import type { Logger } from "./core/logger.ts";
import { check } from "./core/policy.ts";
import type { StepMap } from "./core/step.ts";
import { NO_USAGE } from "./core/usage.ts";
import type { Workflow } from "./core/workflow.ts";
import type { FinishedRun } from "./engine/protocol.ts";
import { systemClock } from "./engine/system-clock.ts";
import { Worker } from "./engine/worker.ts";
import { databaseFromEnvironment, VERSION } from "./environment.ts";
import { FlowRuns } from "./flow-runs.ts";
import { Flows } from "./flows.ts";
import { GoalRuns } from "./goal-runs.ts";
import type { OpenOptions } from "./open-options.ts";
import {
  type ComposeOptions,
  checkGoalOptions,
  type GoalOptions,
  type GraphOptions,
  readGoal,
  type StartOptions,
} from "./options.ts";
import {
  type ComposedResult,
  type FlowResult,
  type GoalHandle,
  type GoalResult,
  type RunHandle,
  type RunResult,
  throwUnlessCompleted,
} from "./run-result.ts";
import { RunWatch } from "./run-watch.ts";
import { Runs } from "./runs.ts";
import { migrate } from "./store/migrate.ts";
import { openDriver } from "./store/open-driver.ts";
import { retryRun } from "./store/runs.ts";
import { Sweeper, sayGoodbye, takeAllForLost } from "./sweeper.ts";
import { stderrLogger } from "./telemetry/stderr-logger.ts";
import { WorkflowRuns } from "./workflow-runs.ts";

const DEFAULT_CONCURRENCY = 10;
const DEFAULT_MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
const DEFAULT_GRACE_MS = 10_000;

interface Parts {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly name: string;
  readonly concurrency: number;
  readonly maxOutputBytes: number;
}

/** A client: one database, one local worker. Made by {@link Goalpost.open}. */
export class Goalpost implements AsyncDisposable {
  /** What this process is called in lists. */
  readonly instanceId: string;
  readonly runs: Runs;
  readonly flows: Flows;
  readonly #parts: Parts;
  readonly #workerId: string = newId();
  readonly #worker: Worker;
  readonly #registry = new CodeRegistry();
  readonly #watch: RunWatch;
  readonly #goals: GoalRuns;
  readonly #workflows: WorkflowRuns;
  readonly #flowRuns: FlowRuns;
  #sweeper: Sweeper | undefined;
  #unlisten: (() => Promise<void>) | undefined;
  #closing: Promise<void> | undefined;

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.instanceId = parts.name;
    this.#watch = new RunWatch(parts.driver, parts.clock, parts.logger);
    this.#worker = new Worker({
      ...parts,
      id: this.#workerId,
      lanes: [this.#lane],
      findCode: (run, definition, node) => this.#registry.find(run, definition, node),
      about: { name: parts.name, host: hostname(), pid: process.pid, version: VERSION },
      onFinished: (run) => this.#finished(run),
    });
    this.runs = new Runs(parts.driver, this.#watch, {
      cancelled: (runId) => this.#abort(runId),
      wake: () => this.#worker.wake(),
      retry: (runId) => this.#retry(runId),
    });
    this.flows = new Flows(parts.driver, this.runs);
    this.#flowRuns = new FlowRuns(parts.driver);
    const starting = {
      ...parts,
      registry: this.#registry,
      watch: this.#watch,
      runs: this.runs,
      worker: this.#worker,
      workerId: this.#workerId,
      lane: this.#lane,
    };
    this.#goals = new GoalRuns(starting);
    this.#workflows = new WorkflowRuns(starting);
  }

  /**
   * Opens a database, brings its schema up to date and starts the local worker.
   * @throws INVALID_INPUT, DATABASE_BUSY, DATABASE_UNAVAILABLE, DATABASE_AHEAD
   */
  static async open(options: OpenOptions = {}): Promise<Goalpost> {
    const workers = options.workers === false ? { concurrency: 0, start: false } : (options.workers ?? {});
    check(workers.concurrency, { what: "workers.concurrency", least: 0, whole: true });
    check(workers.maxOutputBytes, { what: "workers.maxOutputBytes", least: 1, whole: true });
    const logger = options.logger ?? stderrLogger;
    const { driver, exclusive } = await openDriver(options.database ?? databaseFromEnvironment(), logger);
    let gp: Goalpost | undefined;
    try {
      await migrate(driver);
      if (exclusive) {
        await takeAllForLost(driver);
      }
      gp = new Goalpost({
        driver,
        logger,
        clock: options.clock ?? systemClock,
        name: options.instanceId ?? `${hostname()}:${process.pid}`,
        concurrency: workers.concurrency ?? DEFAULT_CONCURRENCY,
        maxOutputBytes: workers.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES,
      });
      if (workers.start !== false) {
        gp.#worker.start();
        await gp.#attend();
      }
      return gp;
    } catch (error) {
      await (gp ? gp.close({ graceMs: 0 }) : driver.close());
      throw error;
    }
  }

  /** Adds an app's steps, decomposer and workflows. @throws INVALID_INPUT if another function has a name already */
  register(app: App): void {
    this.#registry.register(app);
  }

  /** Starts a run of a workflow and waits for its end. @throws RunFailedError, INVALID_INPUT */
  async execute<I, O>(
    workflow: Workflow<I, O>,
    input: NoInfer<I>,
    options: StartOptions = {},
  ): Promise<RunResult<O>> {
    options.signal?.throwIfAborted();
    const runId = newId();
    const stopWaiting = new AbortController();
    const ended = this.#watch.wait(runId, { signal: stopWaiting.signal });
    // The start may fail first; then nobody looks at the waiting.
    ended.catch(() => undefined);
    try {
      await this.#workflows.start(workflow, input, { ...options, runId });
      this.#watch.stored(runId);
    } catch (error) {
      stopWaiting.abort();
      throw error;
    }
    const stopListening = this.#cancelOnAbort(runId, options.signal);
    try {
      return toRunResult<O>(await ended);
    } finally {
      stopListening();
    }
  }

  /** Starts a run of a workflow; returns once it is stored. @throws INVALID_INPUT */
  async start<I, O>(
    workflow: Workflow<I, O>,
    input: NoInfer<I>,
    options: StartOptions = {},
  ): Promise<RunHandle<RunResult<O>>> {
    const runId = newId();
    await this.#workflows.start(workflow, input, { ...options, runId });
    return {
      runId,
      result: async (wait) => toRunResult<O>(await this.#watch.waitFor(runId, wait)),
      progress: () => this.runs.progress(runId),
      cancel: (reason) => this.runs.cancel(runId, { reason }),
    };
  }

  /**
   * Starts a run of a flow, made with `gp.flows`, as it is now, and waits for its end.
   * @param steps what carries out each step of the flow, by its name
   * @throws FLOW_NOT_FOUND, RunFailedError; INVALID_INPUT if a function is missing, before anything is stored
   */
  // biome-ignore lint/complexity/useMaxParams: the call of the README.
  async executeDynamic(
    flow: FlowRef,
    input: unknown,
    steps: FlowFunctions,
    options: StartOptions = {},
  ): Promise<FlowResult> {
    const prepared = await this.#flowRuns.prepare(flow, steps, options);
    return this.execute(prepared.workflow, input, prepared.options);
  }

  /** Starts a run of a flow; returns once it is stored. @throws FLOW_NOT_FOUND, INVALID_INPUT */
  // biome-ignore lint/complexity/useMaxParams: like executeDynamic.
  async startDynamic(
    flow: FlowRef,
    input: unknown,
    steps: FlowFunctions,
    options: StartOptions = {},
  ): Promise<RunHandle<FlowResult>> {
    const prepared = await this.#flowRuns.prepare(flow, steps, options);
    return this.start(prepared.workflow, input, prepared.options);
  }

  /** Plans a goal, runs it and waits for its end. @throws RunFailedError, INVALID_INPUT */
  // biome-ignore lint/complexity/useMaxParams: the call of the README.
  async executeGoal(
    goal: string | Goal,
    decomposer?: Decomposer,
    steps?: StepMap,
    options: GoalOptions = {},
  ): Promise<GoalResult> {
    return this.#untilEnd(await this.startGoal(goal, decomposer, steps, options), options);
  }

  /** Starts to plan and run a goal; returns once the run is stored. @throws INVALID_INPUT */
  // biome-ignore lint/complexity/useMaxParams: the call of the README.
  startGoal(
    goal: string | Goal,
    decomposer?: Decomposer,
    steps?: StepMap,
    options: GoalOptions = {},
  ): Promise<GoalHandle> {
    return this.#goals.start(goal, { decomposer, steps, options, graph: null });
  }

  /**
   * Plans a goal and keeps the graph; runs nothing.
   * @throws DECOMPOSER_FAILED, InvalidGraphError, INVALID_INPUT
   */
  // biome-ignore lint/complexity/useMaxParams: the call of the README.
  decomposeGoal(
    goal: string | Goal,
    decomposer?: Decomposer,
    steps?: StepMap,
    options: GoalOptions = {},
  ): Promise<ValidTaskGraph> {
    return this.#goals.plan(goal, { decomposer, steps, options });
  }

  /** Runs a graph that was made before and waits for its end. @throws InvalidGraphError, RunFailedError */
  async executeGraph(
    graph: TaskGraph | readonly TaskSpec[],
    steps?: StepMap,
    options: GraphOptions = {},
  ): Promise<GoalResult> {
    const handle = await this.#goals.startGraph(graph, { steps, options });
    return this.#untilEnd(handle, options);
  }

  /**
   * Runs several goals with one decomposer and one set of steps. A goal that fails does not stop the others.
   * @returns how each ended, in the order of the goals
   * @throws INVALID_INPUT before anything is started
   */
  // biome-ignore lint/complexity/useMaxParams: like executeGoal.
  async composeGoals(
    goals: readonly (string | Goal)[],
    decomposer?: Decomposer,
    steps?: StepMap,
    { parallel = true, ...options }: ComposeOptions = {},
  ): Promise<ComposedResult[]> {
    checkGoalOptions(options);
    const read = goals.map(readGoal);
    const one = (goal: Goal): Promise<ComposedResult> =>
      this.executeGoal(goal, decomposer, steps, options).catch((error: unknown) => toComposedFailure(error));
    if (parallel) {
      return Promise.all(read.map(one));
    }
    const results: ComposedResult[] = [];
    for (const goal of read) {
      results.push(await one(goal));
    }
    return results;
  }

  /** Carries out what is ready now, and no more; returns how many tasks that were. For workers with `start: false`. */
  tick(): Promise<number> {
    return this.#worker.tick();
  }

  /**
   * Takes no more work, waits for the tasks under way (at most `graceMs`, default 10 s; then they are aborted and put
   * back), and closes the database if the client opened it.
   */
  close(options: { readonly graceMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options.graceMs ?? DEFAULT_GRACE_MS);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(graceMs: number): Promise<void> {
    this.#sweeper?.stop();
    this.#goals.close();
    await this.#worker.stop(graceMs);
    this.#watch.close();
    const { driver, logger } = this.#parts;
    await this.#unlisten?.();
    await sayGoodbye(driver, this.#workerId).catch((error: unknown) => {
      logger.warn({ error: String(error) }, "could not say goodbye to the database");
    });
    await driver.close();
  }

  get #lane(): string {
    return `instance:${this.#workerId}`;
  }

  async #untilEnd(handle: GoalHandle, options: StartOptions): Promise<GoalResult> {
    const stopListening = this.#cancelOnAbort(handle.runId, options.signal);
    try {
      return await handle.result();
    } finally {
      stopListening();
    }
  }

  #cancelOnAbort(runId: string, signal: AbortSignal | undefined): () => void {
    const cancel = (): void => {
      const reason =
        signal?.reason instanceof Error ? signal.reason.message : "the caller's signal was aborted";
      this.runs.cancel(runId, { reason }).catch((error: unknown) => {
        this.#parts.logger.error({ runId, error: String(error) }, "the run could not be cancelled");
      });
    };
    if (signal?.aborted) {
      cancel();
    }
    signal?.addEventListener("abort", cancel, { once: true });
    return () => signal?.removeEventListener("abort", cancel);
  }

  #finished(run: FinishedRun & { readonly owned: boolean }): void {
    this.#registry.release(run.id);
    if (run.owned) {
      this.#watch.finished(run);
    } else {
      this.#watch.look();
    }
  }

  async #retry(runId: string): Promise<string | undefined> {
    const retryId = newId();
    this.#registry.rebind(runId, retryId);
    const by = { newId: retryId, worker: this.#workerId, lane: this.#lane };
    if (await retryRun(this.#parts.driver, runId, by)) {
      this.#worker.wake();
      return retryId;
    }
    this.#registry.release(retryId);
    return undefined;
  }

  #abort(runId: string): void {
    this.#registry.release(runId);
    this.#worker.abortRun(runId, new GoalpostError("CANCELLED", `run ${runId} was cancelled`));
  }

  /** Hears of runs that were ended elsewhere, and looks for instances that are gone. */
  async #attend(): Promise<void> {
    const { driver, clock, logger } = this.#parts;
    this.#unlisten = await driver.listen("goalpost", {
      onMessage: (runId) => {
        this.#abort(runId);
        this.#watch.look();
      },
      onReconnect: () => this.#watch.look(),
    });
    this.#sweeper = new Sweeper({ driver, clock, logger, worker: this.#workerId });
    this.#sweeper.start();
  }
}

function toComposedFailure(error: unknown): ComposedResult {
  if (!isGoalpostError(error)) {
    throw error;
  }
  return { status: "failed", error };
}

function toRunResult<O>(run: FinishedRun): RunResult<O> {
  throwUnlessCompleted(run);
  return { runId: run.id, output: run.output as O, usage: NO_USAGE };
}
