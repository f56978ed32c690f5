import type { CodeRegistry, RunCode } from "./code-registry.ts";
import type { Driver } from "./core/driver.ts";
import { GoalpostError } from "./core/errors.ts";
import { canonicalJson } from "./core/json.ts";
import type { StartRow } from "./engine/protocol.ts";
import type { Worker } from "./engine/worker.ts";
import { dropPrivateDefinition, findByKey, type KeyedRun } from "./store/keyed-runs.ts";
import type { TakeOver } from "./take-over.ts";

export interface RunStarterOptions {
  readonly driver: Driver;
  readonly registry: CodeRegistry;
  readonly worker: Worker;
  readonly takeOver: TakeOver;
}

/** The run that a call started, or found under its idempotency key. */
export interface StartedRun {
  readonly runId: string;
  /** True if an earlier call started it. */
  readonly attached: boolean;
}

/** Stores runs, each idempotency key once, and binds the code given to them. */
export class RunStarter {
  readonly #o: RunStarterOptions;

  constructor(options: RunStarterOptions) {
    this.#o = options;
  }

  /** @throws INVALID_STATE if a run of another input or shape has the key */
  async start(row: StartRow, code: RunCode): Promise<StartedRun> {
    const { idempotencyKey: key } = row;
    if (key === undefined || key === null) {
      await this.#submit(row, code);
      return { runId: row.id, attached: false };
    }
    const known = await findByKey(this.#o.driver, row.workflow, key);
    if (known) {
      return this.#attach(known, row, code);
    }
    await this.#submit(row, code);
    // Of several that start at once the database stores one.
    const stored = await findByKey(this.#o.driver, row.workflow, key);
    if (!stored || stored.id === row.id) {
      return { runId: row.id, attached: false };
    }
    this.#o.registry.release(row.id);
    if (row.shape !== null) {
      await dropPrivateDefinition(this.#o.driver, row.id);
    }
    return this.#attach(stored, row, code);
  }

  async #submit(row: StartRow, code: RunCode): Promise<void> {
    this.#o.registry.bind(row.id, code, row);
    try {
      await this.#o.worker.submit(row);
    } catch (error) {
      this.#o.registry.release(row.id);
      throw error;
    }
  }

  async #attach(known: KeyedRun, row: StartRow, code: RunCode): Promise<StartedRun> {
    refuseOther(known, row, code);
    await this.#o.takeOver.follow(known.id, code);
    return { runId: known.id, attached: true };
  }
}

/** @throws INVALID_STATE unless the run that has the key does what this call asks for */
function refuseOther(known: KeyedRun, row: StartRow, code: RunCode): void {
  const refuse = (what: string, theirs: string, ours: string): never => {
    throw new GoalpostError(
      "INVALID_STATE",
      `idempotency key "${row.idempotencyKey}" of workflow "${row.workflow}" belongs to run ${known.id}, which was ` +
        `started with another ${what} (${theirs}, this call's is ${ours}); use another key for other work`,
    );
  };
  if (known.inputHash !== row.inputHash) {
    refuse("input", `hash ${short(known.inputHash)}`, short(row.inputHash));
  }
  if ("workflow" in code && known.definitionHash !== code.workflow.hash) {
    refuse("shape", `hash ${short(known.definitionHash)}`, short(code.workflow.hash));
  }
  if (row.shape !== null && graphOf(known.settings) !== graphOf(row.settings)) {
    refuse("graph", size(known.settings), size(row.settings));
  }
}

function short(hash: string | null): string {
  return hash === null ? "none" : hash.slice(0, 12);
}

/** The graph that a planned run was started with; null if it is planned by its decomposer. */
function graphIn(settings: StartRow["settings"]): unknown {
  return (settings as { graph?: unknown } | null)?.graph ?? null;
}

function graphOf(settings: StartRow["settings"]): string {
  return canonicalJson(graphIn(settings));
}

function size(settings: StartRow["settings"]): string {
  const graph = graphIn(settings);
  return Array.isArray(graph) ? `a graph of ${graph.length} tasks` : "planned by its decomposer";
}
