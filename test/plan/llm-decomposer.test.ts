import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  type DecomposeContext,
  GoalpostError,
  llmDecomposer,
  type TaskGraph,
  type TaskSpec,
  type ValidTaskGraph,
} from "../../src/index.ts";
import { validate } from "../../src/plan/validate.ts";
import { rejection } from "../promises.ts";
import { type Answer, invalidResponse, STEPS, scriptedContext } from "./scripted-llm.ts";

/** The output of a task, as models are told to write it. */
const out = (path: string): string => `\${${path}}`;

const json = (tasks: unknown): string => JSON.stringify({ tasks });

async function planned(
  answers: readonly Answer[],
  options: Parameters<typeof llmDecomposer>[0] = {},
  given: Parameters<typeof scriptedContext>[1] = {},
): Promise<{ graph: TaskGraph; requests: Awaited<ReturnType<typeof scriptedContext>>["requests"] }> {
  const { ctx, requests } = await scriptedContext(answers, given);
  const graph = (await llmDecomposer(options)({ text: "find out and report" }, ctx)) as TaskGraph;
  return { graph, requests };
}

const tasksOf = async (
  answer: Answer,
  given: Parameters<typeof scriptedContext>[1] = {},
): Promise<readonly TaskSpec[]> => (await planned([answer], {}, given)).graph.tasks;

const GOOD = [
  {
    id: "look",
    description: "search",
    step: "search",
    args: { query: "cats", limit: null },
    dependsOn: [],
    mapOver: null,
  },
  {
    id: "sum",
    description: "sum up",
    step: "summarize",
    args: { text: out("look.first"), style: null },
    dependsOn: [{ id: "look", reason: "data" }],
    mapOver: null,
  },
  {
    id: "tell",
    description: "report",
    step: "report",
    argsJson: null,
    dependsOn: [{ id: "sum", reason: "data" }],
    mapOver: null,
  },
];

const READ: TaskSpec[] = [
  { id: "look", description: "search", step: "search", args: { query: "cats" } },
  {
    id: "sum",
    description: "sum up",
    step: "summarize",
    args: { text: { $ref: "look", path: "first" }, style: null },
    dependsOn: [{ id: "look", reason: "data" }],
  },
  { id: "tell", description: "report", step: "report", dependsOn: [{ id: "sum", reason: "data" }] },
];

test("a plan in the form that is asked for becomes tasks, with where it comes from", async () => {
  const { graph, requests } = await planned([json(GOOD)]);
  expect(graph.tasks).toEqual(READ);
  const template = readFileSync("prompts/decompose-goal.md");
  expect(graph.origin).toEqual({
    by: "llm",
    model: "scripted-1",
    promptSha256: createHash("sha256").update(template).digest("hex"),
    repairs: 0,
  });
  expect(requests).toHaveLength(1);
  expect(requests[0]).toMatchObject({ model: "auto", taskType: "decomposition", maxRepairs: 0 });
  expect(requests[0]).not.toHaveProperty("temperature");
  const valid: ValidTaskGraph = await validate(graph.tasks, { steps: STEPS });
  expect(valid.width).toBe(1);
});

test("the request says what the options say, and nothing that they do not", async () => {
  const { requests } = await planned([json(GOOD)], {
    model: "m",
    provider: "p",
    temperature: 0.5,
    taskType: "planning",
    maxOutputTokens: 77,
  });
  expect(requests[0]).toMatchObject({
    model: "m",
    provider: "p",
    temperature: 0.5,
    taskType: "planning",
    maxOutputTokens: 77,
  });
});

const PLAIN = [{ id: "a", description: "a", step: "report" }];

test.for<[string, string]>([
  ["a bare array", JSON.stringify(PLAIN)],
  [
    "a code fence with prose around it",
    `Sure! Here is it [1]:\n\`\`\`json\n${json(PLAIN)}\n\`\`\`\nHope it helps {really}.`,
  ],
  ["{ plan }", JSON.stringify({ thoughts: "hm", plan: PLAIN })],
  ["{ plan: { tasks } }", JSON.stringify({ plan: { tasks: PLAIN } })],
  ["tasks keyed by id", JSON.stringify({ tasks: { a: { description: "a", step: "report" } } })],
  [
    "trailing commas, comments and single quotes",
    "{'tasks': [{'id': 'a', /* one */ description: 'a', 'step': 'report',},],}",
  ],
  ["a byte order mark", `\ufeff${json(PLAIN)}`],
])("%s is read as a plan", async ([, answer]) => {
  expect(await tasksOf(answer)).toEqual(PLAIN);
});

test("fields under other names are read, numbers become ids", async () => {
  const answer = JSON.stringify([
    { task_id: 1, task: "look", tool: "search", arguments: { query: "cats" }, dep: [-1] },
    { task_id: 2, task: "sum", action: { name: "summarize", args: { text: "$1.first" } }, depends_on: [1] },
    { task_id: 3, task: "tell", step_name: "report", dependencies: "1, 2" },
  ]);
  expect(await tasksOf(answer)).toEqual([
    { id: "t1", description: "look", step: "search", args: { query: "cats" } },
    {
      id: "t2",
      description: "sum",
      step: "summarize",
      args: { text: { $ref: "t1", path: "first" } },
      dependsOn: ["t1"],
    },
    { id: "t3", description: "tell", step: "report", dependsOn: ["t1", "t2"] },
  ]);
});

