import { defineStep, type GoalInput, Goalpost } from "goalpost";
import { z } from "zod";

const steps = {
  write: async ({ run }: GoalInput) => `Dear team, ${run.goal}.`,
  send: defineStep({
    description: "sends a mail",
    args: z.object({ to: z.string(), text: z.string() }),
    execute: async ({ to, text }) => `to ${to}: ${text}`,
  }),
};
const plan = () => [
  { id: "write", description: "write the mail" },
  {
    id: "send",
    description: "send it",
    args: { to: "everybody", text: { $ref: "write" } },
    // It is not carried out before a person says so.
    approval: true,
  },
];

const gp = await Goalpost.open({ database: "memory:" });
const { runId, result } = await gp.startGoal("we ship on Friday", plan, steps);

// Somebody looks at what waits, changes the args and approves: here a loop, elsewhere a page or a chat bot.
for (let approved = false; !approved; ) {
  await new Promise((resolve) => setTimeout(resolve, 50));
  const { tasks } = await gp.runs.get(runId);
  const task = tasks.find((candidate) => candidate.approval?.status === "waiting");
  if (task) {
    const args = { to: "the platform team", text: { $ref: "write" } };
    await gp.runs.approve(runId, task.id, { by: "Ann", note: "not everybody", args });
    approved = true;
  }
}
console.log((await result()).output.send);
await gp.close();
