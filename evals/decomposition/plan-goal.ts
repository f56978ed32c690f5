import {
  type DecomposeContext,
  Goalpost,
  isGoalpostError,
  llmDecomposer,
  silentLogger,
  type TaskSpec,
} from "goalpost";
import type { GoalCase } from "./goals.ts";
import { type StepGraph, toStepGraph } from "./graph-scores.ts";
import { TOOLSETS } from "./toolsets.ts";

/** What became of a goal: the plan, or the code of the refusal. */
export type Planned = { readonly graph: StepGraph } | { readonly refused: string };

/** Plans goals with what a model would say, through the database as a user would. */
export class Planner {
  readonly #gp: Goalpost;

  private constructor(gp: Goalpost) {
    this.#gp = gp;
  }

  static async open(): Promise<Planner> {
    return new Planner(await Goalpost.open({ database: "memory:", workers: false, logger: silentLogger }));
  }

  close(): Promise<void> {
    return this.#gp.close();
  }

  /** With answers that were written down before. */
  scripted({ goal, toolset }: GoalCase, answers: readonly string[]): Promise<Planned> {
    const left = [...answers];
    const decompose = llmDecomposer();
    return planned(() =>
      this.#gp.decomposeGoal(
        goal,
        (given, ctx) => decompose(given, { ...ctx, llm: scriptedLlm(left) }),
        TOOLSETS[toolset],
      ),
    );
  }

  /** With a model that is called. */
  live({ goal, toolset }: GoalCase, model: string): Promise<Planned> {
    return planned(() => this.#gp.decomposeGoal(goal, llmDecomposer({ model }), TOOLSETS[toolset]));
  }
}

async function planned(plan: () => Promise<{ readonly tasks: readonly TaskSpec[] }>): Promise<Planned> {
  try {
    return { graph: toStepGraph((await plan()).tasks) };
  } catch (error) {
    if (isGoalpostError(error) && (error.code === "DECOMPOSER_FAILED" || error.code === "INVALID_GRAPH")) {
      return { refused: error.code };
    }
    throw error;
  }
}

function scriptedLlm(left: string[]): DecomposeContext["llm"] {
  const llm = async (): Promise<unknown> => {
    const response = left.shift() ?? "";
    return {
      response,
      parsed: null,
      finishReason: "stop",
      model: "scripted",
      messages: [{ role: "assistant", content: response }],
    };
  };
  return llm as DecomposeContext["llm"];
}
