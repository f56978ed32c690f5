import { expect, test } from "vitest";
import type { Json } from "../../src/index.ts";
import { readPlaceholders } from "../../src/plan/placeholders.ts";
import { type NamePlace, TaskNames } from "../../src/plan/task-names.ts";

/** Args of a task of a plan with these ids. */
function read(args: Json, ids: readonly unknown[], own: Partial<NamePlace> & { dependsOn?: string[] } = {}) {
  const { dependsOn = [], ...place } = own;
  const names = new TaskNames({ finished: new Set(), positions: true, ...place });
  for (const id of ids) {
    names.add(id);
  }
  return readPlaceholders(args, { id: "me", names, dependsOn: new Set(dependsOn) });
}

const curly = (path: string): string => `\${${path}}`;

test.for<[string, readonly unknown[], Json]>([
  ["$1", [1, 2], { $ref: "t1" }],
  ["$2.items[0].name", [1, 2], { $ref: "t2", path: "items[0].name" }],
  ["$look", ["look"], { $ref: "look" }],
  ["#E1", ["E1", "E2"], { $ref: "E1" }],
  ["#E2.title", ["look", "sum"], { $ref: "sum", path: "title" }],
  ["<node-1>", ["look", "sum"], { $ref: "look" }],
  ["<task-2>.x", ["task-1", "task-2"], { $ref: "task-2", path: "x" }],
  ["{{look}}", ["look"], { $ref: "look" }],
  ["{{ look.items.0 }}", ["look"], { $ref: "look", path: "items.0" }],
  [curly("look.first"), ["look"], { $ref: "look", path: "first" }],
  [curly("tasks.look.first"), ["look"], { $ref: "look", path: "first" }],
  [curly("a.b.c"), ["a", "a.b"], { $ref: "a.b", path: "c" }],
  [curly("look[0]"), ["look"], { $ref: "look", path: "[0]" }],
])("%s becomes a reference", ([text, ids, ref]) => {
  expect(read({ deep: [text] }, ids).args).toEqual({ deep: [ref] });
});

test.for<[string, readonly unknown[]]>([
  ["costs $1", [1, 2]],
  ["$5", ["look", "sum", "a", "b", "c"]],
  ["$9", [1, 2]],
  ["$1,000", [1]],
  ["#E7", ["look"]],
  ["{{name}}", ["look"]],
  [curly("HOME"), ["look"]],
  ["<div-3>", ["look"]],
  ["Dear {{name}}, you owe $1", [1]],
])("%s names no task and stays a text", ([text, ids]) => {
  expect(read(text, ids)).toMatchObject({ args: text, issues: [] });
});

test("$1 as a position counts where the task says that it waits for the task there", () => {
  expect(read("$1", ["look", "sum"], { dependsOn: ["look"] }).args).toEqual({ $ref: "look" });
  expect(read("$1", ["look", "sum"]).args).toBe("$1");
});

test("positions count from 0 where the plan does", () => {
  expect(read("<node-0>", ["look", "sum"], { fromZero: true }).args).toEqual({ $ref: "look" });
});

test.for(["Sum up: {{look.first}}", `Sum up ${curly("look")}`, "see #E1", "from <node-1> on"])(
  "%s is an issue: a placeholder inside a longer text is not filled",
  (text) => {
    expect(read({ text }, ["look"]).issues).toMatchObject([
      {
        code: "DANGLING_REF",
        taskId: "me",
        path: "args.text",
        message: expect.stringContaining("longer text"),
      },
    ]);
  },
);

test("references by the model's own ids, with a path behind the id, or with path: null are put right", () => {
  const args = [{ $ref: 1 }, { $ref: "look up", path: null }, { $ref: "look up.items.0" }, { $ref: "gone" }];
  expect(read(args, [1, "look up"]).args).toEqual([
    { $ref: "t1" },
    { $ref: "look_up" },
    { $ref: "look_up", path: "items.0" },
    { $ref: "gone" },
  ]);
});

test("keys are no placeholders, and none of them reaches a prototype", () => {
  const args = JSON.parse(
    '{"$1": 1, "__proto__": {"polluted": true}, "constructor": {"prototype": 2}}',
  ) as Json;
  const { args: clean } = read(args, [1]);
  expect(JSON.stringify(clean)).toBe('{"$1":1,"constructor":{"prototype":2}}');
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
});

test("texts that may yet become placeholders are doubtful, others are not", () => {
  expect(read("$3", [1]).doubtful).toBe(true);
  expect(read("{{later.x}}", [1]).doubtful).toBe(true);
  expect(read("see {{later}} for more", [1]).doubtful).toBe(true);
  expect(read(["costs $1", "$1", "plain"], [1]).doubtful).toBe(false);
});

test("long texts of brackets and dollars take no time", () => {
  const begun = performance.now();
  for (const piece of ["${", "{{ ", "<a-1>", "#E1 ", "$1.", "{{a}} "]) {
    read(piece.repeat(50_000), ["look"]);
  }
  expect(performance.now() - begun).toBeLessThan(1000);
});