test("args that are JSON text are read", async () => {
  const answer = json([
    { id: "f", description: "f", step: "fetch", argsJson: '{"url":"x","headers":{"a":"b"}}' },
  ]);
  expect(await tasksOf(answer)).toMatchObject([{ args: { url: "x", headers: { a: "b" } } }]);
});

test("a reason that is none of ours is order", async () => {
  const answer = json([
    { id: "a", description: "a", step: "report" },
    { id: "b", description: "b", step: "report", dependsOn: [{ id: "a", reason: "temporal" }] },
  ]);
  expect((await tasksOf(answer))[1]?.dependsOn).toEqual([{ id: "a", reason: "order" }]);
});

test("of two tasks that wait for each other the one that does so for order only goes on", async () => {
  const answer = json([
    { id: "a", description: "a", step: "report", dependsOn: [{ id: "b", reason: "order" }] },
    { id: "b", description: "b", step: "report", dependsOn: [{ id: "a", reason: "data" }] },
  ]);
  expect(await tasksOf(answer)).toEqual([
    { id: "a", description: "a", step: "report", dependsOn: [] },
    { id: "b", description: "b", step: "report", dependsOn: [{ id: "a", reason: "data" }] },
  ]);
});

test("two tasks that need each other's output are a cycle, and the model's to solve", async () => {
  const both = json([
    { id: "a", description: "a", step: "report", dependsOn: [{ id: "b", reason: "data" }] },
    { id: "b", description: "b", step: "report", dependsOn: [{ id: "a", reason: "data" }] },
  ]);
  const { requests } = await planned([both, json(PLAIN)]);
  expect(requests[1]?.messages.at(-1)?.content).toContain('CYCLE: these tasks wait for each other: "a"');
});

test("of equal edges the strongest stays", async () => {
  const answer = json([
    { id: "a", description: "a", step: "report" },
    {
      id: "b",
      description: "b",
      step: "report",
      dependsOn: [
        { id: "a", reason: "order" },
        { id: "a", reason: "data" },
      ],
    },
  ]);
  expect((await tasksOf(answer))[1]?.dependsOn).toEqual([{ id: "a", reason: "data" }]);
});

test("an unknown arg is dropped where the step's schema is strict", async () => {
  const answer = json([{ id: "s", description: "s", step: "search", args: { query: "x", mood: "good" } }]);
  expect((await tasksOf(answer))[0]?.args).toEqual({ query: "x" });
});

test("every problem goes back to the model, its answer with them", async () => {
  const bad = json([
    { id: "a", description: "a", step: "search", args: { query: 5, limit: 99 } },
    { id: "a", description: "a", step: "dance" },
    { id: "b", description: "b", step: "report", dependsOn: ["nowhere"] },
    { id: "c", description: "c", step: "summarize", args: { text: out("a.third") } },
  ]);
  const { graph, requests } = await planned([bad, json(PLAIN)]);
  expect(graph.tasks).toEqual(PLAIN);
  expect(graph.origin).toMatchObject({ repairs: 1 });
  const [, , answer, repair] = requests[1]?.messages ?? [];
  expect(answer).toEqual({ role: "assistant", content: bad });
  expect(repair?.role).toBe("user");
  for (const part of [
    "DUPLICATE_ID",
    'step "dance"',
    '"nowhere"',
    "args.query",
    "args.limit",
    "items, first",
  ]) {
    expect(repair?.content).toContain(part);
  }
});

test.for<[string, Answer, string]>([
  ["prose", "I would first look, then tell.", "NO_PLAN"],
  ["nothing", "", "NO_PLAN"],
  ["no tasks", json([]), "EMPTY_GRAPH"],
  ["a plan that is cut off", json(GOOD).slice(0, -30), "TRUNCATED"],
  ["what the provider says was cut off", { text: json(GOOD), finishReason: "length" }, "TRUNCATED"],
  ["a refusal", { text: "I cannot help with that.", finishReason: "refusal" }, "REFUSED"],
  ["what a filter withheld", { text: "", finishReason: "content_filter" }, "REFUSED"],
  ["a refusal that ctx.llm throws", new GoalpostError("RESPONSE_REFUSED", "no"), "REFUSED"],
  ["what ctx.llm finds invalid", invalidResponse("not JSON"), "NO_PLAN"],
])("%s is asked for again, saying why", async ([, answer, code]) => {
  const { graph, requests } = await planned([answer, json(PLAIN)]);
  expect(graph.tasks).toEqual(PLAIN);
  expect(requests[1]?.messages.at(-1)?.content).toContain(`- ${code}: `);
});

test("a plan that only the schema finds invalid is used", async () => {
  expect(await tasksOf(invalidResponse(JSON.stringify(PLAIN)))).toEqual(PLAIN);
});

