import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import { type Refused, type Sample, Summary } from "../core/summary.ts";
import type { Tried } from "../core/tried.ts";
import { sizeBucket } from "./size-bucket.ts";
import { GLOBAL, kindKey, modelKey, type StatKey, taskKey } from "./stat-key.ts";

/** Milliseconds from the first sample to when they are stored. */
export const FLUSH_MS = 3000;
/** Samples of one kind of work that are kept between two times of storing; more tell nothing new. */
const MOST_SAMPLES = 500;
/** Tries that failed whose next try is waited for. */
const MOST_FAILED = 10_000;
/** Tasks of which it is asked how long they had waited. */
const MOST_WAITED = 50;
/** Keys that are kept while the database does not take them. */
const MOST_KEPT = 5000;

/** What is to be added to a row of statistics. */
export interface Delta {
  readonly key: StatKey;
  readonly summary: Summary;
}

/** A task whose wait is to be looked up. */
export interface Waited {
  readonly runId: string;
  readonly position: number;
  readonly step: string;
}

interface Leaf {
  readonly step: string;
  readonly task: string | undefined;
  readonly model: string;
  readonly size: number;
  readonly samples: Sample[];
}

export interface CollectorOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly store: (deltas: readonly Delta[], waited: readonly Waited[]) => Promise<void>;
}

/** Gathers what tries tell in memory, and has it stored a few seconds later: no task waits for it. */
export class Collector {
  readonly #options: CollectorOptions;
  #leaves = new Map<string, Leaf>();
  #waited: Waited[] = [];
  /** Task → the code of its last failure. */
  readonly #failed = new Map<string, string>();
  #kept = new Map<string, Delta>();
  readonly #ignored = new Map<Refused, number>();
  #cancelTimer: (() => void) | undefined;
  #storing: Promise<void> = Promise.resolve();

  constructor(options: CollectorOptions) {
    this.#options = options;
  }

  /** Why samples were not believed, and how many. */
  get ignored(): ReadonlyMap<Refused, number> {
    return this.#ignored;
  }

  observe(tried: Tried): void {
    const after = this.#failureBefore(tried);
    if (tried.failures > 0 && after === undefined) {
      // Another process saw what it follows.
      return;
    }
    const { spent } = tried;
    const leaf = this.#leafOf(tried);
    if (leaf.samples.length < MOST_SAMPLES) {
      const measured = tried.failures === 0 && tried.whole;
      leaf.samples.push({
        at: tried.at,
        outcome: outcomeOf(tried),
        runMs: measured ? tried.runMs : undefined,
        after,
        costUsd: spent ? spent.costUsd : 0,
        inputTokens: spent?.inputTokens,
        outputTokens: spent?.outputTokens,
      });
      if (measured && tried.item < 0 && this.#waited.length < MOST_WAITED) {
        this.#waited.push(tried);
      }
    }
    this.#cancelTimer ??= this.#options.clock.timer(FLUSH_MS, () => void this.flush());
  }

  /** Has everything stored that was seen so far. Never throws: what cannot be stored is kept for the next time. */
  flush(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#storing = this.#storing.then(() => this.#store());
    return this.#storing;
  }

  async #store(): Promise<void> {
    const leaves = this.#leaves;
    const waited = this.#waited;
    this.#leaves = new Map();
    this.#waited = [];
    for (const leaf of leaves.values()) {
      this.#fold(leaf);
    }
    const deltas = this.#kept;
    this.#kept = new Map();
    if (deltas.size === 0) {
      return;
    }
    try {
      await this.#options.store([...deltas.values()], waited);
    } catch (error) {
      this.#options.logger.warn(
        { error: String(error), kinds: deltas.size },
        "statistics could not be stored",
      );
      if (deltas.size < MOST_KEPT) {
        this.#kept = deltas;
      }
    }
  }

  #fold({ step, task, model, size, samples }: Leaf): void {
    const summary = new Summary();
    for (const sample of samples) {
      const refused = summary.add(sample);
      if (refused) {
        this.#ignored.set(refused, (this.#ignored.get(refused) ?? 0) + 1);
      }
    }
    if (summary.tries === 0) {
      return;
    }
    const keys = [modelKey(step, model, size), kindKey(step), GLOBAL];
    for (const key of [
      ...keys,
      ...(task === undefined ? [] : [taskKey(step, task)]),
      ...(model === "" ? [] : [modelKey(step, model)]),
    ]) {
      const known = this.#kept.get(key.text);
      this.#kept.set(key.text, { key, summary: known ? Summary.merge(known.summary, summary) : summary });
    }
  }

  #leafOf({ step, task, spent, inputs }: Tried): Leaf {
    const model = spent?.model ?? "";
    const size = sizeBucket(inputs);
    const key = `${step}/${size}/${task ?? ""}/${model}`;
    let leaf = this.#leaves.get(key);
    if (!leaf) {
      leaf = { step, task, model, size, samples: [] };
      this.#leaves.set(key, leaf);
    }
    return leaf;
  }

  /** The code of the failure that a try follows; that of its own is kept for the next one. */
  #failureBefore({ runId, position, item, failures, outcome, code }: Tried): string | undefined {
    if (failures === 0 && outcome !== "retry") {
      return undefined;
    }
    const key = `${runId}/${position}/${item}`;
    const before = this.#failed.get(key);
    this.#failed.delete(key);
    if (outcome === "retry" && code !== undefined) {
      this.#failed.set(key, code);
      const [oldest] = this.#failed.keys();
      if (this.#failed.size > MOST_FAILED && oldest !== undefined) {
        this.#failed.delete(oldest);
      }
    }
    return failures > 0 ? before : undefined;
  }
}

function outcomeOf({ outcome, code }: Tried): Sample["outcome"] {
  return outcome === "completed" ? "completed" : code === "STEP_TIMEOUT" ? "timed_out" : "failed";
}
