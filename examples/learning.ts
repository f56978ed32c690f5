// One goal, twenty times: the order of its tasks is learned, and the runs get shorter by it.
import { setTimeout as sleep } from "node:timers/promises";
import { Goalpost, type TaskSpec } from "goalpost";

const gp = await Goalpost.open({ database: "memory:", workers: { concurrency: 2 } });

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
  write: () => sleep(40, "written"),
  compile: () => sleep(260, "compiled"),
};

let last = "";
for (let run = 1; run <= 20; run++) {
  const result = await gp.executeGoal("Prepare the release", () => plan, steps, { optimize: "advanced" });
  await gp.learning.flush();
  const { realised, level } = await gp.learning.explain(result.runId);
  console.log(`run ${String(run).padStart(2)}  ${level}  ${Math.round(realised?.makespanMs ?? 0)} ms`);
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
await gp.close();
