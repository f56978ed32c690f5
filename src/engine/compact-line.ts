import type { CompactRun } from "./compact-run.ts";

const EXCHANGE =
  "select goalpost.exchange_compact($1::uuid, $2::bigint, $3, $4::text::uuid[], $5::text::bigint[], $6::json, $7::text::uuid[], $8::json, $9::json, $10::timestamptz) as reply";

/** At most this many elements go into one call. Each is small. */
const MAX_ELEMENTS = 1000;

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

/** What a worker has to say of its compact runs, and the calls that say it. */
export class CompactLine {
  readonly #o: CompactLineOptions;
  #waiting: CompactElement[] = [];

  constructor(options: CompactLineOptions) {
    this.#o = options;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  add(element: CompactElement): void {
    this.#waiting.push(element);
  }

  /** Gives up what is waiting. */
  clear(): CompactElement[] {
    return this.#waiting.splice(0);
  }

  /** Sends what is waiting. */
  send(): Promise<void> {
    return this.#send(this.#waiting.splice(0, MAX_ELEMENTS));
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
