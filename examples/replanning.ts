import { type Decomposer, type GoalInput, Goalpost } from "goalpost";

// A task fails for good: the rest of the plan is made again, and what is done stays done.
const steps = {
  pick: () => ["Lisbon", "Porto"],
  train: (): never => {
    throw new Error("no trains on Sunday");
  },
  bus: () => "by bus at 9:00",
  book: ({ train, bus }: GoalInput) => `booked ${train ?? bus}`,
};
const decomposer: Decomposer = (_goal, ctx) => {
  // A decomposer that asks a model is told the same: what failed, and what is there already.
  const way = ctx.replan?.failed.id === "train" ? "bus" : "train";
  return [
    { id: "pick", description: "pick the places" },
    { id: way, description: `find a ${way}`, dependsOn: ["pick"], maxAttempts: 1 },
    { id: "book", description: "book it", dependsOn: [way] },
  ];
};

const gp = await Goalpost.open({ database: "memory:" });
const { runId, output } = await gp.executeGoal("Travel on Sunday", decomposer, steps, {
  replan: { on: "failure", max: 2 },
});
console.log(output);
for (const { version, reason, diff } of (await gp.runs.get(runId)).plans) {
  console.log(
    `plan ${version}`,
    reason ? `because ${reason.taskId} failed: ${reason.message}` : "",
    diff ?? "",
  );
}
await gp.close();
