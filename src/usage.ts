import { checkFields } from "./core/budget.ts";
import type { Driver } from "./core/driver.ts";
import { GoalpostError } from "./core/errors.ts";
import { checkOneOf } from "./core/policy.ts";
import { NO_USAGE, type Usage } from "./core/usage.ts";
import type { FinishedRun } from "./engine/protocol.ts";
import { getRun, isUuid } from "./store/runs.ts";
import { type RunUsage, summarizeUsage, type UsageKey, type UsageRow, usageOfRun } from "./store/usage.ts";

const KEYS: readonly UsageKey[] = ["model", "workflow", "task", "label", "instance", "day", "provider"];
const FIELDS: readonly string[] = ["since", "until", "groupBy", "label"];

/** Which calls are summed up, and how. */
export interface UsageFilter {
  /** Calls that began then or later; a Date, or what `new Date()` takes. Default: from the first on. */
  readonly since?: Date | string | number | undefined;
  /** Calls that began before then. Default: to the last. */
  readonly until?: Date | string | number | undefined;
  /**
   * One row for each combination of these. A day is one of UTC, as "2026-01-31". A label is `key=value`: a call with
   * several labels is in the row of each, so that these rows can add up to more than all; see `label`. A call that lacks
   * one of them (a label, or the run that has a workflow and a task) is in a row where that is null. Default: one row.
   */
  readonly groupBy?: readonly UsageKey[] | undefined;
  /** With groupBy "label": only labels with this key. Every call is then in one row. */
  readonly label?: string | undefined;
}

/** `gp.usage`: tokens and money of all LLM and embedding calls, those of runs that were pruned included. */
export class UsageBook {
  readonly #driver: Driver;

  constructor(driver: Driver) {
    this.#driver = driver;
  }

  /**
   * Sums, the dearest first, or by day. Calls that are under way are not among them.
   * @throws INVALID_INPUT
   */
  async summary(filter: UsageFilter = {}): Promise<UsageRow[]> {
    checkFields({ ...filter }, FIELDS, "the filter of usage.summary");
    const { groupBy = [], label } = filter;
    if (!Array.isArray(groupBy)) {
      throw new GoalpostError("INVALID_INPUT", `groupBy must be a list of ${KEYS.join(", ")}`);
    }
    for (const key of groupBy) {
      checkOneOf(key, { what: "groupBy", allowed: KEYS });
    }
    if (label !== undefined && (typeof label !== "string" || !groupBy.includes("label"))) {
      throw new GoalpostError(
        "INVALID_INPUT",
        'label is the key of a label, and needs groupBy: ["label"]; such as { groupBy: ["label"], label: "team" }',
      );
    }
    return summarizeUsage(this.#driver, {
      since: toDate(filter.since, "since"),
      until: toDate(filter.until, "until"),
      groupBy,
      label: label ?? null,
    });
  }

  /**
   * What a run and the runs that it led to used, in all and by model. Final when the run is completed; before that
   * calls under way are left out. A run that was pruned is known as long as nobody else started it.
   * @throws RUN_NOT_FOUND
   */
  async run(id: string): Promise<RunUsage> {
    const unknown = await getRun(this.#driver, id).then(
      () => undefined,
      (error: GoalpostError) => error,
    );
    // The ledger may still know it.
    if (unknown && !(unknown.code === "RUN_NOT_FOUND" && isUuid(id))) {
      throw unknown;
    }
    const usage = await usageOfRun(this.#driver, id);
    if (unknown && usage.calls === 0) {
      throw unknown;
    }
    return usage;
  }
}

/** What a finished run used, all below it included; asks nobody if that made no call. */
export async function usageOf(driver: Driver, run: FinishedRun): Promise<Usage> {
  if (!run.billed) {
    return NO_USAGE;
  }
  const { models: _, ...usage } = await usageOfRun(driver, run.id);
  return usage;
}

function toDate(given: unknown, what: string): Date | null {
  if (given === undefined) {
    return null;
  }
  const fits = given instanceof Date || typeof given === "string" || typeof given === "number";
  const date = fits ? new Date(given) : undefined;
  if (!date || Number.isNaN(date.getTime())) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `${what} is ${String(given)}; it must be a Date, or the text of one`,
    );
  }
  return date;
}
