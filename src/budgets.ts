import { type BudgetLimits, checkBudget, checkFields, checkLimits } from "./core/budget.ts";
import type { Driver } from "./core/driver.ts";
import { GoalpostError } from "./core/errors.ts";
import { isObject, isStorableText } from "./core/json.ts";
import type { Budget } from "./core/llm.ts";
import { check } from "./core/policy.ts";
import {
  type BudgetOwner,
  type BudgetSummary,
  findBudget,
  listBudgets,
  raiseBudget,
  resumePaused,
  type StoredBudget,
  setLabelBudget,
} from "./store/budgets.ts";
import { getRun } from "./store/runs.ts";

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 10_000;

/** One label, such as `{ label: { team: "search" } }`: all runs that have it. */
export interface LabelTarget {
  readonly label: Readonly<Record<string, string>>;
}

/** `gp.budgets`: what LLM and embedding calls may cost. A run's own budget is given when it is started. */
export class Budgets {
  readonly #driver: Driver;
  readonly #wake: () => void;

  /** @param wake there may be something to carry out */
  constructor(driver: Driver, wake: () => void) {
    this.#driver = driver;
    this.#wake = wake;
  }

  /**
   * Gives all runs with a label a budget together, or changes it. It counts from the first time it is set; calls that
   * are under way then are not on it. Runs that it paused go on.
   * @throws INVALID_INPUT
   */
  async set(target: LabelTarget, budget: Omit<Budget, "scope">): Promise<BudgetSummary> {
    const owner = labelOwner(target);
    checkBudget(budget ?? null, "budget");
    if ("scope" in budget && budget.scope !== undefined) {
      throw new GoalpostError(
        "INVALID_INPUT",
        "the budget of a label has no scope: it is that of all its runs",
      );
    }
    await setLabelBudget(this.#driver, owner.key, budget);
    return this.#resume(owner);
  }

  /**
   * Gives a budget new limits, and lets the runs go on that it paused. Limits that are not named stay.
   * @param target the id of the run that was started with the budget, or a label
   * @throws INVALID_INPUT if more than that is spent already; RUN_NOT_FOUND; INVALID_STATE if there is no such budget
   */
  async raise(target: string | LabelTarget, limits: BudgetLimits): Promise<BudgetSummary> {
    const owner = await this.#owner(target);
    if (!isObject(limits)) {
      throw new GoalpostError("INVALID_INPUT", "limits must be an object such as { usd: 10 }");
    }
    checkFields(limits, ["usd", "tokens", "calls"], "limits");
    checkLimits(limits, "limits");
    const budget = await findBudget(this.#driver, owner);
    if (!budget) {
      throw noBudget(target);
    }
    const unit = await raiseBudget(this.#driver, budget.id, limits);
    if (unit) {
      const spent = (await findBudget(this.#driver, owner))?.[unit]?.spent;
      throw new GoalpostError(
        "INVALID_INPUT",
        `limits.${unit} is ${limits[unit]}, but ${spent ?? "more"} is spent already; give more than that`,
      );
    }
    return this.#resume(owner);
  }

  /**
   * Budgets and what is spent of them: those of labels first, then the newest.
   * @param options limit: at most this many. Default 100
   * @throws INVALID_INPUT
   */
  async list(options: { readonly limit?: number | undefined } = {}): Promise<BudgetSummary[]> {
    const { limit = DEFAULT_LIMIT } = options;
    check(limit, { what: "limit", least: 1, most: MAX_LIMIT, whole: true });
    return (await listBudgets(this.#driver, limit)).map(toSummary);
  }

  /** The budget that a run was started with, or that of a label; null if there is none. @throws RUN_NOT_FOUND */
  async get(target: string | LabelTarget): Promise<BudgetSummary | null> {
    const budget = await findBudget(this.#driver, await this.#owner(target));
    return budget ? toSummary(budget) : null;
  }

  async #owner(target: string | LabelTarget): Promise<BudgetOwner> {
    if (typeof target !== "string") {
      return labelOwner(target);
    }
    const { id } = await getRun(this.#driver, target);
    return { scopes: ["run", "tree"], key: id };
  }

  async #resume(owner: BudgetOwner): Promise<BudgetSummary> {
    const budget = await findBudget(this.#driver, owner);
    if (!budget) {
      throw new GoalpostError("INVALID_STATE", "the budget was removed together with its run");
    }
    if (budget.pausedRuns.length > 0) {
      await resumePaused(this.#driver, budget);
      this.#wake();
    }
    return { ...toSummary(budget), pausedRuns: [] };
  }
}

function toSummary({ id: _, ...budget }: StoredBudget): BudgetSummary {
  return budget;
}

/** @throws INVALID_INPUT unless it names one label */
function labelOwner(target: unknown): BudgetOwner {
  const label = isObject(target) && isObject(target.label) ? target.label : {};
  const [entry, ...others] = Object.entries(label);
  if (!entry || others.length > 0 || !entry.every((part) => isStorableText(part) && part !== "")) {
    throw new GoalpostError("INVALID_INPUT", 'name one label, such as { label: { team: "search" } }');
  }
  const [key, value] = entry;
  if (key.includes("=")) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `label ${JSON.stringify(key)} has "=" in its name: no budget can be on it`,
    );
  }
  return { scopes: ["label"], key: `${key}=${String(value)}` };
}

function noBudget(target: string | LabelTarget): GoalpostError {
  return new GoalpostError(
    "INVALID_STATE",
    typeof target === "string"
      ? `run ${target} was started without a budget of its own; raise that of the run above it, or of its label`
      : `label ${JSON.stringify(target.label)} has no budget; give it one with gp.budgets.set`,
  );
}
