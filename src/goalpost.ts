import { v7 as newId } from "uuid";
import type { Agents } from "./agents/agents.ts";
import { Attendance, takeAllForLost } from "./attendance.ts";
import { Budgets } from "./budgets.ts";
import { cancelOnAbort } from "./cancel-on-abort.ts";
import { childRuns } from "./child-runs.ts";
import { clientAgents, type Mailroom, registerAgents } from "./client-agents.ts";
import { CodeRegistry } from "./code-registry.ts";
import { composeGoals } from "./compose-goals.ts";
import type { App } from "./core/app.ts";
import type { Driver } from "./core/driver.ts";
import type { EmbedFunction } from "./core/embedding.ts";
import { GoalpostError } from "./core/errors.ts";
import type { FlowFunctions, FlowRef } from "./core/flow.ts";
import type { Decomposer, Goal, TaskGraph, TaskSpec, ValidTaskGraph } from "./core/goal.ts";
import { instanceLane } from "./core/lanes.ts";
import type { StepMap } from "./core/step.ts";
import type { Workflow } from "./core/workflow.ts";
import type { Documents } from "./documents/documents.ts";
import { clientDocuments } from "./documents-client.ts";
import { clientEmbed, clientEmbedTexts } from "./embed-client.ts";
import type { FinishedRun } from "./engine/protocol.ts";
import type { Worker as EngineWorker } from "./engine/worker.ts";
import { databaseFromEnvironment } from "./environment.ts";
import { Flows } from "./flows.ts";
import { GoalRuns } from "./goal-runs.ts";
import { Instances } from "./instances.ts";
import { Learning } from "./learning.ts";
import { llmBackends } from "./llm-backends.ts";
import { LlmCalls } from "./llm-calls.ts";
import { LlmClient } from "./llm-client.ts";
import { ChannelHub } from "./messaging/channel-hub.ts";
import { Channels } from "./messaging/channels.ts";
import { type ClientParts, type OpenOptions, readOptions } from "./open-options.ts";
import {
  type ComposeOptions,
  checkGoalOptions,
  type GoalOptions,
  type GraphOptions,
  readGoal,
  type StartOptions,
} from "./options.ts";
import { Queues } from "./queues.ts";
import { retryHere } from "./retry-here.ts";
import { RunPlaces } from "./run-place.ts";
import type {
  ComposedResult,
  FlowResult,
  GoalHandle,
  GoalResult,
  RunHandle,
  RunResult,
} from "./run-result.ts";
import { RunStarter } from "./run-starter.ts";
import { RunWaits } from "./run-waits.ts";
import { RunWatch } from "./run-watch.ts";
import { Runs } from "./runs.ts";
import { migrate } from "./store/migrate.ts";
import { openDriver } from "./store/open-driver.ts";
import { timedDriver } from "./store/timed-driver.ts";
import { TakeOver } from "./take-over.ts";
import { UsageBook } from "./usage.ts";
import { DEFAULT_GRACE_MS, type Worker, type WorkerOptions, Workers } from "./workers.ts";
import { WorkflowCalls } from "./workflow-calls.ts";
import { WorkflowRuns } from "./workflow-runs.ts";

/** A client: one database, one local worker, and more if asked for. Made by {@link Goalpost.open}. */
export class Goalpost implements AsyncDisposable {
  /** What this process is called in lists. */
  readonly instanceId: string;
  readonly runs: Runs;
  readonly instances: Instances;
  readonly queues: Queues;
  readonly flows: Flows;
  /** What LLM and embedding calls used. */
  readonly usage: UsageBook;
  /** What they may cost. */
  readonly budgets: Budgets;
  /** Messages between processes. */
  readonly channels: Channels;
  readonly llm: LlmCalls;
  readonly embed: EmbedFunction;
  /** Texts that are searched by meaning; they need pgvector. */
  readonly documents: Documents;
  readonly #models: LlmClient;
  /** Named recipients with a durable inbox each. */
  readonly agents: Agents;
  readonly #mailroom: Mailroom;
  readonly #hub: ChannelHub;
  readonly #parts: ClientParts;
  readonly #workerId: string = newId();
  readonly #worker: EngineWorker;
  readonly #workers: Workers;
  readonly #attendance: Attendance;
  readonly #registry = new CodeRegistry();
  readonly #watch: RunWatch;
  readonly #takeOver: TakeOver;
  readonly #goals: GoalRuns;
  readonly #workflows: WorkflowRuns;
  readonly #calls: WorkflowCalls;
  #closing: Promise<void> | undefined;

