// One goal, twenty times: the order of its tasks and the model for them are learned, and its runs get shorter and cheaper.
// The models are scripted, so that it runs as it stands: both answer well, one of them for a tenth of the price.
import { setTimeout as sleep } from "node:timers/promises";
import { Goalpost, type StepContext, type TaskSpec } from "goalpost";
import { always, scriptedModel } from "goalpost/testing";
import { z } from "zod";

const gp = await Goalpost.open({
  database: "memory:",
  workers: { concurrency: 2 },
  llm: {
    providers: { studio: scriptedModel([always({ text: '{"text":"Written."}', delayMs: 30 })]) },
    models: {
      simple: [{ provider: "studio", model: "small" }],
      medium: [{ provider: "studio", model: "large" }],
      complex: [{ provider: "studio", model: "large" }],
    },
    // US dollars for a million tokens.
    prices: { "studio/large": { input: 3, output: 15 }, "studio/small": { input: 0.3, output: 1.5 } },
    routing: "learned",
  },
});

// Two rows of three short tasks, and a long one that nothing hints at.
const plan: TaskSpec[] = [
  ...["docs", "site"].flatMap((part): TaskSpec[] => [
    { id: `${part}_draft`, description: `draft the ${part}`, step: "write" },
    { id: `${part}_check`, description: `check the ${part}`, step: "write", dependsOn: [`${part}_draft`] },
    { id: `${part}_final`, description: `finish the ${part}`, step: "write", dependsOn: [`${part}_check`] },
  ]),
  { id: "build", description: "build the release", step: "compile" },
];
const steps = {
  write: async (_: unknown, ctx: StepContext) => {
    const messages = [{ role: "user", content: `Please ${ctx.taskId.replace("_", " the ")}.` }] as const;
    const { model } = await ctx.llm({ messages, schema: z.object({ text: z.string() }) });
    return model;
  },
  compile: () => sleep(260, "compiled"),
};

let last = "";
for (let run = 1; run <= 20; run++) {
  const result = await gp.executeGoal("Prepare the release", () => plan, steps, { optimize: "advanced" });
  await gp.learning.flush();
  const { realised, level } = await gp.learning.explain(result.runId);
  const cost = `$${(result.usage.costUsd ?? 0).toFixed(6)}`;
  const took = `${Math.round(realised?.makespanMs ?? 0)} ms`;
  console.log(`run ${String(run).padStart(2)}  ${level}  ${took}  ${cost}`);
  last = result.runId;
}

const { decisions, without, predicted, realised } = await gp.learning.explain(last);
for (const { adopted, change, reason, samples } of decisions) {
  console.log(`${adopted ? "done" : "left"}: ${change}\n      ${reason} (${samples} samples)`);
}
const ms = (value: number | null | undefined): string => (value == null ? "-" : `${Math.round(value)} ms`);
console.log(
  `without: ${ms(without.makespanMs)}, predicted: ${ms(predicted.makespanMs)}, took: ${ms(realised?.makespanMs)}`,
);
const [report] = await gp.llm.routes({ kind: "step:write" });
for (const { model, quality, costUsd } of report?.models ?? []) {
  console.log(`${model}: quality ${quality.toFixed(2)}, $${(costUsd ?? 0).toFixed(6)} a request`);
}
console.log(report?.choice?.reason);
await gp.close();
