import { describe, expect, test } from "vitest";
import { DEFAULT_LIMITS, type DecomposeContext, type Goal, type TaskSpec } from "../../src/core/goal.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { rule, rules } from "../../src/plan/rules.ts";
import { findIssues } from "../../src/plan/validate.ts";
import { rejection } from "../promises.ts";

const ctx: DecomposeContext = {
  steps: [],
  limits: DEFAULT_LIMITS,
  depth: 0,
  outputs: {},
  signal: new AbortController().signal,
  log: silentLogger,
  llm: () => Promise.reject(new Error("no model is called")),
};

const say = (text: string): TaskSpec[] => [{ id: "said", description: text }];

async function decompose(
  list: Parameters<typeof rules>[0],
  goal: string | Goal,
  options: Parameters<typeof rules>[1] & { ctx?: Partial<DecomposeContext> } = {},
): Promise<readonly TaskSpec[]> {
  const full = typeof goal === "string" ? { text: goal } : goal;
  return (await rules(list, options)(full, { ...ctx, ...options.ctx })) as readonly TaskSpec[];
}

describe("templates", () => {
  const build = rule("build {what} in {dir}", ({ what, dir }) => say(`${what}|${dir}`));

  test.each([
    ["build a parser in src", "a parser|src"],
    ["BUILD  a parser\tin  src", "a parser|src"],
    ["  build it all in one in one place  ", "it all|one in one place"],
    ["build a.b(c)* in x", "a.b(c)*|x"],
  ])("%j is read as %j", async (text, said) => {
    expect(await decompose([build], text)).toEqual(say(said));
  });

  test.each(["build a parser", "please build a in b", "build  in x", "buildx in y"])(
    "%j does not match",
    async (text) => {
      expect(await rejection(decompose([build], text))).toMatchObject({ code: "DECOMPOSER_FAILED" });
    },
  );

  test("characters that mean something in regular expressions mean themselves", async () => {
    const odd = rule("what is 1+1? (ask {who})", ({ who }) => say(who));
    expect(await decompose([odd], "what is 1+1? (ask ann)")).toEqual(say("ann"));
    expect(await rejection(decompose([odd], "what is 11 ask ann"))).toMatchObject({
      code: "DECOMPOSER_FAILED",
    });
  });
});

describe("regular expressions", () => {
  test("give their named groups, trimmed; groups that took no part are empty", async () => {
    const fix = rule<"what" | "how">(/^fix (?<what>[^,]+)(, (?<how>.+))?$/i, ({ what, how }) =>
      say(`${what}|${how}`),
    );
    expect(await decompose([fix], "Fix the roof , quickly")).toEqual(say("the roof|quickly"));
    expect(await decompose([fix], "fix it")).toEqual(say("it|"));
  });

  test("with the global flag match every time", async () => {
    const again = rule(/again/g, () => say("yes"));
    for (let time = 0; time < 3; time++) {
      expect(await decompose([again], "again")).toEqual(say("yes"));
    }
  });
});

describe("a list of rules", () => {
  test("is tried in order: the first that matches makes the tasks", async () => {
    const list = [rule("a {x}", () => say("first")), rule("a b", () => say("second"))];
    expect(await decompose(list, "a b")).toEqual(say("first"));
  });

  test("asks `otherwise` when none matches", async () => {
    const otherwise = (goal: Goal): TaskSpec[] => say(`otherwise ${goal.text}`);
    expect(await decompose([], "anything", { otherwise })).toEqual(say("otherwise anything"));
  });

  test("without `otherwise` says what there is", async () => {
    const list = [rule("build {x}", () => []), rule(/^fix/, () => [])];
    const error = await rejection(decompose(list, "dance"));
    expect(error.message).toContain("build {x}");
    expect(error.message).toContain("/^fix/");
  });

  test("passes the goal with its context, and ctx", async () => {
    const seen: unknown[] = [];
    const look = rule("look", (_, goal, given) => {
      seen.push(goal, given.depth);
      return say("seen");
    });
    await decompose([look], { text: "look", context: { a: 1 } });
    expect(seen).toEqual([{ text: "look", context: { a: 1 } }, 0]);
  });

  test("passes on what is no list of tasks, for the caller to report", async () => {
    expect(await decompose([rule("x", () => "prose" as never)], "x")).toBe("prose");
  });
});

describe("tasks to be decomposed", () => {
  const list = [
    rule("ship {what}", ({ what }) => [
      { id: "build", description: `build ${what}`, decompose: true },
      { id: "send", description: `send ${what}`, dependsOn: ["build"], decompose: true },
    ]),
    rule("build {what}", ({ what }) => [
      { id: "compile", description: `compile ${what}` },
      { id: "check", description: `check ${what}`, decompose: true },
    ]),
    rule("check {what}", ({ what }) => [{ id: "lint", description: `lint ${what}` }]),
    rule("send {what}", () => say("never at once")),
  ];

  test("are taken apart at once, to every level, if they wait for nothing", async () => {
    expect(await decompose(list, "ship it")).toEqual([
      {
        id: "build",
        description: "build it",
        subtasks: [
          { id: "compile", description: "compile it" },
          { id: "check", description: "check it", subtasks: [{ id: "lint", description: "lint it" }] },
        ],
      },
      { id: "send", description: "send it", dependsOn: ["build"], decompose: true },
    ]);
  });

  test("are left for later if their args refer to an output", async () => {
    const waiting = { id: "w", description: "build w", decompose: true, args: { $ref: "other" } };
    expect(await decompose([rule("go", () => [waiting]), ...list], "go")).toEqual([waiting]);
  });

  test("are left for later if no rule matches them", async () => {
    const unknown = { id: "u", description: "what now", decompose: true };
    expect(await decompose([rule("go", () => [unknown])], "go")).toEqual([unknown]);
  });

  test("inside subtasks are taken apart, too", async () => {
    const box = [
      { id: "box", description: "", subtasks: [{ id: "c", description: "check c", decompose: true }] },
    ];
    const [made] = await decompose([rule("go", () => box), ...list], "go");
    expect(made?.subtasks?.[0]?.subtasks).toEqual([{ id: "lint", description: "lint c" }]);
  });

  test("that come to themselves again end at maxDepth: TOO_DEEP", async () => {
    let made = 0;
    const loop = rule("dig", () => [{ id: `dig${made++}`, description: "dig", decompose: true }]);
    const tasks = await decompose([loop], "dig");
    expect(made).toBeLessThan(20);
    const { issues } = await findIssues(tasks);
    expect(issues.map((issue) => issue.code)).toEqual(["TOO_DEEP"]);
  });

  test("that multiply without end stop soon after maxTasks: TOO_LARGE", async () => {
    let made = 0;
    const flood = rule("multiply", () =>
      Array.from({ length: 10 }, () => ({ id: `m${made++}`, description: "multiply", decompose: true })),
    );
    const limits = { ...DEFAULT_LIMITS, maxDepth: 50, maxTasks: 100 };
    const tasks = await decompose([flood], "multiply", { ctx: { limits } });
    expect(made).toBeLessThan(2000);
    const { issues } = await findIssues(tasks, { limits });
    expect(issues.map((issue) => issue.code)).toContain("TOO_LARGE");
  });
});
