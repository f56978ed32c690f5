import { GoalpostError } from "../core/errors.ts";
import { atMost } from "./at-most.ts";
import type { AttemptOptions } from "./attempt-options.ts";
import { Cancellation } from "./cancellation.ts";
import { CompactRuns } from "./compact-runs.ts";
import { DefinitionCache } from "./definitions.ts";
import { Exchange } from "./exchange.ts";
import { growthMaker } from "./growth.ts";
import { loadDefinitions } from "./load-definitions.ts";
import { observed } from "./observe-try.ts";
import { type PreparedTask, prepareTasks } from "./prepare-tasks.ts";
import { Presence } from "./presence.ts";
import type { ClaimedTask, Reply, Report, StartRow, TaskKey } from "./protocol.ts";
import { brokenReport, releasedReport, toRefusal } from "./refusal.ts";
import { UnderWay } from "./under-way.ts";
import { UnknownCode } from "./unknown-code.ts";
import type { WorkerOptions } from "./worker-options.ts";

/** How often an idle worker looks, and says that it lives. */
export const POLL_MS = 500;

/** Tasks of compact runs belong to the hand-out of their run. */
const NO_SEQ = 0;

/** Halves smaller than this are not worth a call of their own. */
const PIPELINE_FROM = 16;

/**
 * A loop that claims tasks and carries them out. States: made → started ⇄ polling → stopped. Without start(), tick()
 * drives it by hand: one look, and everything it found carried through.
 */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #exchange: Exchange;
  readonly #definitions: DefinitionCache;
  readonly #presence: Presence;
  readonly #grow: ReturnType<typeof growthMaker>;
  readonly #unknown = new UnknownCode();
  readonly #compact: CompactRuns;
  readonly #underWay: UnderWay;
  #claiming = false;
  #started = false;
  #stopping = false;
  #begun = 0;
  /** Tasks that the call under way may hand out. */
  #asked = 0;
  /** There are lanes to serve that the last call did not look into. */
  #learned = false;
  #cancelPoll: (() => void) | undefined;
  #cancelBeat: (() => void) | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#underWay = new UnderWay(options.concurrency);
    this.#definitions = new DefinitionCache(options.driver);
    this.#presence = new Presence(options, () => this.#lapsed());
    this.#grow = growthMaker({ ...options, definitions: this.#definitions, wake: () => this.wake() });
    this.#exchange = new Exchange({
      ...options,
      worker: options.id,
      lanes: () => this.#presence.lanes(),
      room: () => this.#takeRoom(),
      deliver: (reply, seq) => this.#deliver(reply, seq),
      beat: () => this.#presence.take(this.#underWay.size),
      lane: options.lanes[0] ?? "",
      compactAnswered: (answer) => this.#compact.answered(answer),
      compactRefused: (element, error) => this.#compact.refused(element, error),
      unanswered: (error) => options.onUnanswered?.(error),
    });
    this.#compact = new CompactRuns({
      ...options,
      lane: options.lanes[0],
      definitions: this.#definitions,
      // A worker that is driven by hand carries out nothing between its ticks.
      room: () => (this.#started ? this.#room() : 0),
      send: (element) => this.#exchange.compact(element),
      begin: (tasks) => this.#beginOwn(tasks),
      settle: (report) => this.#settle(report, NO_SEQ),
      refuse: (report, error) => this.#refused(report, { seq: NO_SEQ, error }),
      handed: (seq, runs) => this.#exchange.handed(seq, runs),
      done: (seq) => this.#exchange.settled(seq),
    });
  }

  get id(): string {
    return this.#options.id;
  }

  /** Claims and carries out tasks until stop(). */
  start(): void {
    this.#started = true;
    this.#claiming = true;
    this.#beat();
  }

  /** Looks once, carries out what it was given, and returns how many tasks that were. For tests and scripts. */
  async tick(): Promise<number> {
    if (this.#stopping) {
      throw new GoalpostError("CLOSED", "this client is closed; open another one with Goalpost.open()");
    }
    if (this.#started) {
      throw new GoalpostError(
        "INVALID_STATE",
        "tick() drives a worker that was not started; this one runs by itself",
      );
    }
    const before = this.#begun;
    this.#presence.dueNow();
    await this.#look();
    if (this.#learned) {
      await this.#look();
    }
    await this.#underWay.quiet();
    await this.#exchange.drained();
    return this.#begun - before;
  }

  async #look(): Promise<void> {
    this.#learned = false;
    this.#claiming = true;
    this.#exchange.poll();
    await this.#exchange.drained();
  }

  /** How many tasks the next call may hand out. A tick is one call: what its tasks make ready is the next one's. */
  #takeRoom(): number {
    const room = this.#claiming ? this.#room() : 0;
    this.#claiming &&= this.#started;
    this.#asked = room;
    return room;
  }

  /** How many tasks could begin, if those do that are to begin soon. */
  #room(): number {
    return this.#underWay.free - this.#compact.promised;
  }

  /** For a second copy of what is under way. */
  #takeSlot(): (() => void) | undefined {
    if (this.#stopping || this.#room() <= 0) {
      return undefined;
    }
    const giveBack = this.#underWay.addCopy();
    return () => {
      giveBack();
      this.wake();
    };
  }

  /** Stores a run; its tasks come back to this worker at once if it serves their lane. */
  submit(row: StartRow): Promise<void> {
    return this.#compact.start(row) ?? this.#exchange.start(row);
  }

  /** Looks for tasks now instead of at the next poll. */
  wake(): void {
    if (this.#claiming) {
      this.#exchange.poll();
    }
  }

  /** Looks now, and says that it lives: there may be tasks, in lanes that it has not heard of. */
  wakeAndBeat(): void {
    this.#presence.dueNow();
    this.wake();
  }

  /** The listening connection was made or broke. */
  lockChanged(): void {
    this.#presence.lockChanged();
    this.wake();
  }

  /** Aborts what this worker carries out of a run that is final. */
  abortRun(runId: string, reason: GoalpostError): void {
    this.#underWay.abortRun(runId, reason);
  }

  /**
   * Takes no more tasks, waits up to `graceMs` for those under way, aborts the rest, hands in what is known and puts
   * back what was not finished.
   */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.#claiming = false;
    this.#started = false;
    this.#cancelPoll?.();
    await atMost(this.#options.clock, graceMs, this.#underWay.quiet());
    this.#cancelBeat?.();
    this.#presence.stop();
    this.#underWay.abortAll(new GoalpostError("CANCELLED", "the worker is stopping"));
    await this.#underWay.quiet();
    await atMost(this.#options.clock, Math.max(graceMs, POLL_MS), this.#exchange.drained());
    this.#exchange.stop();
  }

  #beat(): void {
    this.#presence.dueNow();
    this.#exchange.poll();
    this.#cancelBeat = this.#options.clock.timer(POLL_MS, () => this.#beat());
  }

  /** Others may have taken what is under way: it is theirs to finish. */
  #lapsed(): void {
    this.#options.logger.warn(
      { worker: this.#options.id, running: this.#underWay.size },
      "the database has not heard of this worker for too long; its tasks are aborted",
    );
    this.#underWay.abortAll(new GoalpostError("LEASE_LOST", "the worker lost touch with the database"));
    this.#options.onLapsed?.();
  }

  #deliver(reply: Reply, seq: number): void {
    this.#presence.claimed(this.#asked, reply.tasks.length);
    if (reply.fleet) {
      this.#options.onFleet?.(reply.fleet);
      this.#learned = this.#presence.acknowledged(reply.fleet);
      if (this.#learned) {
        this.wake();
      }
    }
    for (const run of reply.over) {
      this.abortRun(run.id, new GoalpostError("CANCELLED", `run ${run.id} is ${run.status}`));
      this.#options.onFinished(run);
    }
    if (this.#stopping) {
      for (const task of reply.tasks) {
        this.#settle(releasedReport(task), seq);
      }
      return;
    }
    this.#begun += reply.tasks.length;
    if (reply.tasks.every((task) => this.#definitions.peek(task.definitionId, task.position))) {
      this.#beginAll(reply, seq);
    } else {
      this.#loadAndBegin(reply, seq);
    }
    this.#pollWhenDue(reply.dueInMs);
  }

  /** Definitions that are not in memory are loaded first; the tasks keep their slots meanwhile. */
  #loadAndBegin(reply: Reply, seq: number): void {
    const loaded = loadDefinitions(this.#definitions, reply.tasks, () => this.#stopping).then(
      () => prepareTasks(reply, this.#definitions),
      (error: unknown): ReadonlyMap<ClaimedTask, PreparedTask> => {
        this.#options.logger.error(
          { error: String(error) },
          "definitions could not be loaded; the tasks are put back",
        );
        return new Map();
      },
    );
    for (const task of reply.tasks) {
      const abort = new Cancellation();
      const work = loaded.then((prepared) => this.#carryOut(prepared.get(task), { task, abort, seq }));
      this.#underWay.add({ runId: task.runId, abort, work });
    }
  }

  /**
   * Begins what was handed out. Of a large hand-out the second half begins a turn of the event loop later, when the
   * results of the first are on their way: database and functions then work at the same time, not in turns.
   */
  #beginAll(reply: Reply, seq: number): void {
    const prepared = prepareTasks(reply, this.#definitions);
    const half = Math.ceil(reply.tasks.length / 2);
    const later = new Promise<void>((resolve) => {
      // After the immediate that sends the first half's results.
      setImmediate(() => setImmediate(resolve));
    });
    for (const [index, task] of reply.tasks.entries()) {
      const abort = new Cancellation();
      const begin = (): Promise<void> => this.#carryOut(prepared.get(task), { task, abort, seq });
      const work = half >= PIPELINE_FROM && index >= half ? later.then(begin) : begin();
      this.#underWay.add({ runId: task.runId, abort, work });
    }
  }

  /**
   * Begins tasks of compact runs, as many as there is room for; the others wait in their lane. They need no halves: two
   * calls are under way for them, and smaller ones would only be more.
   */
  #beginOwn(tasks: readonly ClaimedTask[]): void {
    const room = this.#claiming ? Math.max(0, this.#room()) : 0;
    const fit = room < tasks.length ? tasks.slice(0, room) : tasks;
    this.#begun += fit.length;
    for (const task of fit) {
      const abort = new Cancellation();
      const work = this.#carryOut(this.#compact.prepare(task), { task, abort, seq: NO_SEQ });
      this.#underWay.add({ runId: task.runId, abort, work });
    }
    for (const task of tasks.slice(fit.length)) {
      this.#settle(releasedReport(task), NO_SEQ);
    }
  }

  async #carryOut(
    prepared: PreparedTask | undefined,
    { task, abort, seq }: { task: ClaimedTask; abort: Cancellation; seq: number },
  ): Promise<void> {
    const code = prepared && this.#options.findCode(prepared.run, prepared.definition, prepared.node);
    if (!prepared || !code) {
      const delayMs = this.#unknown.delayMs(task);
      this.#options.logger.warn(
        { workflow: prepared?.run.workflow, step: prepared?.node.name, delayMs },
        "no code for this step here",
      );
      this.#settle({ ...releasedReport(task), number: delayMs }, seq);
      return;
    }
    const { run, node, definition, inputs } = prepared;
    // Written out in one piece: to copy an object into it would cost as much as a short step.
    const report = await this.#attempt({
      task,
      run,
      node,
      definition,
      inputs,
      code,
      abort,
      clock: this.#options.clock,
      logger: this.#options.logger,
      maxOutputBytes: this.#options.maxOutputBytes,
      children: this.#options.children,
      send: this.#options.send,
      agents: this.#options.agents,
      storeProgress: (progress) => this.#options.storeProgress({ ...task, worker: this.id }, progress),
      models: this.#options.models,
      spend: undefined,
      rescued: undefined,
      takeSlot: () => this.#takeSlot(),
      growth: () => this.#grow(task, abort.signal),
      mark: (key, value) => this.#exchange.mark(task, key, value),
      started: () => this.#exchange.started(task),
    });
    this.#settle(report ?? releasedReport(task), seq);
  }

  /** Whatever goes wrong around a try, a logger that throws included, the task is settled. */
  #attempt(options: AttemptOptions): Promise<Report | undefined> {
    return observed(options, this.#options.onTried).catch((error: unknown) => brokenReport(options, error));
  }

  /** Hands a report in. It waits for no answer: the slot is free as soon as the report is on its way. */
  #settle(report: Report, seq: number): void {
    if (report.task.compact && this.#compact.report(report)) {
      return;
    }
    this.#exchange.report(report).then(
      (refusedWith) => {
        this.#settled(report.task, seq);
        if (refusedWith && report.outcome !== "released") {
          const { runId, position } = report.task;
          this.#options.logger.info(
            { runId, position, status: refusedWith },
            "a result came too late and was refused",
          );
        }
      },
      (error: unknown) => this.#refused(report, { seq, error }),
    );
  }

  /** The database took the call apart and would not have this report: the task fails with that, not the others. */
  #refused(report: Report, { seq, error }: { seq: number; error: unknown }): void {
    if ((error as GoalpostError).code === "CLOSED") {
      return;
    }
    const record = toRefusal(error);
    const payload = JSON.stringify(record);
    if (report.payload === payload) {
      const { runId, position } = report.task;
      this.#options.logger.error({ runId, position, error: record.message }, "a task could not be settled");
      this.#settled(report.task, seq);
      return;
    }
    this.#settle({ ...report, outcome: "failed", payload, shape: null }, seq);
  }

  #settled({ compact, runId }: TaskKey, seq: number): void {
    if (compact) {
      this.#compact.settled(runId);
    } else {
      this.#exchange.settled(seq);
    }
  }

  #pollWhenDue(dueInMs: number | null): void {
    if (dueInMs === null) {
      return;
    }
    this.#cancelPoll?.();
    if (dueInMs < POLL_MS && this.#started) {
      this.#cancelPoll = this.#options.clock.timer(Math.ceil(dueInMs), () => this.wake());
    }
  }
}
