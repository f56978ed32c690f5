import type { App } from "./core/app.ts";
import { GoalpostError } from "./core/errors.ts";
import type { Decomposer } from "./core/goal.ts";
import type { StepMap } from "./core/step.ts";
import type { AnyWorkflow } from "./core/workflow.ts";
import type { TaskCode } from "./engine/code.ts";
import type { DefinitionNode, RunDefinition } from "./engine/definitions.ts";
import type { RunInfo } from "./engine/protocol.ts";
import { type GoalCode, plannedCode } from "./planned-code.ts";
import { registeredCode, staticCode } from "./static-code.ts";

/** The name under which the runs of goals are listed. */
export const GOAL_WORKFLOW = "goal";

/** Finished runs whose code is kept. */
const MAX_FINISHED = 1000;

type RunCode = { readonly workflow: AnyWorkflow } | { readonly goal: GoalCode };

/** Where a worker finds the code of a task: what the run was started with here, else what was registered. */
export class CodeRegistry {
  readonly #byRun = new Map<string, RunCode>();
  readonly #finished = new Map<string, RunCode>();
  readonly #workflows = new Map<string, AnyWorkflow>();
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
      refuseOther("workflow", workflow.name, { known: this.#workflows.get(workflow.name), given: workflow });
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
    return { decomposer: decomposer ?? this.#decomposer, steps: steps ?? this.#steps };
  }

  /** Binds code to one run for as long as it goes on. */
  bind(runId: string, code: RunCode): void {
    this.#byRun.set(runId, code);
  }

  /** The run is final: its code is only kept for a while, in case the run is retried. */
  release(runId: string): void {
    const code = this.#byRun.get(runId);
    this.#byRun.delete(runId);
    if (code) {
      this.#finished.set(runId, code);
      const [oldest] = this.#finished.keys();
      if (this.#finished.size > MAX_FINISHED && oldest !== undefined) {
        this.#finished.delete(oldest);
      }
    }
  }

  /** Binds the code of one run to the run that retries it. */
  rebind(runId: string, retryId: string): void {
    const code = this.#byRun.get(runId) ?? this.#finished.get(runId);
    if (code) {
      this.bind(retryId, code);
    }
  }

  find(run: RunInfo, definition: RunDefinition, node: DefinitionNode): TaskCode | undefined {
    const bound = this.#byRun.get(run.id);
    if (bound && "goal" in bound) {
      return plannedCode(bound.goal, definition, node);
    }
    if (run.source === "planned") {
      return plannedCode(this.goalCode(undefined, undefined), definition, node);
    }
    if (!bound && run.source === "dynamic") {
      return registeredCode(this.#steps, node);
    }
    const workflow = bound?.workflow ?? this.#workflows.get(run.workflow);
    return workflow && staticCode(workflow, node);
  }
}

function refuseOther(kind: string, name: string, { known, given }: { known: unknown; given: unknown }): void {
  if (known !== undefined && given !== undefined && known !== given) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `another ${kind} "${name}" is registered already; give this one another name`,
    );
  }
}
