import { expect, onTestFinished, test } from "vitest";
import { workflow } from "../../src/index.ts";
import { openTestGoalpost, scriptedModel } from "../../src/testing/index.ts";
import { borrowPglite } from "../contract/shared-pglite.ts";

const greet = workflow<{ name: string }>("greet").step("greet", async ({ run }, ctx) => {
  const { response } = await ctx.llm({ messages: [{ role: "user", content: `Greet ${run.name}` }] });
  return response;
});

test("a test client answers with the given model, whatever keys there are, and with no other", async () => {
  const model = scriptedModel(["Hello, Ada."]);
  const { db, giveBack } = await borrowPglite();
  onTestFinished(giveBack);
  await using opened = await openTestGoalpost({ model, database: db });
  const handle = await opened.gp.start(greet, { name: "Ada" });
  await opened.settle();
  expect((await handle.result()).output).toEqual({ greet: "Hello, Ada." });
  expect(model.calls.map(({ request }) => request.model)).toEqual(["medium"]);
  expect(model.calls[0]?.request.messages.at(-1)?.content).toBe("Greet Ada");
  model.assertComplete();
});
