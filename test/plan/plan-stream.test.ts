import { expect, test } from "vitest";
import { InvalidGraphError, llmDecomposer, type TaskGraph, type TaskSpec } from "../../src/index.ts";
import { TaskScanner } from "../../src/plan/task-scanner.ts";
import { defer, rejection } from "../promises.ts";
import { scriptedContext } from "./scripted-llm.ts";

const json = (tasks: unknown): string => JSON.stringify({ tasks });
const step = (id: string, more: object = {}): Record<string, unknown> => ({
  id,
  description: id,
  step: "report",
  ...more,
});

/** Pieces of every size give the same objects. */
function scan(text: string, size: number): unknown[] {
  const scanner = new TaskScanner();
  const found: unknown[] = [];
  for (let at = 0; at < text.length; at += size) {
    found.push(...scanner.push(text.slice(at, at + size)));
  }
  return found;
}

test.for<[string, string, unknown[]]>([
  ["a plan", '{"tasks":[{"id":"a","x":[{"y":1}]},{"id":"b"}]}', [{ id: "a", x: [{ y: 1 }] }, { id: "b" }]],
  ["a bare array in prose", 'I say "now:\n[{"id":"a"}] {"id":"c"}', [{ id: "a" }]],
  ["brackets and quotes in strings", '{"note":"[{","tasks":[{"id":"a\\"}]"}]}', [{ id: 'a"}]' }]],
  ["another list first", '{"notes":[{"id":"n"}],"tasks":[{"id":"a"}]}', [{ id: "a" }]],
  ["no list", '{"id":"a","args":{"tasks":[{"id":"b"}]}}', []],
  ["a plan that is not finished", '{"tasks":[{"id":"a"},{"id":"b"', [{ id: "a" }]],
  ["a broken object", '{"tasks":[{"id":"a"},{"id":b},{"id":"c"}]}', [{ id: "a" }]],
  ["an answer that begins again", '{"tasks":[{"id":"a"},{"id":"b","x":{"tasks":[{"id":"a"}]}', [{ id: "a" }]],
])("the objects of %s are found as they are closed", ([, text, objects]) => {
  for (const size of [1, 3, 1000]) {
    expect(scan(text, size)).toEqual(objects);
  }
});

async function streamed(
  answers: readonly string[],
  stream: (tasks: readonly TaskSpec[]) => Promise<void> = async () => undefined,
  options: Parameters<typeof llmDecomposer>[0] = {},
) {
  const told: string[] = [];
  const { ctx, requests } = await scriptedContext(answers, {
    stream: (tasks) => {
      told.push(...tasks.map((task) => task.id));
      return stream(tasks);
    },
  });
  const plan = llmDecomposer(options)({ text: "g" }, ctx) as Promise<TaskGraph>;
  return { told, requests, plan };
}

test("a task is handed on while the rest is being written", async () => {
  const first = defer<void>();
  const { ctx } = await scriptedContext(
    [
      async (request) => {
        request.onText?.(`{"tasks":[${JSON.stringify(step("a"))},`);
        await first.promise;
        request.onText?.(`${JSON.stringify(step("b", { dependsOn: ["a"] }))}]}`);
        return json([step("a"), step("b", { dependsOn: ["a"] })]);
      },
    ],
    { stream: async () => first.resolve() },
  );
  const graph = (await llmDecomposer()({ text: "g" }, ctx)) as TaskGraph;
  expect(graph.tasks.map((task) => task.id)).toEqual(["a", "b"]);
});

test("a task comes after those it depends on, and waits for the whole plan if one of them stands behind it", async () => {
  const { told, plan } = await streamed([
    json([step("a"), step("late", { dependsOn: ["c"] }), step("b", { dependsOn: ["a"] }), step("c")]),
  ]);
  expect((await plan).tasks.map((task) => task.id)).toEqual(["a", "late", "b", "c"]);
  expect(told).toEqual(["a", "b", "c"]);
});

