import { afterAll, beforeAll, describe } from "vitest";
import { defineEval, type Scorer } from "../harness/define-eval.ts";
import { GOALS, type GoalCase } from "./goals.ts";
import { edgeF1, nodeF1, parallelism, type StepGraph, stepCoverage, toStepGraph } from "./graph-scores.ts";
import { type Planned, Planner } from "./plan-goal.ts";
import { MANNERS } from "./scripted-answers.ts";

// npm run eval -- decomposition [--json FILE]
// Scripted answers of good and bad manners by default; with GOALPOST_EVAL_MODEL, or a provider's key, the model itself.

type Score = (gold: StepGraph, made: StepGraph) => number;

/** A refusal scores 0 in everything. */
const of =
  (score: Score): Scorer<GoalCase, Planned> =>
  (item, output) =>
    "graph" in output ? score(toStepGraph(item.gold), output.graph) : 0;

const scorers: Readonly<Record<string, Scorer<GoalCase, Planned>>> = {
  valid: (_, output) => ("graph" in output ? 1 : 0),
  nodeF1: of(nodeF1),
  edgeF1: of(edgeF1),
  parallel: of(parallelism),
  coverage: of(stepCoverage),
};

/** What each manner must reach: the good ones everything, the others what is left when their fault is taken off. */
const THRESHOLDS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  clean: { valid: 1, nodeF1: 1, edgeF1: 1, parallel: 1, coverage: 1 },
  numbered: { valid: 1, nodeF1: 1, edgeF1: 1, parallel: 1, coverage: 1 },
  "mends what is broken": { valid: 1, nodeF1: 1, edgeF1: 1, parallel: 1, coverage: 1 },
  "cut off, then whole": { valid: 1, nodeF1: 1, edgeF1: 1, parallel: 1, coverage: 1 },
  "all in sequence": { valid: 1, nodeF1: 1, coverage: 1 },
  "forgets a task": { valid: 1, nodeF1: 0.8 },
};

const LIVE = { valid: 0.95, nodeF1: 0.8, edgeF1: 0.6, parallel: 0.8, coverage: 0.85 };

const { GOALPOST_EVAL_MODEL, OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, GOOGLE_API_KEY } =
  process.env;
const hasKey = [OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, GOOGLE_API_KEY].some(Boolean);
const model = GOALPOST_EVAL_MODEL ?? (hasKey ? "auto" : undefined);

describe("decomposition", () => {
  let planner: Planner;
  beforeAll(async () => {
    planner = await Planner.open();
  }, 60_000);
  afterAll(() => planner.close());

  if (model !== undefined) {
    defineEval({
      name: `decomposition by ${model}`,
      data: GOALS,
      task: (item) => planner.live(item, model),
      scorers,
      thresholds: LIVE,
    });
  } else {
    for (const { name, answers } of MANNERS) {
      defineEval({
        name: `decomposition, scripted: ${name}`,
        data: GOALS,
        task: (item) => planner.scripted(item, answers(item.gold)),
        scorers,
        thresholds: THRESHOLDS[name],
      });
    }
  }
});
