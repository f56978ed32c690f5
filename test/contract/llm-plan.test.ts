import { expect, test } from "vitest";
import { z } from "zod";
import { type Decomposer, defineStep, llmDecomposer, type StepMap } from "../../src/index.ts";
import { describeOnEachBackend } from "./backends.ts";

const out = (path: string): string => `\${${path}}`;

/** What the model says to the goal, and to the task that it left for later. */
const ANSWERS: readonly unknown[] = [
  {
    tasks: [
      {
        id: "look",
        description: "look for parts",
        step: "look",
        args: { where: "here" },
        dependsOn: [],
        mapOver: null,
      },
      {
        id: "each",
        description: "do what was found",
        decompose: true,
        dependsOn: [{ id: "look", reason: "data" }],
      },
      {
        id: "tell",
        description: "tell what came of it",
        step: "tell",
        args: { what: out("each") },
        dependsOn: [{ id: "each", reason: "data" }],
        mapOver: null,
      },
    ],
  },
  {
    tasks: [
      {
        id: "tell",
        description: "tell the first part",
        step: "tell",
        args: { what: out("look.parts.0") },
        dependsOn: [{ id: "look", reason: "data" }],
        mapOver: null,
      },
    ],
  },
];

const steps: StepMap = {
  look: defineStep({
    description: "looks for parts",
    args: z.object({ where: z.string() }),
    output: z.object({ parts: z.array(z.string()) }),
    execute: ({ where }) => ({ parts: [`part of ${where}`] }),
  }),
  tell: defineStep({
    description: "tells",
    args: z.object({ what: z.unknown() }),
    execute: ({ what }) => ({ told: what }) as never,
  }),
};

describeOnEachBackend("a plan made by a model", (backend) => {
  test("runs, tasks that were left for later included, and keeps where it comes from", async () => {
    const t = await backend.client();
    const plan = llmDecomposer();
    const asked: string[] = [];
    const decomposer: Decomposer = (goal, ctx) =>
      plan(goal, {
        ...ctx,
        llm: async (request) => {
          asked.push(request.messages.at(-1)?.content ?? "");
          const response = JSON.stringify(ANSWERS[asked.length - 1]);
          return { response, finishReason: "stop", model: "m", messages: [] } as never;
        },
      });
    const handle = await t.gp.startGoal("look and tell", decomposer, steps);
    await t.settle();
    const result = await handle.result();
    expect(result.output).toEqual({ tell: { told: { "each.tell": { told: "part of here" } } } });
    expect(result.graph.origin).toEqual({
      by: "llm",
      model: "m",
      promptSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      repairs: 0,
    });
    expect(asked[1]).toContain('look: {"parts":["part of here"]}');
  });

  test("is stored by decomposeGoal like any other", async () => {
    const t = await backend.client();
    const said = {
      response: JSON.stringify(ANSWERS[1])
        .replace(out("look.parts.0"), "x")
        .replace('{"id":"look","reason":"data"}', ""),
      finishReason: "stop",
      messages: [],
    };
    const plan = llmDecomposer();
    const graph = await t.gp.decomposeGoal(
      "tell",
      (goal, ctx) => plan(goal, { ...ctx, llm: async () => said as never }),
      steps,
    );
    expect(graph).toMatchObject({ taskCount: 1, origin: { by: "llm", repairs: 0 } });
  });
});
