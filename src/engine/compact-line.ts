import type { CompactRun } from "./compact-run.ts";

const EXCHANGE =
  "select goalpost.exchange_compact($1::uuid, $2::bigint, $3, $4::text::uuid[], $5::text::bigint[], $6::json, $7::text::uuid[], $8::json, $9::json, $10::timestamptz) as reply";

/** At most this many elements go into one call. Each is small. */
const MAX_ELEMENTS = 1000;
/** A second call is made beside one that is under way for no less: a call of its own costs as much as many elements. */
const PIPELINE_FROM = 16;

/** A run to be stored (without `position`), or a task that completed. */
export interface CompactElement {
  readonly run: CompactRun;
  readonly position?: number;
  /** JSON text of the run's input, or of the task's output. */
  readonly text: string;
}

/** What became of the elements of a call that was answered. */
export interface CompactAnswer {
  readonly seq: number;
  readonly kept: readonly CompactElement[];
  /** Tasks of runs that somebody has inflated: they are to be settled the usual way. */
  readonly gone: readonly CompactElement[];
  /** Ids of runs that are over now and for which calls were made. */
  readonly billed: ReadonlySet<string>;
  /** Output texts of the runs that are over now. */
  readonly outputs: ReadonlyMap<CompactRun, string>;
}

export interface CompactLineOptions {
  readonly worker: string;
  readonly lane: string;
  readonly nextSeq: () => number;
  /** Calls under way at once: two keep this process and the database busy at the same time. */
  readonly calls: 1 | 2;
  readonly databaseNow: () => Date | null;
  /** Makes the call until it is answered. @throws if the database refuses it */
  readonly call: (
    statement: { name: string; text: string },
    values: readonly unknown[],
  ) => Promise<{ reply: string | null }[]>;
  readonly answered: (answer: CompactAnswer) => void;
  readonly refused: (element: CompactElement, error: unknown) => void;
}

type Completed = (readonly [number, string])[];

/**
 * What a worker has to say of its compact runs, and the calls that say it. One turn of the event loop gathers what
 * belongs together. What is said of one run is said in order: no two calls that are under way name the same.
 */
export class CompactLine {
  readonly #o: CompactLineOptions;
  #waiting: CompactElement[] = [];
  readonly #named = new Set<CompactRun>();
  #underWay = 0;
  #scheduled = false;
  #idle: (() => void)[] = [];

  constructor(options: CompactLineOptions) {
    this.#o = options;
  }

  add(element: CompactElement): void {
    this.#waiting.push(element);
    this.#schedule();
  }

  /** Gives up what is waiting. */
  clear(): CompactElement[] {
    return this.#waiting.splice(0);
  }

  /** Resolves when nothing is waiting or under way. */
  drained(): Promise<void> {
    return this.#isIdle ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  get #isIdle(): boolean {
    return this.#underWay === 0 && this.#waiting.length === 0;
  }

