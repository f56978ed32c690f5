import type { Estimate, EstimateKey, Estimates } from "../core/estimates.ts";
import { keyText } from "./evidence.ts";
import type { Guidance, Lesson, Pattern } from "./guidance.ts";

/** Samples that what other databases learned counts as, at most: evidence of one's own soon weighs more. */
const PRIOR_SAMPLES = 8;
/** Of error codes, fewer: no try is given up because others gave up. */
const PRIOR_TRIES = 2;
/** With that many samples of its own a database needs nobody's advice. */
const OWN_SAMPLES = 30;
/** How many samples of its own tell whether advice can be right, and by which factor it may differ. */
const PLAUSIBLE = { samples: 5, factor: 30 } as const;

const NONE: Pick<Guidance, "hub" | "version" | "estimates" | "routing" | "patterns"> = {
  hub: "",
  version: 0,
  estimates: [],
  routing: [],
  patterns: [],
};

/**
 * What other databases learned, as far as it is news to this one. It is a level more general than anything that was
 * measured here: it fills in where nothing was, gives way as samples come, and never replaces them.
 */
export class FleetLessons {
  readonly hub: string;
  /** 0: there are none. */
  readonly version: number;
  readonly #steps: ReadonlyMap<string, Lesson>;
  readonly #models: ReadonlyMap<string, readonly Lesson[]>;
  readonly #patterns: ReadonlyMap<string, readonly Pattern[]>;

  /** @param self the id of this database: what only it has published is no news */
  constructor(guidance: Pick<Guidance, keyof typeof NONE> = NONE, self: string | null = null) {
    const isNews = ({ only }: Lesson): boolean => only === null || only !== self;
    const known = guidance.estimates.filter((lesson) => !isNews(lesson));
    const own = new Set(known.map(({ kind }) => kind));
    this.hub = guidance.hub;
    this.version = guidance.version;
    this.#steps = new Map(guidance.estimates.filter(isNews).map((lesson) => [keyText(lesson), lesson]));
    this.#models = byKind(guidance.routing.filter(isNews));
    this.#patterns = byKind(guidance.patterns.filter(({ kind }) => !own.has(kind)));
  }

  /** All that there is, but for patterns. */
  get all(): readonly Lesson[] {
    return [...this.#steps.values(), ...[...this.#models.values()].flat()];
  }

  /** How a step runs elsewhere: with that model where that is known, else with any. */
  step(step: string, model?: string): Lesson | undefined {
    const of = (name: string): Lesson | undefined =>
      this.#steps.get(keyText({ topic: "step", kind: step, model: name }));
    return (model === undefined ? undefined : of(model)) ?? of("");
  }

  /** How models do on a kind of request elsewhere. */
  models(kind: string): readonly Lesson[] {
    return this.#models.get(kind) ?? [];
  }

  /** What tries after errors of a step are worth elsewhere. */
  patterns(step: string): readonly Pattern[] {
    return this.#patterns.get(step) ?? [];
  }

  /** The estimates of this database, with what others learned below them. */
  below(own: Estimates): Estimates {
    if (this.version === 0) {
      return own;
    }
    return {
      snapshotId: `${own.snapshotId}+${this.hub}:${this.version}`,
      of: (key) => this.#estimate(own.of(key), key),
    };
  }

  #estimate(own: Estimate, { step, model }: EstimateKey): Estimate {
    const lesson = this.step(step, model);
    if (!lesson || own.samples >= OWN_SAMPLES || isImplausible(lesson, own)) {
      return own;
    }
    const rest = { retries: this.#retries(own, step), costUsd: own.costUsd ?? lesson.costUsd };
    return isMeasured(own) ? { ...blend(own, lesson), ...rest } : { ...fill(own, lesson), ...rest };
  }

  #retries(own: Estimate, step: string): Estimate["retries"] {
    const others = this.patterns(step).map(({ code, tries, completed }) => {
      const samples = Math.min(PRIOR_TRIES, tries);
      return [code, { samples, successRate: (completed + 1) / (tries + 2) }] as const;
    });
    return { ...Object.fromEntries(others), ...own.retries };
  }
}

function byKind<T extends { readonly kind: string }>(list: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of list) {
    groups.set(one.kind, [...(groups.get(one.kind) ?? []), one]);
  }
  return groups;
}

/** Whether it tells of that very kind of work. */
function isMeasured({ level, samples }: Estimate): boolean {
  return samples > 0 && (level === "step" || level === "model" || level === "kind");
}

/** Whether what others say cannot be of the same work, or unit, as what was measured here. */
export function isImplausible(lesson: Lesson, own: Estimate): boolean {
  if (!isMeasured(own) || own.samples < PLAUSIBLE.samples) {
    return false;
  }
  return Math.abs(Math.log(lesson.medianMs / own.medianMs)) > Math.log(PLAUSIBLE.factor) + own.sigma;
}

/** Nothing is known here: what others measured, as a few samples. A limit on time is nobody's but one's own. */
function fill(own: Estimate, lesson: Lesson): Estimate {
  return {
    ...own,
    samples: Math.min(PRIOR_SAMPLES, lesson.samples),
    medianMs: lesson.medianMs,
    meanMs: lesson.meanMs,
    sigma: lesson.sigma,
    quantilesMs: lesson.quantilesMs,
    p95Ms: null,
    p99Ms: null,
    successRate: lesson.successRate,
    drift: 0,
    level: "fleet",
  };
}

/** A little is known here: between the two, by their samples. What is called p95 stays what it was. */
function blend(own: Estimate, lesson: Lesson): Estimate {
  const others = Math.min(PRIOR_SAMPLES, lesson.samples);
  const share = own.samples / (own.samples + others);
  const between = (a: number, b: number): number => a ** share * b ** (1 - share);
  const linear = (a: number, b: number): number => share * a + (1 - share) * b;
  const { length } = own.quantilesMs;
  return {
    ...own,
    medianMs: between(own.medianMs, lesson.medianMs),
    meanMs: between(own.meanMs, lesson.meanMs),
    sigma: linear(own.sigma, lesson.sigma),
    quantilesMs: own.quantilesMs.map((ms, index) => between(ms, quantile(lesson, (index + 0.5) / length))),
    successRate: linear(own.successRate, lesson.successRate),
  };
}

function quantile({ quantilesMs, medianMs }: Lesson, share: number): number {
  const index = Math.min(quantilesMs.length - 1, Math.floor(share * quantilesMs.length));
  return quantilesMs[index] ?? medianMs;
}
