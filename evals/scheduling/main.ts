// npm run eval:scheduling [-- --data DIR] [--slots N] [--json] [--no-engine] [--database URL] [--seed N]
// How far from the best possible each order of tasks is: on generated workflows, or on recorded ones (--data: a folder of
// { name, tasks: [{ id, type, dependsOn, runtimeSec }] }, one a file). Each is judged with what the others teach, never
// with its own times. Then the same graphs on the engine, scaled down: on a database in memory unless one is given.
import { parseArgs } from "node:util";
import { generateTraces } from "./generate-traces.ts";
import { type Judged, judgeTrace, type Ratios } from "./judge-trace.ts";
import { learnFrom } from "./learn-traces.ts";
import { judgeManyGoals } from "./many-goals.ts";
import { runTraces } from "./run-engine.ts";
import { readTraces, shapeOf, type Trace } from "./trace.ts";

const POLICIES: readonly (keyof Ratios)[] = ["batchAwait", "level", "fifo", "hops", "advanced", "oracle"];

const { values } = parseArgs({
  options: {
    data: { type: "string" },
    slots: { type: "string", default: "8" },
    seed: { type: "string", default: "1" },
    database: { type: "string", default: "memory:" },
    engine: { type: "boolean", default: true },
    json: { type: "boolean", default: false },
  },
  allowNegative: true,
});
const slots = Number(values.slots);
if (!Number.isInteger(slots) || slots < 1 || slots > 1000) {
  throw new Error(`--slots is ${values.slots}; it must be a whole number from 1 to 1000`);
}
const say = (text: string): void => {
  if (!values.json) {
    console.log(text);
  }
};
const traces = values.data === undefined ? generateTraces(Number(values.seed)) : readTraces(values.data);
const learn = (trace: Trace) =>
  learnFrom(
    traces.filter((other) => other !== trace),
    shapeOf(trace),
  );

say(`ratio to the head-body-tail bound, ${slots} slots`);
say(`${"".padEnd(42)}${POLICIES.map((policy) => policy.padStart(11)).join("")}`);
const judged = traces.map((trace) => {
  const result = judgeTrace(trace, learn(trace), slots);
  say(row(result.name, result.ratios));
  return result;
});
const geomean = meanRatios(judged);
say(row("geometric mean", geomean));
const worstAgainstBasic = Math.max(...judged.map(({ advancedToBasic }) => advancedToBasic));
say(`advanced against basic: at worst ${worstAgainstBasic.toFixed(3)}`);

const many = judgeManyGoals(traces, learn, slots);
for (const name of ["fifo", "advanced"] as const) {
  const { mean, p95, worst } = many[name];
  say(
    `many goals at once, 85 % load, ${name}: slowdown mean ${mean.toFixed(2)}, p95 ${p95.toFixed(1)}, worst ${worst.toFixed(1)}`,
  );
}
say(`mean slowdown of advanced over FIFO: ${many.ratio.toFixed(2)}`);

say(values.engine ? "on the engine:" : "the engine was left out");
const engine = values.engine ? await runTraces(traces, { database: values.database, slots, say }) : [];
const boundBroken = engine.filter(({ broken }) => broken).length;
say(
  `engine: ${engine.length} traces, ${boundBroken} longer than work/m + (1 − 1/m) × critical path + overhead`,
);
if (values.json) {
  const report = {
    slots,
    traces: traces.length,
    geomean,
    worstAgainstBasic,
    manyGoals: many,
    engine: { traces: engine.length, boundBroken },
  };
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
}

function row(name: string, ratios: Ratios): string {
  return `${name.padEnd(42)}${POLICIES.map((policy) => ratios[policy].toFixed(3).padStart(11)).join("")}`;
}

function meanRatios(all: readonly Judged[]): Ratios {
  const mean = (policy: keyof Ratios): number =>
    Math.exp(all.reduce((sum, { ratios }) => sum + Math.log(ratios[policy]), 0) / all.length);
  return {
    batchAwait: mean("batchAwait"),
    level: mean("level"),
    fifo: mean("fifo"),
    hops: mean("hops"),
    advanced: mean("advanced"),
    oracle: mean("oracle"),
  };
}
