import { expect, test } from "vitest";
import { z } from "zod";
import { type Cascade, type LlmRequestInput, workflow } from "../../src/index.ts";
import { scriptedModel } from "../../src/testing/index.ts";
import { rejection } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

const AGAIN = { retry: { baseMs: 0 } };
const messages = [{ role: "user", content: "What is it?" }] as const;
const schema = z.object({ ok: z.boolean() });
const models = ["simple", "complex"].map((model) => ({ provider: "scripted", model }));

/** Models that say their name. */
const named = () => scriptedModel(({ model }) => `I am ${model}`);
const asked = (model: ReturnType<typeof named>) => model.calls.map(({ request }) => request.model);

const pass = (): boolean => true;

let kinds = 0;
const newKind = () => `cascade_${kinds++}`;

describeOnEachBackend("cascades", (backend) => {
  test("an answer that passes is taken; one that does not is asked of the next model, and both are paid for", async () => {
    const model = named();
    const t = await backend.client({ model });
    const ask = (verify: Cascade["verify"]) =>
      t.gp.llm.request({ messages, taskType: newKind(), cascade: { models, ...(verify && { verify }) } });
    expect(await ask(() => true)).toMatchObject({ model: "simple", verified: true, usage: { calls: 1 } });
    const escalated = await ask(({ response }) => response.includes("complex"));
    expect(escalated).toMatchObject({ model: "complex", verified: true, usage: { calls: 2 } });
    expect(await ask(async () => false)).toMatchObject({ model: "complex", verified: false });
    expect(asked(model)).toEqual(["simple", "simple", "complex", "simple", "complex"]);
    const calls = await backend.query<{ count: number }>(
      "select count(*)::int as count from goalpost.llm_calls where request_id = $1 and status = 'ok'",
      [escalated.requestId],
    );
    expect(calls).toEqual([{ count: 2 }]);
  });

  test("without a verifier the schema is one, and a weak model mends nothing", async () => {
    const model = scriptedModel(({ model: one }) => (one === "simple" ? "nonsense" : { ok: true }));
    const t = await backend.client({ model });
    const result = await t.gp.llm.request({ messages, schema, cascade: { models } });
    expect(result).toMatchObject({ model: "complex", parsed: { ok: true }, verified: true });
    expect(asked(model)).toEqual(["simple", "complex"]);
  });

  test("a weak model that fails or refuses gives way to the strong one", async () => {
    const model = scriptedModel(({ model: one }) => (one === "simple" ? { refusal: "no" } : { text: "yes" }));
    const t = await backend.client({ model });
    const result = await t.gp.llm.request({ messages, cascade: { models, verify: () => true } });
    expect(result.model).toBe("complex");
  });

  test("a step that is called again pays for no answer twice, refused ones included", async () => {
    const model = named();
    const t = await backend.client({ model });
    let verified = 0;
    const verify = ({ response }: { response: string }): boolean => {
      verified += 1;
      if (verified === 1) {
        throw new Error("the verifier broke");
      }
      return response.includes("complex");
    };
    const w = workflow("cascading").step("ask", AGAIN, async (_, ctx) => {
      const { response, usage } = await ctx.llm({ messages, cascade: { models, verify } });
      if (ctx.attempt < 3) {
        throw new Error("after the answer");
      }
      return { response, calls: usage.calls };
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect((await handle.result()).output).toEqual({ ask: { response: "I am complex", calls: 2 } });
    expect(asked(model)).toEqual(["simple", "complex"]);
    expect(verified).toBe(3);
  });

  test("a weak model whose answers hardly ever pass is not asked first any more", async () => {
    const model = named();
    const t = await backend.client({ model });
    const taskType = newKind();
    const verify = ({ response }: { response: string }): boolean => response.includes("complex");
    for (let i = 0; i < 30; i++) {
      await t.gp.llm.request({ messages, taskType, cascade: { models, verify } });
      await t.gp.llm.routes({ kind: taskType });
    }
    const last = asked(model).slice(-3);
    expect(last).toEqual(["complex", "complex", "complex"]);
    const [report] = await t.gp.llm.routes({ kind: taskType });
    expect(report?.models.find((one) => one.model === "simple")?.standing).toBe("below");
  });

  test.each([
    [{ models: models.slice(1), verify: pass }, "cascade.models"],
    [{ models }, "cascade.verify"],
    [{ models, verify: pass, check: 1 }, "check"],
    [{ models: ["a", "b"], verify: pass }, "cascade.models[0]"],
  ])("cascade %j is refused", async (cascade, message) => {
    const t = await backend.client({ model: named() });
    const error = await rejection(t.gp.llm.request({ messages, cascade: cascade as unknown as Cascade }));
    expect(error).toMatchObject({ code: "INVALID_INPUT" });
    expect(error.message).toContain(message);
    const input = { messages, cascade } as unknown as LlmRequestInput;
    expect(await rejection(t.gp.llm.enqueue(input))).toMatchObject({ code: "INVALID_INPUT" });
  });
});
