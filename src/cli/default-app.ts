import { type App, type Decomposer, defineApp, GoalpostError, type Rule, rule, rules } from "../index.ts";
import { KEY_VARIABLES } from "./planner.ts";
import { findFolder, planReportOn } from "./report-plan.ts";
import { reportSteps } from "./report-steps.ts";
import { keepToSteps } from "./safe-plans.ts";
import { makeSafeSteps } from "./steps.ts";
import type { ModelChoice } from "./steps-llm.ts";

const RECIPES: readonly Rule[] = [
  rule("report on the code in {dir}", ({ dir }, _goal, ctx) => planReportOn(dir, ctx)),
  rule("report on the code", (_, _goal, ctx) => planReportOn(".", ctx)),
  rule("report on {dir}", ({ dir }, _goal, ctx) => planReportOn(dir, ctx)),
];

export interface DefaultAppOptions {
  /** What plans goals that no recipe fits; without it they are refused. */
  readonly planner?: Decomposer | undefined;
  /** Which model the step `llm` asks. */
  readonly choice?: ModelChoice | undefined;
  /** The folder that steps read and write. Default: the current one. */
  readonly folder?: string | undefined;
}

/** What `goalpost` can do without an app: reports on code by itself, and any goal with a model that plans it. */
export function makeDefaultApp({
  planner,
  choice = {},
  folder = process.cwd(),
}: DefaultAppOptions = {}): App {
  const safeSteps = makeSafeSteps(folder, choice);
  const recipes = rules(RECIPES, {
    otherwise: (goal) => {
      throw new GoalpostError("DECOMPOSER_FAILED", unknownGoal(goal.text), { retryable: false });
    },
  });
  const plan = planner && keepToSteps(planner, Object.keys(safeSteps));
  return defineApp({
    steps: { ...reportSteps, ...safeSteps },
    // A recipe is for a goal that somebody typed: what a model wrote goes to the model.
    decomposer: async (goal, ctx) =>
      plan && (ctx.depth > 0 || ctx.replan || !(await isForRecipes(goal.text)))
        ? plan(goal, ctx)
        : recipes(goal, ctx),
  });
}

/** "Report on" may be about anything: it is about code if there is such a folder. */
async function isForRecipes(text: string): Promise<boolean> {
  const [, named] = /^report\s+on\s+(.+)$/is.exec(text.trim()) ?? [];
  if (named === undefined) {
    return false;
  }
  return /^the\s+code(?:\s+in\s|$)/i.test(named) || findFolder(named).then(Boolean, () => false);
}

function unknownGoal(text: string): string {
  const recipes = RECIPES.map(({ label }) => `\n  ${label}`).join("");
  return (
    `no recipe fits the goal ${JSON.stringify(text)}. Without an app and without a model there are:${recipes}\n` +
    `An LLM plans any goal if one of these variables holds a key: ${KEY_VARIABLES.join(", ")} (none does).\n` +
    "For goals of your own, give an app: goalpost run --app FILE, where FILE ends in\n" +
    "  export default defineApp({ steps, decomposer })\n" +
    "and decomposer is rules([...]), any function that turns a goal into tasks, or one that asks an LLM."
  );
}