  #schedule(): void {
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.#begin();
      });
    }
  }

  #begin(): void {
    while (this.#underWay < this.#o.calls) {
      const elements = this.#take();
      if (elements.length === 0) {
        break;
      }
      void this.#carryOut(elements);
    }
    if (this.#isIdle) {
      for (const resolve of this.#idle.splice(0)) {
        resolve();
      }
    }
  }

  async #carryOut(elements: readonly CompactElement[]): Promise<void> {
    this.#underWay += 1;
    for (const { run } of elements) {
      this.#named.add(run);
    }
    await this.#send(elements);
    for (const { run } of elements) {
      this.#named.delete(run);
    }
    this.#underWay -= 1;
    this.#schedule();
  }

  /** What the next call says: all that can be said, or half of it where the other half is worth a call, too. */
  #take(): CompactElement[] {
    const free =
      this.#named.size > 0 ? this.#waiting.filter(({ run }) => !this.#named.has(run)) : this.#waiting;
    if (free.length === 0 || (this.#underWay > 0 && free.length < PIPELINE_FROM)) {
      return [];
    }
    const share = this.#o.calls - this.#underWay;
    const count = Math.min(
      MAX_ELEMENTS,
      free.length >= share * PIPELINE_FROM ? Math.ceil(free.length / share) : free.length,
    );
    const taken = free.slice(0, count);
    // Two tasks of one run go together.
    const runs = new Set(taken.map(({ run }) => run));
    const chosen: CompactElement[] = [];
    const left: CompactElement[] = [];
    for (const element of this.#waiting) {
      (runs.has(element.run) ? chosen : left).push(element);
    }
    this.#waiting = left;
    return chosen;
  }

  /** A refused call is halved until the element that the database will not take stands alone. */
  async #send(elements: readonly CompactElement[]): Promise<void> {
    let answer: CompactAnswer;
    try {
      answer = await this.#call(elements);
    } catch (error) {
      const [only, ...others] = elements;
      if (only && others.length === 0) {
        this.#o.refused(only, error);
        return;
      }
      const half = Math.ceil(elements.length / 2);
      await this.#send(elements.slice(0, half));
      await this.#send(elements.slice(half));
      return;
    }
    this.#o.answered(answer);
  }

  async #call(elements: readonly CompactElement[]): Promise<CompactAnswer> {
    const { worker, lane, nextSeq, databaseNow, call } = this.#o;
    const seq = nextSeq();
    const starts = elements.filter((element) => element.position === undefined);
    const completed = groupByRun(elements);
    const outputs = new Map<CompactRun, string>();
    for (const [run, tasks] of completed) {
      const output = run.outputWith(tasks);
      if (output !== undefined) {
        outputs.set(run, output);
      }
    }
    const runs = [...completed.keys()];
    const [row] = await call({ name: "goalpost_exchange_compact", text: EXCHANGE }, [
      worker,
      seq,
      lane,
      ...list(starts, [({ run }) => run.id, ({ run }) => String(run.plan.definition.id)]),
      starts.length > 0 ? `[${starts.map(({ text }) => text).join(",")}]` : null,
      ...list(runs, [(run) => run.id]),
      runs.length > 0 ? `[${[...completed.values()].map(toEntry).join(",")}]` : null,
      runs.length > 0 ? `[${runs.map((run) => outputs.get(run) ?? "null").join(",")}]` : null,
      databaseNow(),
    ]);
    const { gone, billed } = readReply(row?.reply ?? null);
    const lost = new Set(gone.map((index) => runs[index]));
    const isGone = ({ run, position }: CompactElement): boolean => position !== undefined && lost.has(run);
    return {
      seq,
      kept: lost.size > 0 ? elements.filter((element) => !isGone(element)) : elements,
      gone: lost.size > 0 ? elements.filter(isGone) : [],
      billed,
      outputs,
    };
  }
}

/** The completed tasks of each run; the runs in the order in which they are locked. */
function groupByRun(elements: readonly CompactElement[]): Map<CompactRun, Completed> {
  const groups = new Map<CompactRun, Completed>();
  const sorted = elements.toSorted((a, b) => (a.run.id < b.run.id ? -1 : a.run.id > b.run.id ? 1 : 0));
  for (const { run, position, text } of sorted) {
    if (position !== undefined) {
      const group = groups.get(run);
      if (group) {
        group.push([position, text]);
      } else {
        groups.set(run, [[position, text]]);
      }
    }
  }
  return groups;
}

/** An array literal of each pick; nulls for no items. */
function list<T>(items: readonly T[], picks: readonly ((item: T) => string)[]): (string | null)[] {
  return picks.map((pick) => (items.length > 0 ? `{${items.map(pick).join(",")}}` : null));
}

function toEntry(tasks: Completed): string {
  return `[${tasks.map(([position, output]) => `[${position},${output}]`).join(",")}]`;
}

function readReply(reply: string | null): { gone: readonly number[]; billed: ReadonlySet<string> } {
  const { gone, billed } =
    reply === null ? {} : (JSON.parse(reply) as { gone?: number[] | null; billed?: string[] | null });
  return { gone: gone ?? [], billed: new Set(billed) };
}
