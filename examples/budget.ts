import { Goalpost, workflow } from "goalpost";
import { scriptedModel } from "goalpost/testing";

// A run with a cap: before a call that would exceed it the run pauses, and goes on where it was when somebody raises it.
const model = scriptedModel([
  { text: "a first draft", usage: { inputTokens: 1000, outputTokens: 500 } },
  { text: "a better draft", usage: { inputTokens: 2000, outputTokens: 500 } },
]);
await using gp = await Goalpost.open({
  database: "memory:",
  llm: { providers: { scripted: model }, prices: { "scripted/writer": { input: 2, output: 8 } } },
});
const write = workflow<string>("write").step("draft", async ({ run }, ctx) => {
  const ask = async (content: string): Promise<string> =>
    (await ctx.llm({ model: "writer", messages: [{ role: "user", content }], maxOutputTokens: 500 }))
      .response;
  const draft = await ask(`Write about ${run}`);
  return ask(`Make this better: ${draft}`);
});

const run = await gp.start(write, "goals", { budget: { usd: 0.008, onExceed: "pause" }, events: true });
for await (const event of run.events()) {
  console.log(event.type);
  if (event.type === "workflow_paused") {
    const { costUsd } = await gp.usage.run(run.runId);
    console.log(`$${costUsd} are spent of $0.008; somebody agrees to $0.05`);
    // The first answer was paid for: it is remembered, and not asked for again.
    await gp.budgets.raise(run.runId, { usd: 0.05 });
  }
}
const { output, usage } = await run.result();
console.log(output, `$${usage.costUsd} for ${usage.calls} calls`);
