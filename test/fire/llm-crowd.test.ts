import { expect, test } from "vitest";
import { workflow } from "../../src/index.ts";
import { describeOnEachBackend } from "../contract/backends.ts";
import { ScriptedModels } from "../llm/fakes.ts";

describeOnEachBackend("ctx.llm", (backend) => {
  test("a thousand calls at once on one worker are all answered", async () => {
    const models = new ScriptedModels([
      async (request) => {
        await new Promise(setImmediate);
        return request.messages[0]?.content ?? "";
      },
    ]);
    const gp = await backend.liveClient({
      llm: { providers: { scripted: models } },
      workers: { concurrency: 1000 },
    });
    const w = workflow<number[]>("crowd").map("ask", async (item, ctx) => {
      const { response } = await ctx.llm({ messages: [{ role: "user", content: `${item}` }] });
      return Number(response);
    });
    const items = Array.from({ length: 1000 }, (_, index) => index);
    expect((await gp.execute(w, items)).output.ask).toEqual(items);
    expect(models.calls).toBe(1000);
  });
});
