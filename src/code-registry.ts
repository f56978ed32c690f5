import type { GoalCode, GoalSettings } from "./ask-decomposer.ts";
import { BUILT_IN_WORKFLOWS } from "./built-in-workflows.ts";
import type { App } from "./core/app.ts";
import { GoalpostError } from "./core/errors.ts";
import type { Decomposer, TaskSpec } from "./core/goal.ts";
import { PLAN } from "./core/shape.ts";
import type { StepMap } from "./core/step.ts";
import type { AnyWorkflow } from "./core/workflow.ts";
import type { TaskCode } from "./engine/code.ts";
import type { DefinitionNode, RunDefinition } from "./engine/definitions.ts";
import type { RunInfo } from "./engine/protocol.ts";
import type { Learning } from "./learning.ts";
import { plannedCode } from "./planned-code.ts";
import type { RunPlace } from "./run-place.ts";
import { registeredCode, staticCode } from "./static-code.ts";
import { isAgentStep } from "./step-agents.ts";

/** The name under which the runs of goals are listed. */
export const GOAL_WORKFLOW = "goal";

/** Finished runs, and distributed ones, whose code is kept: nobody need tell this process how those end. */
const MAX_KEPT = 1000;

/** What a run was started with here. */
export type RunCode = { readonly workflow: AnyWorkflow } | { readonly goal: GoalCode };

/** Where a worker finds the code of a task: what the run was started with here, else what was registered. */
export class CodeRegistry {
  readonly #byRun = new Map<string, RunCode>();
  readonly #shared = new Map<string, RunCode>();
  readonly #finished = new Map<string, RunCode>();
  readonly #workflows = new Map<string, AnyWorkflow>();
  /** What past runs taught, for planning. */
  learning: Learning | undefined;
  #steps: StepMap = {};
  #decomposer: Decomposer | undefined;

  /** Adds an app's code. @throws INVALID_INPUT if another function has the name already */
  register(app: App): void {
    for (const [name, step] of Object.entries(app.steps ?? {})) {
      refuseOther("step", name, {
        known: Object.hasOwn(this.#steps, name) ? this.#steps[name] : undefined,
        given: step,
      });
    }
    for (const workflow of app.workflows ?? []) {
      refuseOther("workflow", workflow.name, { known: this.#workflowOf(workflow.name), given: workflow });
    }
    refuseOther("app's", "decomposer", { known: this.#decomposer, given: app.decomposer });
    this.#steps = { ...this.#steps, ...app.steps };
    this.#decomposer = app.decomposer ?? this.#decomposer;
    for (const workflow of app.workflows ?? []) {
      this.#workflows.set(workflow.name, workflow);
    }
  }

  /** What a goal started without code of its own is carried out with. */
  goalCode(decomposer: Decomposer | undefined, steps: StepMap | undefined): GoalCode {
    return {
      decomposer: decomposer ?? this.#decomposer,
      steps: steps ?? this.#steps,
      learning: this.learning,
    };
  }

  /** Whether code is bound to a run that goes on. */
  has(runId: string): boolean {
    return this.#byRun.has(runId);
  }

  /** Whether there is code here for runs that other processes started. */
  get servesOthers(): boolean {
    return (
      this.#shared.size > 0 ||
      this.#workflows.size > 0 ||
      this.#decomposer !== undefined ||
      Object.keys(this.#steps).length > 0
    );
  }

  /**
   * Binds code to one run for as long as it goes on; that of a distributed one for a while, as this process may be the
   * one that carries it out.
   */
  bind(runId: string, code: RunCode, place?: Pick<RunPlace, "execution">): void {
    if (place?.execution !== "distributed") {
      this.#byRun.set(runId, code);
    } else {
      keep(this.#shared, runId, code);
    }
  }

  /** The run is final: its code is only kept for a while, in case the run is retried. */
  release(runId: string): void {
    const code = this.#byRun.get(runId) ?? this.#shared.get(runId);
    this.#byRun.delete(runId);
    if (code) {
      keep(this.#finished, runId, code);
    }
  }

  /** Binds the code of one run to the run that retries it. */
  rebind(runId: string, retryId: string): void {
    const code = this.#byRun.get(runId) ?? this.#finished.get(runId);
    if (code) {
      this.#byRun.set(retryId, code);
    }
  }

  /** What the tasks of a run are carried out with, if it is the run of a goal, or may be. */
  stepsOf(runId: string): StepMap | undefined {
    const bound = this.#byRun.get(runId) ?? this.#shared.get(runId);
    if (bound) {
      return "goal" in bound ? bound.goal.steps : undefined;
    }
    return this.#decomposer && this.#steps;
  }

  #workflowOf(name: string): AnyWorkflow | undefined {
    return this.#workflows.get(name) ?? BUILT_IN_WORKFLOWS.get(name);
  }

  find(run: RunInfo, definition: RunDefinition, node: DefinitionNode): TaskCode | undefined {
    const bound = this.#byRun.get(run.id) ?? this.#shared.get(run.id);
    if (bound && "goal" in bound) {
      return plannedCode(bound.goal, definition, node);
    }
    if (run.source === "planned") {
      const code = this.goalCode(undefined, undefined);
      return node.kind === "plan" && !canPlan(code, run, node)
        ? undefined
        : plannedCode(code, definition, node);
    }
    if (!bound && run.source === "dynamic") {
      return registeredCode(this.#steps, node);
    }
    const workflow = bound?.workflow ?? this.#workflowOf(run.workflow);
    return workflow && staticCode(workflow, node);
  }
}

function keep(kept: Map<string, RunCode>, runId: string, code: RunCode): void {
  kept.set(runId, code);
  const [oldest] = kept.keys();
  if (kept.size > MAX_KEPT && oldest !== undefined) {
    kept.delete(oldest);
  }
}

/** Whether the goal of a run that another process started can be planned here: if not, another one will. */
function canPlan(code: GoalCode, run: RunInfo, node: DefinitionNode): boolean {
  const graph = node.name === PLAN ? (run.settings as GoalSettings | null)?.graph : null;
  return graph ? graph.every((task) => knowsSteps(code, task)) : code.decomposer !== undefined;
}

function knowsSteps(code: GoalCode, task: TaskSpec): boolean {
  if (task.decompose) {
    return code.decomposer !== undefined;
  }
  return task.subtasks?.length
    ? task.subtasks.every((subtask) => knowsSteps(code, subtask))
    : Object.hasOwn(code.steps, task.step ?? task.id) || isAgentStep(task.step ?? task.id);
}

function refuseOther(kind: string, name: string, { known, given }: { known: unknown; given: unknown }): void {
  if (known !== undefined && given !== undefined && known !== given) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `another ${kind} "${name}" is registered already; give this one another name`,
    );
  }
}
