import type { Clock } from "./core/clock.ts";
import type { Driver } from "./core/driver.ts";
import type { Estimate, Estimates } from "./core/estimates.ts";
import type { Logger } from "./core/logger.ts";
import { kindOfStep } from "./core/model-routing.ts";
import { checkName } from "./core/names.ts";
import type { ModelCandidate, OptimizedOutcome, OptimizeLevel } from "./core/optimizer.ts";
import { check } from "./core/policy.ts";
import type { StepMap } from "./core/step.ts";
import type { Tried } from "./core/tried.ts";
import { Fleet, type HubLink } from "./fleet-client.ts";
import type { Collector } from "./learn/collector.ts";
import {
  type Decided,
  forgetOutcomes,
  makespanOf,
  type Realised,
  readDecisions,
  readOutcomes,
  type StoredDecision,
  storeDecisions,
  storeRealised,
} from "./learn/decisions-table.ts";
import { estimateOf } from "./learn/estimate.ts";
import { makeRecorder } from "./learn/recorder.ts";
import { makeSnapshot, NOTHING_KNOWN, readSnapshot, type SnapshotWish } from "./learn/snapshot.ts";
import { kindKey, type StatLevel } from "./learn/stat-key.ts";
import { forgetRows, listRows, readRows, type StatRow } from "./learn/stats-table.ts";
import { toCandidates } from "./model-candidates.ts";
import { PlanRecall } from "./plan-recall.ts";
import { readModelStats } from "./store/model-stats.ts";
import { getRun } from "./store/runs.ts";
import { usageOfRun } from "./store/usage.ts";

/** What was learned of one kind of work. */
export interface LearnedEstimate extends Omit<Estimate, "level"> {
  /** "step": a task of a graph that recurs. "model": a step by model and size of its input. "kind": a step. */
  readonly level: StatLevel;
  /** The step; empty for all of them together. */
  readonly step: string;
  /** Of level "step": the shape of the graph and the task's id in it. Of "model": size and model. */
  readonly of: string | null;
  /** From 0 to 1: how much it counts beside what is more general. Half of that once it has changed lately. */
  readonly confidence: number;
  /** Tries that were stopped when their time was up. */
  readonly timedOut: number;
  /** When the last sample came. */
  readonly lastAt: Date;
}

/** What was decided about a run by what was learned, and what came of it. */
export interface Explanation {
  readonly runId: string;
  /** The highest level of all its plans; null if nothing was decided. */
  readonly level: OptimizeLevel | null;
  /** What the simulation promised, by the last decision that says. */
  readonly predicted: { readonly makespanMs: number | null; readonly costUsd: number | null };
  /** What it would have been without: the simulation's other figure. */
  readonly without: { readonly makespanMs: number | null; readonly costUsd: number | null };
  /** How it went; null until the run has ended. */
  readonly realised: Realised | null;
  readonly decisions: readonly StoredDecision[];
}

const LEVELS: readonly OptimizeLevel[] = ["basic", "advanced", "aggressive"];
const DAY_MS = 86_400_000;
const DEFAULT_LIMIT = 100;
/** Samples that count half. */
const HALF_CONFIDENCE = 5;
/** Milliseconds for which what a decomposer is told of steps may be old. */
const KEEP_MS = 10_000;
/** Runs of one graph that are looked at for whether they were slower than promised. */
const PAST = 50;
/** Runs whose end is awaited. */
const MOST_AWAITED = 10_000;

/** `gp.learning`: what past runs taught, and what was made of it. */
export class Learning {
  readonly #driver: Driver;
  readonly #clock: Clock;
  readonly #recorder: Collector;
  /** The plans that reached their goals. @internal */
  readonly plans: PlanRecall;
  readonly #learns: boolean;
  readonly #logger: Logger;
  /** Runs that decisions were made for here. */
  readonly #decided = new Set<string>();
  #realising: Promise<void> = Promise.resolve();
  #steps: { at: number; names: string; estimates: Promise<Estimates> } | undefined;

