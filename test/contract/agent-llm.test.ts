import { expect, test } from "vitest";
import { z } from "zod";
import { scriptedModel } from "../../src/testing/index.ts";
import { describeOnEachBackend } from "./backends.ts";

describeOnEachBackend("ctx.llm of an agent", (backend) => {
  test("remembers the answer: a message that is handled again is not paid for again", async () => {
    const model = scriptedModel([{ json: { mood: "good" } }]);
    const { gp, clock, tick } = await backend.client({ model });
    const schema = z.object({ mood: z.string() });
    const moods: string[] = [];
    await gp.agents.register("feeler", {
      description: "tells the mood of a text",
      retry: { jitter: false },
      onMessage: async ({ payload }, ctx) => {
        const request = { messages: [{ role: "user" as const, content: String(payload) }], schema };
        const { parsed } = await ctx.llm(request);
        moods.push(parsed.mood);
        if (ctx.attempt === 1) {
          throw new Error("once more");
        }
      },
    });
    await gp.agents.send({ to: "feeler", type: "text", payload: "What a day" });
    await tick();
    clock.advance(60_000);
    await tick();
    expect(moods).toEqual(["good", "good"]);
    expect(model.calls).toHaveLength(1);
    const rows = await gp.usage.summary({ groupBy: ["workflow"] });
    expect(rows).toContainEqual(expect.objectContaining({ workflow: "agent:feeler", calls: 1 }));
  });

  test("asks once for each of equal requests that one handling makes", async () => {
    const model = scriptedModel(["heads", "tails"]);
    const { gp, tick } = await backend.client({ model });
    const said: string[] = [];
    await gp.agents.register("tosser", {
      description: "tosses coins",
      onMessage: async (_, ctx) => {
        for (const _time of [1, 2]) {
          said.push((await ctx.llm({ messages: [{ role: "user", content: "Toss" }] })).response);
        }
      },
    });
    await gp.agents.send({ to: "tosser", type: "toss", payload: null });
    await tick();
    expect(said).toEqual(["heads", "tails"]);
    model.assertComplete();
  });
});
