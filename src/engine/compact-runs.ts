import type { Json } from "../core/json.ts";
import type { CompactAnswer, CompactElement } from "./compact-line.ts";
import { type CompactPlan, compactPlan, mayBeCompact } from "./compact-plan.ts";
import { CompactRun } from "./compact-run.ts";
import type { DefinitionCache } from "./definitions.ts";
import type { PreparedTask } from "./prepare-tasks.ts";
import type { ClaimedTask, FinishedRun, Report, StartRow } from "./protocol.ts";

export interface CompactRunsOptions {
  readonly id: string;
  /** The lane that is the worker's own; undefined if it has none. */
  readonly lane: string | undefined;
  readonly definitions: DefinitionCache;
  /** Tasks that could be begun now. */
  readonly room: () => number;
  readonly send: (element: CompactElement) => void;
  /** Carries tasks out. */
  readonly begin: (tasks: readonly ClaimedTask[]) => void;
  /** Settles a task the usual way. */
  readonly settle: (report: Report) => void;
  /** Settles a task whose report the database would not have. */
  readonly refuse: (report: Report, error: unknown) => void;
  readonly onFinished: (run: FinishedRun & { readonly owned: boolean }) => void;
  /** A hand-out is the worker's for so many runs. */
  readonly handed: (seq: number, runs: number) => void;
  /** One run of that hand-out needs it no longer. */
  readonly done: (seq: number) => void;
}

interface Starting {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Plain local runs, stored without rows for their tasks for as long as nothing unusual happens to them. */
export class CompactRuns {
  readonly #o: CompactRunsOptions;
  readonly #starting = new Map<CompactRun, Starting>();
  readonly #reports = new Map<CompactRun, Map<number, Report>>();
  readonly #runs = new Map<string, CompactRun>();
  readonly #loading = new Set<number>();
  #promised = 0;

  constructor(options: CompactRunsOptions) {
    this.#o = options;
  }

  /** Tasks that begin, or may be followed by others, as soon as the calls under way are answered. */
  get promised(): number {
    return this.#promised;
  }

  /** Stores a run as a compact one. Returns undefined if it has to be stored the usual way, or there is no room now. */
  start(row: StartRow): Promise<void> | undefined {
    const { definitions } = this.#o;
    const id = row.definitionId;
    if (id === null || !mayBeCompact(row, this.#o)) {
      return undefined;
    }
    const definition = definitions.get(id);
    if (!definition) {
      this.#loadLater(id);
      return undefined;
    }
    const plan = compactPlan(definition);
    return plan && plan.first.length <= this.#o.room()
      ? this.#store(new CompactRun(row, plan), plan)
      : undefined;
  }

  /** The first run of a definition does not wait for it; those after it find it. */
  #loadLater(definitionId: number): void {
    if (!this.#loading.has(definitionId)) {
      this.#loading.add(definitionId);
      this.#o.definitions
        .load([{ definitionId, position: 0 }])
        .catch(() => undefined)
        .finally(() => this.#loading.delete(definitionId));
    }
  }

  #store(run: CompactRun, plan: CompactPlan): Promise<void> {
    this.#promised += plan.first.length;
    return new Promise((resolve, reject) => {
      this.#starting.set(run, { resolve, reject });
      this.#o.send({ run, text: run.inputText });
    });
  }

  /** What a task of a compact run is carried out with. */
  prepare(task: ClaimedTask): PreparedTask | undefined {
    return this.#runs.get(task.runId)?.prepare(task);
  }

  /** Takes the report on a task of a compact run. False if it has to be settled the usual way. */
  report(report: Report): boolean {
    const run = this.#runs.get(report.task.runId);
    if (!run) {
      return false;
    }
    if (report.outcome !== "completed" || !run.takes(report.payload)) {
      run.expanded = true;
      return false;
    }
    const { position } = report.task;
    const reports = this.#reports.get(run);
    if (reports) {
      reports.set(position, report);
    } else {
      this.#reports.set(run, new Map([[position, report]]));
    }
    this.#promised += 1;
    this.#o.send({ run, position, text: report.payload });
    return true;
  }

  /** A task of it was settled, one way or the other. */
  settled(runId: string): void {
    const run = this.#runs.get(runId);
    if (run) {
      run.held -= 1;
      this.#closeIfDone(run);
    }
  }

  answered({ seq, kept, gone, billed, outputs }: CompactAnswer): void {
    const next: ClaimedTask[] = [];
    let started = 0;
    for (const { run, position, text } of kept) {
      if (position === undefined) {
        started += 1;
        run.seq = seq;
        this.#runs.set(run.id, run);
        this.#promised -= run.plan.first.length;
        this.#take(run, run.plan.first, next);
        this.#starting.get(run)?.resolve();
        this.#starting.delete(run);
      } else {
        this.#takeReport(run, position);
        run.held -= 1;
        this.#take(run, run.keep(position, text), next);
        this.#closeIfDone(run);
      }
    }
    if (started > 0) {
      this.#o.handed(seq, started);
    }
    for (const { run, position = 0 } of gone) {
      run.expanded = true;
      this.#settleUsually(run, position);
    }
    for (const [run, output] of outputs) {
      if (run.isOver) {
        this.#o.onFinished({
          id: run.id,
          status: "completed",
          output: JSON.parse(output) as Json,
          error: null,
          billed: billed.has(run.id),
          owned: true,
        });
      }
    }
    if (next.length > 0) {
      this.#o.begin(next);
    }
  }

  /** The database would not have it, or it was never sent. */
  refused({ run, position }: CompactElement, error: unknown): void {
    if (position !== undefined) {
      const report = this.#takeReport(run, position);
      run.expanded = true;
      if (report) {
        this.#o.refuse(report, error);
      }
      return;
    }
    this.#promised -= run.plan.first.length;
    this.#starting.get(run)?.reject(error);
    this.#starting.delete(run);
  }

  #take(run: CompactRun, positions: readonly number[], next: ClaimedTask[]): void {
    run.held += positions.length;
    for (const position of positions) {
      next.push(run.task(position));
    }
  }

  #takeReport(run: CompactRun, position: number): Report | undefined {
    const reports = this.#reports.get(run);
    const report = reports?.get(position);
    reports?.delete(position);
    if (reports?.size === 0) {
      this.#reports.delete(run);
    }
    this.#promised -= 1;
    return report;
  }

  #settleUsually(run: CompactRun, position: number): void {
    const report = this.#takeReport(run, position);
    if (report) {
      this.#o.settle(report);
    }
  }

  #closeIfDone(run: CompactRun): void {
    if (run.held === 0 && (run.isOver || run.expanded)) {
      this.#runs.delete(run.id);
      this.#o.done(run.seq);
    }
  }
}