  private constructor(opened: ClientParts) {
    const parts = { ...opened, driver: timedDriver(opened.driver, opened.clock) };
    this.#parts = parts;
    this.instanceId = parts.name;
    this.instances = new Instances(parts.driver);
    this.queues = new Queues(parts.driver);
    this.usage = new UsageBook(parts.driver);
    this.budgets = new Budgets(parts.driver, () => this.#workers.wake());
    this.#models = new LlmClient({ ...parts, backends: llmBackends({ ...parts, worker: this.#workerId }) });
    this.embed = clientEmbed(this.#models);
    this.documents = clientDocuments(parts.driver, this.#models);
    this.learning.plans.embedWith(clientEmbedTexts(this.#models), parts.embed.model);
    this.#hub = new ChannelHub(opened);
    this.channels = new Channels(opened, this.#hub);
    this.#watch = new RunWatch(parts.driver, parts.clock, parts.logger);
    this.#attendance = new Attendance({
      ...parts,
      onEnded: (runId) => {
        this.#abort(runId);
        this.#watch.look();
      },
      onMissed: () => this.#watch.look(),
    });
    const mail = clientAgents(opened, { workerId: this.#workerId, models: this.#models }, () => this.#goals);
    this.agents = mail.agents;
    this.#mailroom = mail.mailroom;
    this.#workers = this.#makeWorkers(opened, parts.driver);
    const wake = (): void => this.#workers.wake();
    this.#worker = this.#makeOwnWorker(opened);
    const owned = {
      ...parts,
      registry: this.#registry,
      agents: this.agents.port,
      watch: this.#watch,
      models: this.#models,
      worker: this.#worker,
      workerId: this.#workerId,
      lane: this.#lane,
      places: new RunPlaces(parts.driver, this.#lane),
    };
    this.runs = new Runs(parts, this.#watch, {
      cancelled: (runId) => this.#abort(runId),
      wake,
      waits: new RunWaits({ ...parts, wake }),
      retry: (runId, resetAll) => retryHere({ ...owned, wake }, { runId, resetAll }),
    });
    this.flows = new Flows(parts.driver, this.runs);
    const starting = { ...owned, runs: this.runs };
    this.#takeOver = new TakeOver(starting);
    const starter = new RunStarter({ ...starting, takeOver: this.#takeOver });
    this.#goals = new GoalRuns({ ...starting, takeOver: this.#takeOver, starter });
    this.#workflows = new WorkflowRuns({ ...starting, starter });
    const calls = { takeOver: this.#takeOver, workflows: this.#workflows };
    this.#calls = new WorkflowCalls({ ...starting, ...calls });
    this.llm = new LlmCalls({ ...starting, ...calls });
  }

  /**
   * Opens a database, brings its schema up to date and starts the local worker.
   * @throws INVALID_INPUT, DATABASE_BUSY, DATABASE_UNAVAILABLE, DATABASE_AHEAD
   */
  static async open(options: OpenOptions = {}): Promise<Goalpost> {
    const parts = readOptions(options);
    const database = options.database ?? databaseFromEnvironment();
    const { driver, exclusive } = await openDriver(database, parts.logger);
    let gp: Goalpost | undefined;
    try {
      await migrate(driver);
      if (exclusive) {
        await takeAllForLost(timedDriver(driver, parts.clock));
      }
      gp = new Goalpost({ ...parts, driver, learning: new Learning({ ...parts, driver }) });
      if (parts.starts) {
        await gp.#workers.start(gp.#worker);
      }
      return gp;
    } catch (error) {
      await (gp ? gp.close({ graceMs: 0 }) : driver.close());
      throw error;
    }
  }

  /** What past runs taught. */
  get learning(): Learning {
    return this.#parts.learning;
  }

  /** Adds an app's steps, decomposer and workflows. @throws INVALID_INPUT if another function has a name already */
  register(app: App): void {
    this.#registry.register(app);
    registerAgents(this.agents, app, this.#parts.logger);
    this.#worker.wake();
  }

  /**
   * An additional worker in this process: it carries out distributed runs of the queues it serves, by the code that is
   * registered. Nothing happens before it is started.
   * @throws INVALID_INPUT, CLOSED
   */
  worker(options: WorkerOptions = {}): Worker {
    return this.#workers.open(options);
  }

  /** Starts a run of a workflow and waits for its end. @throws RunFailedError, INVALID_INPUT */
  execute<I, O>(
    workflow: Workflow<I, O>,
    input: NoInfer<I>,
    options: StartOptions = {},
  ): Promise<RunResult<O>> {
    return this.#calls.execute(workflow, input, options);
  }

  /** Starts a run of a workflow; returns once it is stored. @throws INVALID_INPUT, INVALID_STATE */
  start<I, O>(
    workflow: Workflow<I, O>,
    input: NoInfer<I>,
    options: StartOptions = {},
  ): Promise<RunHandle<RunResult<O>>> {
    return this.#calls.start(workflow, input, options);
  }

  /**
   * Starts a run of a flow, made with `gp.flows`, as it is now, and waits for its end.
   * @param steps what carries out each step of the flow, by its name
   * @throws FLOW_NOT_FOUND, RunFailedError; INVALID_INPUT if a function is missing, before anything is stored
   */
  // biome-ignore lint/complexity/useMaxParams: the call of the README.
  executeDynamic(
    flow: FlowRef,
    input: unknown,
    steps: FlowFunctions,
    options: StartOptions = {},
  ): Promise<FlowResult> {
    return this.#calls.executeFlow({ flow, input, steps }, options);
  }

  /** Starts a run of a flow; returns once it is stored. @throws FLOW_NOT_FOUND, INVALID_INPUT */
  // biome-ignore lint/complexity/useMaxParams: like executeDynamic.
  startDynamic(
    flow: FlowRef,
    input: unknown,
    steps: FlowFunctions,
    options: StartOptions = {},
  ): Promise<RunHandle<FlowResult>> {
    return this.#calls.startFlow({ flow, input, steps }, options);
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
    const one = (goal: Goal): Promise<GoalResult> => this.executeGoal(goal, decomposer, steps, options);
    return composeGoals(goals.map(readGoal), one, parallel);
  }

  /** Carries out what is ready now, and no more; returns how many tasks and messages that were. For workers with `start: false`. */
  async tick(): Promise<number> {
    return (await this.#worker.tick()) + (await this.#mailroom.tick());
  }

  /**
   * Stops all workers: takes no more work, waits for the tasks under way (at most `graceMs`, default 10 s; then they are aborted and put
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
    this.#takeOver.close();
    this.#hub.refuseListeners();
    await this.#mailroom.stop(graceMs, () => this.#workers.stopAll(graceMs));
    await this.learning.plans.close(graceMs);
    await this.#models.close();
    await this.learning.close();
    await this.#hub.close(graceMs);
    this.#watch.close();
    await this.#attendance.close();
    await this.#parts.driver.close();
  }

  #makeWorkers(opened: ClientParts, driver: Driver): Workers {
    return new Workers({
      ...opened,
      registry: this.#registry,
      attendance: this.#attendance,
      onFinished: (run) => this.#finished(run),
      send: (channel, message) => this.channels.send(channel, message),
      models: this.#models,
      agents: this.agents.port,
      children: childRuns(driver, () => ({ goals: this.#goals, workflows: this.#workflows })),
    });
  }

  #makeOwnWorker(opened: ClientParts): EngineWorker {
    return this.#workers.make({
      ...opened,
      id: this.#workerId,
      lanes: [this.#lane],
      servesQueues: () => this.#registry.servesOthers,
      onLapsed: () => this.#mailroom.lapsed(),
    });
  }

  get #lane(): string {
    return instanceLane(this.#workerId);
  }

  async #untilEnd(handle: GoalHandle, options: StartOptions): Promise<GoalResult> {
    const stopListening = cancelOnAbort(this.runs, handle.runId, options.signal);
    try {
      return await handle.result();
    } finally {
      stopListening();
    }
  }

  #finished(run: FinishedRun & { readonly owned: boolean }): void {
    this.learning.ended(run.id, this.#registry.stepsOf(run.id));
    this.#registry.release(run.id);
    if (run.owned) {
      this.#watch.finished(run);
    } else {
      this.#watch.look();
    }
  }

  #abort(runId: string): void {
    this.#registry.release(runId);
    this.#workers.abortRun(runId, new GoalpostError("CANCELLED", `run ${runId} was cancelled`));
  }
}
