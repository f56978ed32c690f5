import { type Decomposer, defineStep, defineSteps, Goalpost, type LlmOptions } from "goalpost";
import { z } from "zod";

const steps = defineSteps({
  argue: defineStep({
    description: "finds one argument for or against the goal",
    args: z.object({ side: z.enum(["for", "against"]) }),
    execute: async ({ side }, ctx) => {
      const content = `Give one argument ${side} this: ${ctx.goal?.text}`;
      return (await ctx.llm({ taskType: "simple_chat", messages: [{ role: "user", content }] })).response;
    },
  }),
  decide: defineStep({
    description: "decides by the arguments that it is given",
    args: z.object({}),
    execute: async (_, ctx) => {
      const { run: _run, ...theirs } = ctx.input;
      const content = `Decide by these arguments: ${JSON.stringify(theirs)}`;
      return (await ctx.llm({ taskType: "architect", messages: [{ role: "user", content }] })).response;
    },
  }),
});

/** Plans and runs a small goal, for at most half a dollar. */
export async function planAndRun(llm: LlmOptions, decomposer: Decomposer): Promise<void> {
  await using gp = await Goalpost.open({ database: "memory:", llm });
  const goal = "Automate the weekly report";
  const { output, usage } = await gp.executeGoal(goal, decomposer, steps, { budget: { usd: 0.5 } });
  console.log(output);
  console.log(`${usage.calls} calls, ${usage.inputTokens + usage.outputTokens} tokens, $${usage.costUsd}`);
}
