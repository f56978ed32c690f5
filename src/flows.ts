import type { Driver } from "./core/driver.ts";
import { GoalpostError, isGoalpostError } from "./core/errors.ts";
import type {
  Flow,
  FlowMapOptions,
  FlowOptions,
  FlowRef,
  FlowStep,
  FlowStepOptions,
  FlowSummary,
  Optional,
} from "./core/flow.ts";
import { DEFAULT_LIMITS } from "./core/goal.ts";
import { check } from "./core/policy.ts";
import { flowName, readFlowOptions, readStep, refused } from "./flow-options.ts";
import type { Runs } from "./runs.ts";
import {
  addFlowStep,
  createFlow,
  deleteFlow,
  deleteRuns,
  findFlow,
  flowNotFound,
  getFlow,
  getFlowStep,
  listFlows,
  type NewStep,
  nextRunsOfFlow,
} from "./store/flows.ts";

/** Runs that are removed in one transaction. */
const RUNS_AT_ONCE = 100;
const DEFAULT_LIMIT = 50;

/** `gp.flows`: dynamic workflows, built row by row and run by `gp.executeDynamic`. */
export class Flows {
  readonly #driver: Driver;
  readonly #runs: Runs;

  constructor(driver: Driver, runs: Runs) {
    this.#driver = driver;
    this.#runs = runs;
  }

  /**
   * Makes a flow without steps. If there is one of that name it is returned as it is; its options stay.
   * @param options defaults of its steps (`maxAttempts`, `timeoutMs`, `retry`) and of its runs (`priority`, `deadlineMs`)
   * @throws INVALID_INPUT
   */
  async create(name: string, options?: Optional<FlowOptions> | null): Promise<Flow> {
    const flow = flowName(name);
    await createFlow(this.#driver, flow, readFlowOptions(flow, options));
    return this.get(flow);
  }

  /**
   * Adds a step. If there is one of that name it is returned as it is. A step only comes after steps that are there
   * already, so a flow cannot have a cycle. Runs that go on already do not get the step.
   * @throws FLOW_NOT_FOUND; INVALID_INPUT with `details.issue` SELF_DEPENDENCY, UNKNOWN_DEPENDENCY, CYCLE or TOO_LARGE
   */
  addStep(flow: FlowRef, name: string, options?: Optional<FlowStepOptions> | null): Promise<FlowStep> {
    return this.#add(() => readStep(flow, name, { kind: "step", given: options }));
  }

  /**
   * Adds a map step: it is carried out once for each item of an array, and its output is the array of what that
   * returned. The array is the output of the step `over`, or `items`, or the run's input. Otherwise as
   * {@link Flows.addStep}.
   * @throws FLOW_NOT_FOUND; INVALID_INPUT with `details.issue` SELF_DEPENDENCY, UNKNOWN_DEPENDENCY, CYCLE or TOO_LARGE
   */
  addMapStep(flow: FlowRef, name: string, options?: Optional<FlowMapOptions> | null): Promise<FlowStep> {
    return this.#add(() => readStep(flow, name, { kind: "map", given: options }));
  }

  /** A flow with its steps. @throws FLOW_NOT_FOUND, INVALID_INPUT */
  async get(name: FlowRef): Promise<Flow> {
    const { id: _, ...flow } = await getFlow(this.#driver, flowName(name));
    return flow;
  }

  /** Flows without their steps, by name; at most `limit` (default 50). @throws INVALID_INPUT */
  async list(page: { readonly limit?: number; readonly offset?: number } = {}): Promise<FlowSummary[]> {
    const { limit = DEFAULT_LIMIT, offset = 0 } = page;
    check(limit, { what: "limit", least: 1, whole: true });
    check(offset, { what: "offset", least: 0, whole: true });
    return listFlows(this.#driver, { limit, offset });
  }

  /**
   * Deletes a flow, its steps and its runs. A run that is started at the same moment goes on to its end.
   * @param options force: cancels runs that are not finished first; without it they are a reason to refuse
   * @throws FLOW_NOT_FOUND, INVALID_INPUT; INVALID_STATE if a run is not finished
   */
  async delete(name: FlowRef, options: { readonly force?: boolean | undefined } = {}): Promise<void> {
    const flow = await findFlow(this.#driver, flowName(name));
    const unfinished = await this.#unfinishedRuns(flow.name);
    const [first] = unfinished;
    if (first !== undefined && !options.force) {
      throw new GoalpostError(
        "INVALID_STATE",
        `flow "${flow.name}" has ${unfinished.length} unfinished runs (the first is ${first}); ` +
          "wait for them, cancel them, or delete with { force: true }, which cancels them",
      );
    }
    for (const id of unfinished) {
      await this.#cancel(id, `flow "${flow.name}" was deleted`);
    }
    for await (const runs of this.#runsOf(flow.name)) {
      await deleteRuns(
        this.#driver,
        runs.map((run) => run.id),
      );
    }
    await deleteFlow(this.#driver, flow.id);
  }

  /** A run that somebody else has deleted meanwhile is fine, too. */
  async #cancel(id: string, reason: string): Promise<void> {
    await this.#runs.cancel(id, { reason }).catch((error: unknown) => {
      if (!isGoalpostError(error) || error.code !== "RUN_NOT_FOUND") {
        throw error;
      }
    });
  }

  async #unfinishedRuns(name: string): Promise<string[]> {
    const ids: string[] = [];
    for await (const runs of this.#runsOf(name)) {
      ids.push(...runs.filter((run) => !run.final).map((run) => run.id));
    }
    return ids;
  }

  async *#runsOf(name: string): AsyncGenerator<readonly { id: string; final: boolean }[]> {
    for (let after: string | undefined; ; ) {
      const runs = await nextRunsOfFlow(this.#driver, name, { after, limit: RUNS_AT_ONCE });
      after = runs.at(-1)?.id;
      if (after === undefined) {
        return;
      }
      yield runs;
    }
  }

  async #add(read: () => NewStep): Promise<FlowStep> {
    const step = read();
    const { outcome, position, names } = await addFlowStep(this.#driver, step);
    if (position === null || outcome === "cycle") {
      throw refusal(step, outcome, names);
    }
    return getFlowStep(this.#driver, step.flow, position);
  }
}

function refusal(step: NewStep, outcome: string, names: readonly string[]): GoalpostError {
  const what = `step "${step.name}" of flow "${step.flow}"`;
  const list = names.map((name) => `"${name}"`).join(", ");
  switch (outcome) {
    case "no_flow":
      return flowNotFound(step.flow);
    case "unknown_dependency":
      return refused(
        "UNKNOWN_DEPENDENCY",
        `${what} comes after ${list}, and the flow has no such step; a step can only come after steps that were added before it`,
        names,
      );
    case "cycle":
      return refused(
        "CYCLE",
        `${what} cannot come after ${list}: that comes after "${step.name}" already`,
        names,
      );
    default:
      return refused(
        "TOO_LARGE",
        `${what} is one too many: a flow has at most ${DEFAULT_LIMITS.maxTasks} steps`,
      );
  }
}
