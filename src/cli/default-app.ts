import { type App, type Decomposer, defineApp, GoalpostError, type Rule, rule, rules } from "../index.ts";
import { planReportOn } from "./report-plan.ts";
import { reportSteps } from "./report-steps.ts";

const RECIPES: readonly Rule[] = [
  rule("report on the code in {dir}", ({ dir }, _goal, ctx) => planReportOn(dir, ctx)),
  rule("report on the code", (_, _goal, ctx) => planReportOn(".", ctx)),
  rule("report on {dir}", ({ dir }, _goal, ctx) => planReportOn(dir, ctx)),
];

const decomposer: Decomposer = rules(RECIPES, {
  otherwise: (goal) => {
    throw new GoalpostError("DECOMPOSER_FAILED", unknownGoal(goal.text), { retryable: false });
  },
});

/** What `goalpost` can do without an app: reports on the code of a folder. */
export const defaultApp: App = defineApp({ steps: reportSteps, decomposer });

function unknownGoal(text: string): string {
  const recipes = RECIPES.map(({ label }) => `\n  ${label}`).join("");
  return (
    `no recipe fits the goal ${JSON.stringify(text)}. Without an app there are:${recipes}\n` +
    "For goals of your own, give an app: goalpost run --app FILE, where FILE ends in\n" +
    "  export default defineApp({ steps, decomposer })\n" +
    "and decomposer is rules([...]), any function that turns a goal into tasks, or one that asks an LLM."
  );
}
