import {
  askDecomposer,
  DEFAULT_PLAN_TIMEOUT_MS,
  type GoalCode,
  type GoalSettings,
  toGoal,
} from "./ask-decomposer.ts";
import { InvalidGraphError } from "./core/errors.ts";
import type { Goal, PlanMemory, PlanOrigin, StepInfo, TaskSpec, ValidTaskGraph } from "./core/goal.ts";
import { isObject, type Json } from "./core/json.ts";
import { diffPlans } from "./core/plan-history.ts";
import { resolvePolicy } from "./core/policy.ts";
import type { Shape } from "./core/shape.ts";
import { isStep, type StepMap } from "./core/step.ts";
import { toTree } from "./core/task-tree.ts";
import type { TaskCall, TaskCode, TaskResult } from "./engine/code.ts";
import type { DefinitionNode, RunDefinition } from "./engine/definitions.ts";
import { NOTHING_KNOWN } from "./learn/snapshot.ts";
import { type OptimizedPlan, optimizePlan } from "./optimize-plan.ts";
import { compileGraph } from "./plan/compile.ts";
import type { Decomposition } from "./plan/decompose.ts";
import { readTasks } from "./plan/read-tasks.ts";
import { textOfTask } from "./plan/task-text.ts";
import { type ValidateOptions, validate } from "./plan/validate.ts";
import { findSite, type PlanSite } from "./plan-site.ts";
import { PlanStream } from "./plan-stream.ts";
import { tasksOf } from "./run-result.ts";
import { agentSteps } from "./step-agents.ts";
import { PROPOSED_PLAN } from "./store/plans.ts";
import { makeTaskLlm } from "./task-llm.ts";
import { TaskMemory } from "./task-memory.ts";

/** The code of a node that plans: the goal, a compound task when it is reached, or either of them again. */
export function planCode(code: GoalCode, definition: RunDefinition, node: DefinitionNode): TaskCode {
  return {
    policy: resolvePolicy(node.spec, { timeoutMs: DEFAULT_PLAN_TIMEOUT_MS }),
    async execute(call) {
      const site = await findSite(call, definition, node);
      const agents = await agentSteps(call.agents);
      return new Planning({ ...code, agents }, call, site).run();
    },
  };
}

/** What can carry a plan out. */
interface KnownCode extends GoalCode {
  readonly agents: Awaited<ReturnType<typeof agentSteps>>;
}

/** One try of making a plan. */
class Planning {
  readonly #code: KnownCode;
  readonly #call: TaskCall;
  readonly #site: PlanSite;
  readonly #settings: GoalSettings;
  #memory: TaskMemory | undefined;

  constructor(code: KnownCode, call: TaskCall, site: PlanSite) {
    this.#code = code;
    this.#call = call;
    this.#site = site;
    this.#settings = call.run.settings as unknown as GoalSettings;
  }

