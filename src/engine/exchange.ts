import type { Clock } from "../core/clock.ts";
import type { Driver, Row } from "../core/driver.ts";
import { GoalpostError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { type CompactAnswer, type CompactElement, CompactLine } from "./compact-line.ts";
import {
  type BatchRow,
  compareTasks,
  encodeBatch,
  encodeMark,
  encodeReport,
  encodeStart,
  encodeStarted,
  parseReply,
  type Reply,
  type Report,
  type StartRow,
  type TaskKey,
  type Told,
  type ToldRun,
  valueKey,
} from "./protocol.ts";
import { isTransient } from "./transient.ts";

const EXCHANGE =
  "select goalpost.exchange($1::uuid, $2::bigint, $3::int, $4::text[], $5::boolean, $6::boolean, $7::bigint[], $8::json, $9::json, $10::json, $11::json, $12::json, $13::json, $14::json, $15::json, $16::json, $17::timestamptz, $18::uuid[]) as reply";

/** At most this many elements, and about this much text, go into one call. */
const MAX_ELEMENTS = 1000;
const MAX_BYTES = 8 * 1024 * 1024;
const FORGET_TOGETHER = 32;
const REPEAT_MS = { first: 20, most: 2000 };

type Kind = "start" | "report" | "mark";

interface Element {
  readonly kind: Kind;
  readonly row: BatchRow;
  readonly task: TaskKey | null;
  /** What the worker tells by it and need not be told again. */
  readonly told: ToldRun | null;
  /** It reports an output. */
  readonly completes?: boolean;
  readonly resolve: (refusedWith: string | null) => void;
  readonly reject: (error: unknown) => void;
}

export interface ExchangeOptions {
  readonly driver: Driver;
  readonly worker: string;
  /** The lanes that tasks are taken from now. */
  readonly lanes: () => readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** How many tasks may be handed out now. */
  readonly room: () => number;
  readonly deliver: (reply: Reply, seq: number) => void;
  /** JSON text of what this instance says of itself, if it is due; else null. */
  readonly beat: () => string | null;
  /** The lane of compact runs. */
  readonly lane: string;
  readonly compactAnswered: (answer: CompactAnswer) => void;
  readonly compactRefused: (element: CompactElement, error: unknown) => void;
  /** A call was not answered; it is repeated. */
  readonly unanswered: (error: unknown) => void;
}

/**
 * The line between one worker and the database: everything that happened since the last call goes in, newly
 * claimed tasks come out, one call at a time. A call that got no answer is repeated with the same number until it is
 * answered. A call that the database refuses is taken apart, so that one bad element cannot hold up the others.
 */
export class Exchange {
  readonly #options: ExchangeOptions;
  #waiting: Element[] = [];
  #closed: bigint[] = [];
  #seq = 0;
  #busy = false;
  #scheduled = false;
  #pollAsked = false;
  #stopped = false;
  #idle: (() => void)[] = [];
  /** seq → tasks of that hand-out that are not settled. */
  readonly #outstanding = new Map<number, number>();
  readonly #compact: CompactLine;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    this.#compact = new CompactLine({
      worker: options.worker,
      lane: options.lane,
      nextSeq: () => ++this.#seq,
      // The embedded database works on this process's own time.
      calls: options.driver.kind === "postgres" ? 2 : 1,
      databaseNow: () => options.clock.databaseNow(),
      call: (statement, values) => this.#untilAnswered(statement, values),
      answered: options.compactAnswered,
      refused: (element, error) =>
        options.compactRefused(element, this.#stopped ? closed(error) : refused(error)),
    });
  }

  /** Stores a compact run, or settles a task of one. */
  compact(element: CompactElement): void {
    if (this.#stopped) {
      this.#options.compactRefused(element, isClosed());
      return;
    }
    this.#compact.add(element);
  }

  /** What was handed out with that number is needed by so many. */
  handed(seq: number, count: number): void {
    this.#outstanding.set(seq, count);
  }

  /** Stores a run. */
  async start(row: StartRow): Promise<void> {
    const told = encodeStart(row);
    await this.#add("start", told, {
      task: null,
      told: { ...row, extras: told.extras, inputText: row.input },
    });
  }

  /** Settles a task; resolves to the task's status if the report was refused, else null. */
  report(report: Report): Promise<string | null> {
    const { task, run } = report;
    // An item may not know the whole of its run.
    const told = task.item < 0 && run ? { ...run, id: task.runId } : null;
    return this.#add("report", encodeReport(report), {
      task,
      told,
      completes: report.outcome === "completed",
    });
  }

  /** Stores a checkpoint; resolves to a status if the task is no longer held, else null. */
  mark(task: TaskKey, key: string, value: string): Promise<string | null> {
    return this.#add("mark", encodeMark(task, key, value), { task, told: null });
  }

  /** Notes that the function of a task has begun. */
  started(task: TaskKey): void {
    // Told for the record: if it cannot be, the task's own report cannot either, and says so.
    this.#add("mark", encodeStarted(task), { task, told: null }).catch(() => undefined);
  }

  /** Asks for tasks although there may be nothing to hand in. */
  poll(): void {
    this.#pollAsked = true;
    this.#schedule();
  }

  /** All tasks of that hand-out are settled: the database may forget it. */
  settled(seq: number): void {
    const left = (this.#outstanding.get(seq) ?? 1) - 1;
    if (left > 0) {
      this.#outstanding.set(seq, left);
      return;
    }
    this.#outstanding.delete(seq);
    this.#closed.push(BigInt(seq));
  }

  /** Resolves when nothing is waiting or under way. */
  async drained(): Promise<void> {
    // What was said of a compact run may have to be said again in the usual way.
    await this.#compact.drained();
    if (this.#busy || this.#isAsked) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  /** Sends nothing more; what is waiting is rejected. */
  stop(): void {
    this.#stopped = true;
    for (const element of this.#waiting.splice(0)) {
      element.reject(closed());
    }
    for (const element of this.#compact.clear()) {
      this.#options.compactRefused(element, closed());
    }
  }

  get #isAsked(): boolean {
    return this.#waiting.length > 0 || this.#pollAsked;
  }

  #add(
    kind: Kind,
    row: BatchRow,
    about: Pick<Element, "task" | "told" | "completes">,
  ): Promise<string | null> {
    if (this.#stopped) {
      return Promise.reject(isClosed());
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ kind, row, ...about, resolve, reject });
      this.#schedule();
    });
  }

  /** One turn of the event loop gathers what belongs together. */
  #schedule(): void {
    if (this.#busy || this.#scheduled || this.#stopped) {
      return;
    }
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      void this.#run();
    });
  }

  async #run(): Promise<void> {
    if (this.#busy) {
      return;
    }
    this.#busy = true;
    while (!this.#stopped && this.#isAsked) {
      await this.#send(this.#take());
      await new Promise(setImmediate);
    }
    this.#busy = false;
    for (const resolve of this.#idle.splice(0)) {
      resolve();
    }
  }

  #take(): Element[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#waiting.length && count < MAX_ELEMENTS && (count === 0 || bytes < MAX_BYTES)) {
      const row = this.#waiting[count]?.row;
      bytes += (row?.payload.length ?? 0) + (row?.shape?.length ?? 0);
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #send(elements: readonly Element[]): Promise<void> {
    const reports = sortByTask(elements.filter((element) => element.kind === "report"));
    const starts = elements.filter((element) => element.kind === "start");
    const marks = sortByTask(elements.filter((element) => element.kind === "mark"));
    try {
      const { reply, seq } = await this.#call({ starts, reports, marks });
      for (const element of starts) {
        element.resolve(null);
      }
      reports.forEach((element, index) => {
        element.resolve(reply.refused.get(index) ?? null);
      });
      marks.forEach((element, index) => {
        element.resolve(reply.stale.has(index) ? "lost" : null);
      });
      this.#options.deliver(reply, seq);
    } catch (error) {
      await this.#takeApart(elements, error);
    }
  }

  /** Halves a refused call until the element that the database will not take stands alone. */
  async #takeApart(elements: readonly Element[], error: unknown): Promise<void> {
    const only = elements[0];
    if (elements.length > 1) {
      const half = Math.ceil(elements.length / 2);
      await this.#send(elements.slice(0, half));
      await this.#send(elements.slice(half));
    } else if (only) {
      only.reject(this.#stopped ? closed(error) : refused(error));
    } else {
      this.#options.logger.error({ error: String(error) }, "the database refused to hand out tasks");
    }
  }

  async #call(
    batch: Record<"starts" | "reports" | "marks", readonly Element[]>,
  ): Promise<{ reply: Reply; seq: number }> {
    this.#seq += 1;
    const seq = this.#seq;
    const poll = this.#pollAsked;
    this.#pollAsked = false;
    // Forgetting hand-outs is no hurry: many at a time cost as little as one.
    const closed = poll || this.#closed.length >= FORGET_TOGETHER ? this.#closed.splice(0) : [];
    const values = [
      this.#options.worker,
      seq,
      Math.max(0, this.#options.room()),
      this.#options.lanes(),
      poll,
      [...batch.starts, ...batch.reports, ...batch.marks].some((element) => element.row.extras),
      closed.length > 0 ? closed.map(String) : null,
      ...toBatch(batch.starts),
      ...toBatch(batch.reports),
      ...toBatch(batch.marks).slice(0, 2),
      this.#options.beat(),
      this.#options.clock.databaseNow(),
      toInflate([...batch.reports, ...batch.marks]),
    ];
    const statement = { name: "goalpost_exchange", text: EXCHANGE };
    const rows = await this.#untilAnswered<{ reply: string }>(statement, values).catch((error: unknown) => {
      this.#closed.push(...closed);
      throw error;
    });
    const reply = parseReply(rows[0]?.reply ?? "{}", toTold(batch));
    if (reply.tasks.length > 0) {
      this.#outstanding.set(seq, reply.tasks.length);
    }
    return { reply, seq };
  }

  async #untilAnswered<R extends Row>(
    { name, text }: { readonly name: string; readonly text: string },
    values: readonly unknown[],
  ): Promise<R[]> {
    for (let delayMs = REPEAT_MS.first; ; delayMs = Math.min(REPEAT_MS.most, delayMs * 2)) {
      try {
        return await this.#options.driver.queryNamed<R>(name, text, values);
      } catch (error) {
        if (this.#stopped || !isTransient(error)) {
          throw error;
        }
        this.#options.unanswered(error);
        this.#options.logger.warn(
          { error: String(error), delayMs },
          "the database did not answer; asking again",
        );
        await new Promise((resolve) => setTimeout(resolve, delayMs));
        if (this.#stopped) {
          throw error;
        }
      }
    }
  }
}