  /** Learning with other databases; null unless the client was opened with `hub`. */
  readonly fleet: Fleet | null;

  constructor(parts: {
    driver: Driver;
    clock: Clock;
    logger: Logger;
    learns: boolean;
    hub?: HubLink | undefined;
  }) {
    this.fleet = parts.hub ? new Fleet(parts.hub, parts) : null;
    this.#driver = parts.driver;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    this.#learns = parts.learns;
    this.#recorder = makeRecorder(parts);
    this.plans = new PlanRecall(parts);
  }

  /** What is known of each kind of work, the most samples first. @throws INVALID_INPUT */
  async estimates(
    options: { readonly step?: string | undefined; readonly limit?: number | undefined } = {},
  ): Promise<LearnedEstimate[]> {
    const { step, limit = DEFAULT_LIMIT } = options;
    if (step !== undefined) {
      checkName(step, "step");
    }
    check(limit, { what: "limit", least: 1, most: 10_000, whole: true });
    await this.flush();
    const levels: StatLevel[] = step === undefined ? ["kind"] : ["kind", "model", "step"];
    const rows = await listRows(this.#driver, { levels, step, limit });
    return rows.map((row) => this.#toEstimate(row));
  }

  /**
   * Forgets what was learned, of one step or of everything, plans for `llmDecomposer`'s recall included; what was decided
   * by it stays.
   * @returns how many rows that were
   */
  async reset(options: { readonly step?: string | undefined } = {}): Promise<number> {
    if (options.step !== undefined) {
      checkName(options.step, "step");
    }
    await this.flush();
    this.#steps = undefined;
    const plans = options.step === undefined ? await this.plans.forget() : 0;
    if (options.step === undefined) {
      await forgetOutcomes(this.#driver);
    }
    return plans + (await forgetRows(this.#driver, options.step));
  }

  /** What was decided about a run, on what evidence, what it promised and what came of it. @throws RUN_NOT_FOUND */
  async explain(runId: string): Promise<Explanation> {
    await getRun(this.#driver, runId);
    await this.#realise(runId);
    const decisions = await readDecisions(this.#driver, runId);
    const level = LEVELS.findLast((one) => decisions.some((decision) => decision.level === one)) ?? null;
    const last = <K extends "makespanMs" | "costUsd">(
      key: K,
    ): { before: number; after: number } | undefined =>
      decisions.findLast(({ adopted, predicted }) => adopted && predicted?.[key])?.predicted?.[key];
    const [makespan, cost] = [last("makespanMs"), last("costUsd")];
    return {
      runId,
      level,
      predicted: { makespanMs: makespan?.after ?? null, costUsd: cost?.after ?? null },
      without: { makespanMs: makespan?.before ?? null, costUsd: cost?.before ?? null },
      realised: decisions[0]?.realised ?? null,
      decisions,
    };
  }

  /** Stores what the workers of this client have seen so far; by itself that happens every few seconds, and at its close. */
  async flush(): Promise<void> {
    await this.#recorder.flush();
    await this.#realising;
    await this.plans.flush();
  }

  /** Samples that were not believed, by reason. */
  get ignored(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#recorder.ignored);
  }

  /** Told of every try. @internal */
  get observe(): ((tried: Tried) => void) | undefined {
    return this.#learns ? (tried) => this.#recorder.observe(tried) : undefined;
  }

  /** What is known now, for planning. @internal */
  async snapshot(wish: Omit<SnapshotWish, "now">): Promise<Estimates> {
    const own = await readSnapshot(this.#driver, { ...wish, now: this.#clock.now() });
    return this.fleet?.advice.below(own) ?? own;
  }

  /** The models that steps asked, by step, with what is known of each. @internal */
  async modelsOf(steps: readonly string[]): Promise<ReadonlyMap<string, readonly ModelCandidate[]>> {
    const found = new Map<string, ModelCandidate[]>();
    const kinds = new Map(steps.map((step) => [kindOfStep(step), step]));
    for (const known of await readModelStats(this.#driver, [...kinds.keys()])) {
      const step = kinds.get(known.kind) as string;
      found.set(step, [...(found.get(step) ?? []), ...toCandidates(known)]);
    }
    return found;
  }

  /** How the last runs of a graph went, the latest last. @internal */
  pastOf(shape: string): Promise<OptimizedOutcome[]> {
    return readOutcomes(this.#driver, shape, PAST);
  }

  /** Milliseconds of work that tries of these steps are, as far as that is known; at most a day. Never fails. @internal */
  async workOf(steps: readonly string[]): Promise<number> {
    const known = await this.ofSteps([...new Set(steps)].sort());
    const sum = steps.reduce((before, step) => {
      const { samples, meanMs } = known.of({ step });
      return before + (samples > 0 ? meanMs : 0);
    }, 0);
    return Math.min(DAY_MS, sum);
  }

  /** What is known of steps, some seconds old. Never fails. @internal */
  async ofSteps(names: readonly string[]): Promise<Estimates> {
    if (!this.#learns) {
      return NOTHING_KNOWN;
    }
    const now = this.#clock.now();
    const key = names.join(" ");
    if (!this.#steps || this.#steps.names !== key || now - this.#steps.at > KEEP_MS) {
      const estimates = readRows(
        this.#driver,
        names.map((name) => kindKey(name).text),
      ).then(
        (rows) =>
          rows.length === 0
            ? NOTHING_KNOWN
            : makeSnapshot({ now }, { rows, byTask: [], byModel: [], kinds: [] }),
        () => NOTHING_KNOWN,
      );
      this.#steps = { at: now, names: key, estimates };
    }
    const own = await this.#steps.estimates;
    return this.fleet?.advice.below(own) ?? own;
  }

  /** Stores what was seen, and ends learning with others. @internal */
  async close(): Promise<void> {
    await this.flush();
    await this.fleet?.close();
  }

  /** Keeps what was decided. @internal */
  async decided(decided: Omit<Decided, "at">): Promise<void> {
    await storeDecisions(this.#driver, { ...decided, at: new Date(this.#clock.now()) });
    if (this.#decided.size < MOST_AWAITED) {
      this.#decided.add(decided.runId);
    }
  }

  /**
   * A run has ended: what came of the decisions, and of its plan if it has one, is written down beside the work.
   * @param steps of a planned run
   * @internal
   */
  ended(runId: string, steps?: StepMap): void {
    if (steps) {
      this.plans.ended(runId, steps);
    }
    if (this.#decided.delete(runId)) {
      this.#realising = this.#realising
        .then(() => this.#realise(runId))
        .catch((error: unknown) => {
          this.#logger.warn(
            { runId, error: String(error) },
            "what came of a run's decisions could not be stored",
          );
        });
    }
  }

  async #realise(runId: string): Promise<void> {
    const ended = await makespanOf(this.#driver, runId);
    if (ended) {
      const { costUsd } = await usageOfRun(this.#driver, runId);
      await storeRealised(this.#driver, runId, { ...ended, costUsd });
    }
  }

  #toEstimate({ level, step, key, summary }: StatRow): LearnedEstimate {
    const { level: _, ...estimate } = estimateOf(
      [{ name: level, summary, k: HALF_CONFIDENCE }],
      this.#clock.now(),
    );
    const weight = estimate.samples / (estimate.samples + HALF_CONFIDENCE);
    return {
      ...estimate,
      level,
      step,
      of: key.split("/").slice(2).join("/") || null,
      confidence: estimate.drift >= 1 ? weight / 2 : weight,
      timedOut: summary.censored.count,
      lastAt: new Date(summary.sums.lastAt),
    };
  }
}
