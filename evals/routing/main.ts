// npm run eval:routing -- [--data FILE…] [--ratio N] [--seeds N] [--json]
// Chooses a model for each question of a stream, by several policies, and prints quality less λ × cost of each. The dear
// model costs 1, the cheap one 1 / ratio.
import { parseArgs } from "node:util";
import { always, bestPerKind, learned, type Market, type Policy, plainThompson } from "./policies.ts";
import { seeded, shuffled } from "./random.ts";
import { makeStream, type Question, readStream, type Stream } from "./streams.ts";

const LAMBDAS = [0.05, 0.1, 0.2, 0.4];
const LENGTH = 10_000;
/** Ours is held to this, below plain Thompson sampling at no price. */
const WORST = -0.01;

const { values } = parseArgs({
  options: {
    data: { type: "string", multiple: true },
    ratio: { type: "string", default: "40" },
    seeds: { type: "string", default: "5" },
    json: { type: "boolean", default: false },
  },
});
const seeds = Number(values.seeds);
const costs = [1 / Number(values.ratio), 1];

type Utilities = Record<"allWeak" | "allStrong" | "bestPerKind" | "thompson" | "learned" | "noFloor", number>;

interface Row {
  readonly lambda: number;
  readonly utility: Utilities;
  /** The share of questions that the dear model was asked, by the learned policy. */
  readonly strongShare: number;
}

function measure(questions: readonly Question[], policy: Policy, { lambda }: Market) {
  let utility = 0;
  let strong = 0;
  for (const question of questions) {
    const model = policy.choose(question);
    policy.learn(question, model);
    utility += Number(question.right[model] === true) - lambda * (costs[model] ?? 0);
    strong += Number(model === costs.length - 1);
  }
  return { utility: utility / questions.length, strongShare: strong / questions.length };
}

function rowOf(stream: Stream, lambda: number): Row {
  const sums: Utilities = { allWeak: 0, allStrong: 0, bestPerKind: 0, thompson: 0, learned: 0, noFloor: 0 };
  let strongShare = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const questions = stream.ordered ? stream.questions : shuffled(stream.questions, seeded(seed));
    const market = (salt: number): Market => ({ costs, lambda, random: seeded(1000 * seed + salt) });
    const policies: Record<keyof Utilities, Policy> = {
      allWeak: always(0),
      allStrong: always(costs.length - 1),
      bestPerKind: bestPerKind(questions, market(0)),
      thompson: plainThompson(market(1)),
      learned: learned(market(2)),
      noFloor: learned(market(3), { floor: 0 }),
    };
    for (const name of Object.keys(sums) as (keyof Utilities)[]) {
      const measured = measure(questions, policies[name], market(0));
      sums[name] += measured.utility / seeds;
      strongShare += name === "learned" ? measured.strongShare / seeds : 0;
    }
  }
  return { lambda, utility: sums, strongShare };
}

const streams = values.data
  ? values.data.map(readStream)
  : [false, true].map((drifts) => makeStream({ length: LENGTH, seed: 7, drifts }));
const results = streams.map((stream) => {
  if (stream.models.length !== 2) {
    throw new Error(`${stream.name} has ${stream.models.length} models; this compares two`);
  }
  const rows = LAMBDAS.map((lambda) => rowOf(stream, lambda));
  const against = rows.map(({ utility }) => utility.learned - utility.thompson);
  const { name, models, questions } = stream;
  return { name, models, questions: questions.length, rows, worstAgainstThompson: Math.min(...against) };
});
const worst = Math.min(...results.map(({ worstAgainstThompson }) => worstAgainstThompson));
const met = worst >= WORST;
if (values.json) {
  console.log(JSON.stringify({ ratio: Number(values.ratio), seeds, streams: results, worst, met }, null, 2));
} else {
  for (const { name, models, questions, rows } of results) {
    console.log(`\n${name}: ${questions} questions, ${models.join(" and ")}; quality - lambda x cost`);
    console.log("lambda  all weak  all strong  best/kind  Thompson  learned  no floor  strong asked");
    for (const { lambda, utility, strongShare } of rows) {
      const cells = Object.values(utility).map((value) => value.toFixed(3).padStart(9));
      console.log(
        `${lambda.toFixed(2).padStart(6)} ${cells.join(" ")}  ${(100 * strongShare).toFixed(0).padStart(10)} %`,
      );
    }
  }
  console.log(
    `\nlearned against plain Thompson, at the worst price: ${worst.toFixed(4)} (at least ${WORST})`,
  );
}
process.exitCode = met ? 0 : 1;