test("after maxRepairs it is DECOMPOSER_FAILED with the last plan and its issues, and not tried again", async () => {
  const bad = json([{ id: "a", description: "a", step: "dance" }]);
  const { ctx, requests } = await scriptedContext([bad, bad, bad]);
  const error = await rejection<GoalpostError>(Promise.resolve(llmDecomposer()({ text: "g" }, ctx)));
  expect(requests).toHaveLength(3);
  expect(error).toMatchObject({
    code: "DECOMPOSER_FAILED",
    retryable: false,
    details: { plan: bad, repairs: 2, issues: [{ code: "UNKNOWN_STEP", taskId: "a" }] },
  });
  expect(error.message).toContain('needs step "dance"');
});

test("maxRepairs: 0 asks once", async () => {
  const { ctx, requests } = await scriptedContext(["no"]);
  await expect(llmDecomposer({ maxRepairs: 0 })({ text: "g" }, ctx)).rejects.toMatchObject({
    code: "DECOMPOSER_FAILED",
  });
  expect(requests).toHaveLength(1);
});

test("the fallback plans when the model makes no usable plan, and when no model answers", async () => {
  const fallback = () => PLAIN;
  for (const answers of [["no", "no", "no"], [new GoalpostError("NO_PROVIDER", "no key")]]) {
    const { graph } = await planned(answers, { fallback });
    expect(graph).toEqual({ tasks: PLAIN, origin: { by: "fallback" } });
  }
});

test("what is nobody's plan goes through: a budget, a parked task, an abort", async () => {
  for (const thrown of [new GoalpostError("BUDGET_EXCEEDED", "no more"), new Error("parked")]) {
    const { ctx } = await scriptedContext([thrown]);
    expect(
      await rejection(Promise.resolve(llmDecomposer({ fallback: () => PLAIN })({ text: "g" }, ctx))),
    ).toBe(thrown);
  }
  const { ctx } = await scriptedContext([], { signal: AbortSignal.abort(new Error("stop")) });
  await expect(llmDecomposer()({ text: "g" }, ctx)).rejects.toThrow("stop");
});

test("tasks of a subtask's plan are named after it, and may use the outputs that are there", async () => {
  const given: Partial<DecomposeContext> = {
    task: { id: "big", description: "do it" },
    depth: 1,
    outputs: { found: { url: "x" } },
  };
  const answer = json([
    {
      id: "get",
      description: "get",
      step: "fetch",
      argsJson: `{"url":"${out("found.url")}"}`,
      dependsOn: ["found"],
    },
    { id: "big.tell", description: "tell", step: "report", dependsOn: ["get"] },
  ]);
  expect(await tasksOf(answer, given)).toEqual([
    {
      id: "big.get",
      description: "get",
      step: "fetch",
      args: { url: { $ref: "found", path: "url" } },
      dependsOn: ["found"],
    },
    { id: "big.tell", description: "tell", step: "report", dependsOn: ["big.get"] },
  ]);
});

test("a new plan leaves what is completed, depends on it, and takes no id of the plan that failed", async () => {
  const given: Partial<DecomposeContext> = {
    replan: {
      version: 2,
      failed: { id: "get", step: "fetch", code: "STEP_FAILED", message: "404" },
      tasks: [
        { id: "look", description: "look", step: "search" },
        { id: "get", description: "get", step: "fetch", dependsOn: ["look"] },
      ],
      completed: { look: { items: [], first: "f" } },
    },
  };
  const answer = json([
    { id: "look", description: "look", step: "search", args: { query: "x" } },
    {
      id: "get",
      description: "otherwise",
      step: "fetch",
      argsJson: `{"url":"${out("look.first")}"}`,
      dependsOn: ["look"],
    },
    { id: "tell", description: "tell", step: "report", dependsOn: ["get"] },
  ]);
  const { graph, requests } = await planned([answer], {}, given);
  expect(graph.tasks).toEqual([
    {
      id: "get.v2",
      description: "otherwise",
      step: "fetch",
      args: { url: { $ref: "look", path: "first" } },
      dependsOn: ["look"],
    },
    { id: "tell", description: "tell", step: "report", dependsOn: ["get.v2"] },
  ]);
  const prompt = requests[0]?.messages.at(-1)?.content;
  expect(prompt).toContain("404");
  expect(prompt).toContain('look: {"items":[],"first":"f"}');
});

test.for<[string, object]>([
  ["maxRepairs", { maxRepairs: -1 }],
  ["maxOutputTokens", { maxOutputTokens: 0 }],
  ["fallback", { fallback: "rules" }],
  ["stream", { stream: "yes" }],
  ["model", { model: "" }],
  ["examples", { examples: [{ goal: "g" }] }],
  ["prompt", { prompt: "Plan {{goal}} with {{magic}}" }],
  ["prompt", { prompt: "Plan it." }],
])("a wrong %s is refused at once", ([name, options]) => {
  expect(() => llmDecomposer(options as never)).toThrow(name);
  expect(() => llmDecomposer(options as never)).toThrow(expect.objectContaining({ code: "INVALID_INPUT" }));
});