  async run(): Promise<TaskResult> {
    const { place, replan, kept } = this.#site;
    const stream = new PlanStream({
      call: this.#call,
      site: this.#site,
      limits: this.#settings.limits,
      check: this.#part,
      read: (tasks) => this.#read(tasks),
      finish: (shape) => withRequirements(shape, this.#code.steps),
    });
    const { tasks: given, origin } = await (this.#asks ? this.#approved(stream) : this.#tasks(stream));
    await stream.end();
    const tasks = this.#withoutKept(given);
    stream.refuseChanges(this.#read(tasks));
    const { known } = stream;
    const graph = await validate([...kept, ...tasks], this.#whole(new Set(known.keys())));
    const dispatch = await this.#dispatch(graph, known.size > 0);
    await this.#learned(dispatch, origin, graph.tasks);
    const shape = withRequirements(
      compileGraph(dispatch?.graph ?? graph, { ...place, known, dispatch: dispatch?.dispatch }),
      this.#code.steps,
    );
    const diff = replan && diffPlans(replan.tasks, graph.tasks, textOfTask);
    const output = origin ? { ...graph, origin } : graph;
    return { output, shape: diff ? { ...shape, diff: diff as unknown as Json } : shape };
  }

  /** How the graph is dispatched, by what is known now: that is decided once, with the transaction that it joins the run in. */
  async #dispatch(graph: ValidTaskGraph, begun: boolean): Promise<OptimizedPlan | undefined> {
    if (begun) {
      // A part of it is under way as it is.
      return undefined;
    }
    const { learning, steps } = this.#code;
    const { optimize: level = "basic", slots } = this.#settings;
    return optimizePlan(graph, { level, learning, steps, slots, models: this.#call.models });
  }

  /** Keeps what was decided, whether the plan of an earlier run is used among it. */
  async #learned(
    dispatch: OptimizedPlan | undefined,
    origin: PlanOrigin | undefined,
    tasks: readonly TaskSpec[],
  ): Promise<void> {
    const ids = tasks.map(({ id }) => id);
    const reuse = this.#memory?.decision(ids, origin);
    const decisions = [...(reuse ? [reuse] : []), ...(dispatch?.decisions ?? [])];
    if ((dispatch && (this.#settings.optimize ?? "basic") !== "basic") || decisions.length > 0) {
      const { level = "basic", snapshotId = NOTHING_KNOWN.snapshotId } = dispatch ?? {};
      const shape = dispatch?.dispatch.shape ?? null;
      const where = { runId: this.#call.run.id, plan: this.#call.node.position, shape };
      await this.#code.learning?.decided({ ...where, decisions, level, snapshotId });
    }
  }

  /** Only the plan of the goal itself, and only the first: a task that is planned late asks by `approval`. */
  get #asks(): boolean {
    return this.#settings.approvePlan === true && !this.#site.task && !this.#site.replan;
  }

  /** The plan that somebody approved of, as it was made or as they changed it. @throws REJECTED */
  async #approved(stream: PlanStream): Promise<Decomposition> {
    const { tasks, origin } = await this.#proposed(stream);
    const changed = await this.#call.waits.approval();
    return { tasks: changed === null ? tasks : tasksOf(changed), origin };
  }

  /** Planned once, and kept before anybody is asked: what is approved of is what was read. */
  async #proposed(stream: PlanStream): Promise<ValidTaskGraph> {
    const kept = this.#call.recall(PROPOSED_PLAN);
    if (kept !== undefined) {
      return kept as unknown as ValidTaskGraph;
    }
    // Not within `once`: what plans may have to wait, and nothing within it can.
    const { tasks, origin } = await this.#tasks(stream);
    const graph = await validate(tasks, this.#whole(new Set()));
    const plan = origin ? { ...graph, origin } : graph;
    return (await this.#call.once(PROPOSED_PLAN, () => plan)) as unknown as ValidTaskGraph;
  }

  async #tasks(stream: PlanStream): Promise<Decomposition> {
    const { graph, limits, approvePlan } = this.#settings;
    const { place, task, replan } = this.#site;
    const goal = toGoal(this.#call.run.input);
    if (!task && !replan && graph) {
      return { tasks: graph, origin: undefined };
    }
    const { inputs, signal, log } = this.#call;
    return askDecomposer(this.#code, {
      goal: task ? { ...goal, text: task.description } : goal,
      limits,
      depth: place.depth,
      task,
      outputs: inputs,
      signal,
      log,
      replan,
      ...(!approvePlan && { stream: (part) => stream.add(this.#withoutKept(part)) }),
      ...(stream.before.length > 0 && { streamed: stream.before }),
      llm: makeTaskLlm(this.#call),
      memory: task ? undefined : (steps) => this.#remember(goal, steps),
      agents: this.#code.agents.infos,
    });
  }

  #remember(goal: Goal, steps: readonly StepInfo[]): PlanMemory | undefined {
    const { learning } = this.#code;
    this.#memory = learning && new TaskMemory(learning.plans, this.#call, { goal, steps });
    return this.#memory;
  }

  #read(values: readonly unknown[]): readonly TaskSpec[] {
    return readTasks(values, this.#settings.limits.maxDepth - this.#site.place.depth).tasks;
  }

  /** How a whole plan is checked of which the run has the tasks with these ids. */
  #whole(own: ReadonlySet<string>): ValidateOptions {
    const { names, hidden } = this.#site;
    return this.#within([...[...names].filter((name) => !own.has(name)), ...hidden], hidden);
  }

  /** How a part of a plan is checked when the run has the tasks with these ids. */
  readonly #part = (known: readonly string[]): ValidateOptions => {
    const { names } = this.#site;
    return this.#within([...names, ...known], known);
  };

  #within(taken: Iterable<string>, finished: Iterable<string>): ValidateOptions {
    return {
      steps: { ...this.#code.agents.steps, ...this.#code.steps },
      limits: this.#settings.limits,
      within: {
        depth: this.#site.place.depth,
        taken: new Set(taken),
        finished: new Set([...Object.keys(this.#call.inputs), ...finished]),
      },
    };
  }

  /** Who plans again may repeat what is completed, as it is. @throws InvalidGraphError if it is not as it was */
  #withoutKept(values: readonly unknown[]): readonly unknown[] {
    const { kept, replan } = this.#site;
    const ids = new Set(kept.map((task) => task.id));
    const was = new Set(
      [...kept, ...toTree(replan?.tasks ?? []).tasks.map(({ spec }) => spec)].map(textOfTask),
    );
    const changed = this.#read(ids.size > 0 ? values : []).filter(
      (task) => ids.has(task.id) && !was.has(textOfTask(task)),
    );
    if (changed.length > 0) {
      throw new InvalidGraphError(
        changed.map(({ id }) => ({
          code: "DUPLICATE_ID",
          message: `task "${id}" is completed and cannot be planned anew; depend on it, or give the new task another id`,
          taskId: id,
        })),
      );
    }
    return values.filter((value) => !(isObject(value) && typeof value.id === "string" && ids.has(value.id)));
  }
}

/** What steps require is known to the code only; the database needs it to choose their lanes. */
function withRequirements(shape: Shape, steps: StepMap): Shape {
  const nodes = shape.nodes.map((node) => {
    const name = node.spec.step ?? node.name;
    const step = node.kind === "step" && Object.hasOwn(steps, name) ? steps[name] : undefined;
    const requires = isStep(step) ? step.requires : undefined;
    return requires?.length ? { ...node, spec: { ...node.spec, requires } } : node;
  });
  return { ...shape, nodes };
}
