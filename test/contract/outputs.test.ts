import { expect, onTestFinished, test } from "vitest";
import { type Json, workflow } from "../../src/index.ts";
import { rejection } from "../promises.ts";
import { describeOnEachBackend } from "./backends.ts";

function cycle(): unknown {
  const inner: Record<string, unknown> = { list: [] };
  (inner.list as unknown[]).push(inner);
  return { inner };
}

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) {
    value = level % 2 === 0 ? [value] : { in: value };
  }
  return value;
}

const REFUSED: readonly (readonly [string, () => unknown, string])[] = [
  ["NaN", () => Number.NaN, "$"],
  ["an infinite number", () => ({ rate: { max: Number.POSITIVE_INFINITY } }), "$.rate.max"],
  ["undefined in an array", () => ({ list: [1, undefined] }), "$.list[1]"],
  // biome-ignore lint/suspicious/noSparseArray: that is what is tested.
  ["a hole in an array", () => [1, , 3], "$[1]"],
  ["a BigInt", () => [{ n: 1n }], "$[0].n"],
  ["a function", () => ({ call: () => 1 }), "$.call"],
  ["a symbol", () => ({ tag: Symbol("x") }), "$.tag"],
  ["a Map", () => ({ index: new Map([[1, 2]]) }), "$.index"],
  ["a Set", () => new Set([1]), "$"],
  ["a promise", () => ({ later: Promise.resolve(1) }), "$.later"],
  ["bytes", () => ({ raw: new Uint8Array(3) }), "$.raw"],
  ["an error", () => ({ failure: new Error("x") }), "$.failure"],
  ["a cycle", cycle, "$.inner.list[0]"],
  ["what toJSON makes of an object, if that is no JSON", () => ({ a: { toJSON: () => Number.NaN } }), "$.a"],
];

const KEPT: readonly (readonly [string, () => unknown, Json])[] = [
  ["undefined as null at the top", () => undefined, null],
  ["undefined left out of objects", () => ({ a: 1, b: undefined, c: { d: undefined } }), { a: 1, c: {} }],
  ["what toJSON gives", () => ({ at: new Date(0) }), { at: "1970-01-01T00:00:00.000Z" }],
  [
    "fields of class instances",
    () =>
      new (class Point {
        x = 1;
      })(),
    { x: 1 },
  ],
  ["zero characters and lone surrogates", () => "a\u0000b\ud83dc\udc00", "a\u0000b\ud83dc\udc00"],
  ["such characters in keys", () => ({ "\u0000": 1, "\udc00": 2 }), { "\u0000": 1, "\udc00": 2 }],
  ["quotes, backslashes and line breaks", () => `"'\\\n\u2028`, `"'\\\n\u2028`],
  ["large and small numbers", () => [1e308, 5e-324, -0.1, 2 ** 53], [1e308, 5e-324, -0.1, 2 ** 53]],
  ["an empty array", () => [], []],
  ["false", () => false, false],
  ["the empty text", () => "", ""],
  ["deep nesting", () => nested(990), nested(990) as Json],
];

describeOnEachBackend("outputs", (backend) => {
  test.for(REFUSED)("%s is refused with OUTPUT_NOT_JSON and its path", async ([, make, path]) => {
    const t = await backend.client();
    let calls = 0;
    const w = workflow("refused").step("odd", () => {
      calls += 1;
      return make();
    });
    const handle = await t.gp.start(w, null);
    await t.settle();
    const error = await rejection(handle.result());
    expect(error).toMatchObject({
      failedTask: { id: "odd", attempt: 1 },
      cause: { code: "OUTPUT_NOT_JSON", details: { path } },
    });
    expect(error.message).toContain(` at ${path}.`);
    expect(calls).toBe(1);
  });

  test.for(KEPT)("%s: the result and dependents are given it unchanged", async ([, make, kept]) => {
    const t = await backend.client();
    const given: unknown[] = [];
    const w = workflow("kept")
      .step("odd", make)
      .step("next", { after: ["odd"] }, ({ odd }) => {
        given.push(odd);
        return odd;
      });
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect((await handle.result()).output).toEqual({ next: kept });
    expect(given).toEqual([kept]);
    expect((await t.gp.runs.get(handle.runId)).tasks.map((task) => task.output)).toEqual([kept, kept]);
  });

  test("keys keep their order", async () => {
    const t = await backend.client();
    const value = { zebra: 1, apple: { y: 1, x: 2 }, mango: [{ b: 1, a: 2 }] };
    const w = workflow("order")
      .step("make", () => value)
      .step("pass_on", { after: ["make"] }, ({ make }) => make);
    const handle = await t.gp.start(w, null);
    await t.settle();
    expect(JSON.stringify((await handle.result()).output)).toBe(JSON.stringify({ pass_on: value }));
  });

  test("an output may have exactly as many bytes as are allowed, and no more", async () => {
    const t = await backend.client({ workers: { maxOutputBytes: 1000 } });
    const w = workflow<number>("size").step("text", ({ run }) => "é".repeat(run));
    const fits = await t.gp.start(w, 499);
    const tooLarge = await t.gp.start(w, 500);
    await t.settle();
    expect((await fits.result()).output.text).toHaveLength(499);
    expect(await rejection(tooLarge.result())).toMatchObject({
      failedTask: { attempt: 1 },
      cause: { code: "OUTPUT_TOO_LARGE", message: expect.stringContaining("1002 bytes") },
    });
  });

  test("a run that the database refuses does not stop others started at the same time", async () => {
    const t = await backend.client();
    const w = workflow<number>("batch").step("echo", ({ run }) => run);
    await backend.query("alter table goalpost.runs add constraint unlucky check (prio <> -13)");
    onTestFinished(async () => {
      await backend.query("alter table goalpost.runs drop constraint unlucky");
    });
    const starts = [0, 1, 2, 3, 4].map((input) => t.gp.start(w, input, { priority: input === 2 ? 13 : 0 }));
    const settled = await Promise.allSettled(starts);
    await t.settle();
    expect(settled.map((start) => start.status)).toEqual([
      "fulfilled",
      "fulfilled",
      "rejected",
      "fulfilled",
      "fulfilled",
    ]);
    expect(settled[2]).toMatchObject({ reason: { code: "DATABASE_REFUSED" } });
    const echoes = settled.map(async (start) =>
      start.status === "fulfilled" ? (await start.value.result()).output.echo : "refused",
    );
    expect(await Promise.all(echoes)).toEqual([0, 1, "refused", 3, 4]);
  });
});