test("what may still change is not handed on: unknown steps, texts that may be placeholders, groups, ids we make", async () => {
  const { told, plan } = await streamed([
    json([
      step("x", { args: { text: "{{z}}" } }),
      { id: 7, description: "7", step: "report" },
      step("g", { step: undefined, subtasks: [step("h")] }),
      step("z"),
    ]),
  ]);
  expect((await plan).tasks).toHaveLength(4);
  expect(told).toEqual(["z"]);
});

test("a task that is not right on its own is not handed on", async () => {
  const bad = json([step("a", { step: "dance" }), step("b", { step: "search", args: {} }), step("c")]);
  const { told, plan } = await streamed([bad, json([step("c")])]);
  await plan;
  expect(told).toEqual(["c"]);
});

test("what was handed on is part of the plan as it was, and the repair turn says so", async () => {
  const bad = json([step("a"), step("b", { step: "dance" })]);
  const { plan, requests, told } = await streamed([
    bad,
    json([step("b")]),
    json([{ ...step("a"), description: "another" }, step("b")]),
  ]);
  const graph = await plan;
  expect(graph.tasks).toEqual([step("a"), step("b")]);
  expect(told).toEqual(["a", "b"]);
  expect(requests[1]?.messages.at(-1)?.content).toContain("have begun already");
  expect(requests[2]?.messages.at(-1)?.content).toContain('task "a" has begun already and is missing');
});

test("calls of ctx.stream do not overlap", async () => {
  let under = 0;
  let most = 0;
  const { plan } = await streamed([json([step("a"), step("b"), step("c")])], async () => {
    under += 1;
    most = Math.max(most, under);
    await new Promise(setImmediate);
    under -= 1;
  });
  await plan;
  expect(most).toBe(1);
});

test("an error of ctx.stream ends the streaming, not the planning", async () => {
  const { plan, told } = await streamed([json([step("a"), step("b")])], () =>
    Promise.reject(new Error("no line")),
  );
  expect((await plan).tasks).toHaveLength(2);
  expect(told).toEqual(["a"]);
});

test("a task that is refused goes back to the model with the reason", async () => {
  const taken = new InvalidGraphError([
    { code: "DUPLICATE_ID", message: 'task id "a" is taken', taskId: "a" },
  ]);
  const { plan, requests } = await streamed([json([step("a")]), json([step("b")])], () =>
    Promise.reject(taken),
  );
  expect((await plan).tasks).toEqual([step("b")]);
  expect(requests[1]?.messages.at(-1)?.content).toContain('task id "a" is taken');
});

test("with stream: false, and where the engine takes no tasks early, the answer is not streamed", async () => {
  const off = await streamed([json([step("a")])], undefined, { stream: false });
  await off.plan;
  const { ctx, requests } = await scriptedContext([json([step("a")])]);
  await llmDecomposer()({ text: "g" }, ctx);
  expect([off.requests[0], requests[0]].map((request) => request?.onText)).toEqual([undefined, undefined]);
  expect(off.told).toEqual([]);
});

test("the fallback does not plan once a task has begun", async () => {
  const { plan } = await streamed([json([step("a"), step("b", { step: "dance" })])], undefined, {
    maxRepairs: 0,
    fallback: () => [],
  });
  expect(await rejection(plan)).toMatchObject({ code: "DECOMPOSER_FAILED" });
});

test("what an earlier try handed on is part of the plan", async () => {
  const { ctx, requests } = await scriptedContext([json([step("a"), step("b")])], {
    streamed: [{ id: "a", description: "as it was", step: "report" }],
  });
  const graph = (await llmDecomposer()({ text: "g" }, ctx)) as TaskGraph;
  expect(graph.tasks[0]).toMatchObject({ id: "a", description: "as it was" });
  expect(requests[0]?.messages.at(-1)?.content).toContain("as it was");
});