/** The order in which tasks are locked. */
function sortByTask(elements: readonly Element[]): Element[] {
  return elements.toSorted((a, b) => (a.task && b.task ? compareTasks(a.task, b.task) : 0));
}

function toTold({ starts, reports }: Record<"starts" | "reports", readonly Element[]>): Told {
  const runs = new Map<string, ToldRun>();
  const outputs = new Map<string, string>();
  for (const { task, told, row, completes } of [...starts, ...reports]) {
    if (told) {
      runs.set(told.id, told);
    }
    if (task && told && completes) {
      outputs.set(valueKey(task.runId, task.position), row.payload);
    }
  }
  return { runs, outputs };
}

function toBatch(elements: readonly Element[]): (string | null)[] {
  return encodeBatch(elements.map((element) => element.row));
}

/** Runs whose tasks must be rows for this; null for none. */
function toInflate(elements: readonly Element[]): string[] | null {
  const runs = new Set(elements.flatMap(({ task }) => (task?.compact ? [task.runId] : [])));
  return runs.size > 0 ? [...runs] : null;
}

function isClosed(): GoalpostError {
  return new GoalpostError("CLOSED", "this client is closed; open another one with Goalpost.open()");
}

function closed(cause?: unknown): GoalpostError {
  return new GoalpostError("CLOSED", "the client was closed before this could be stored", { cause });
}

function refused(error: unknown): GoalpostError {
  const message = error instanceof Error ? error.message : String(error);
  return new GoalpostError("DATABASE_REFUSED", `the database refused to store this: ${message}`, {
    cause: error,
  });
}
