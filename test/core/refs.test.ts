import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Json, toJson } from "../../src/core/json.ts";
import { bindRefs, findRefs } from "../../src/core/refs.ts";

describe("finding references", () => {
  test("tells where each stands and what it points at", () => {
    const args = { a: { $ref: "x" }, b: [1, { c: { $ref: "y", path: "p.q[2].r" } }] };
    expect(findRefs(args)).toEqual({
      refs: expect.arrayContaining([
        { id: "x", path: [], at: ["a"] },
        { id: "y", path: ["p", "q", "2", "r"], at: ["b", "1", "c"] },
      ]),
      malformed: [],
    });
  });

  test.each([
    [{ $ref: "" }, "is not the id"],
    [{ $ref: null }, "is not the id"],
    [{ $ref: "x", path: 1 }, "path"],
    [{ $ref: "x", or: 1 }, "more than $ref and path: or"],
  ])("%j is malformed", (args, message) => {
    const { refs, malformed } = findRefs({ deep: [args] });
    expect(refs).toEqual([]);
    expect(malformed).toEqual([{ at: ["deep", "0"], message: expect.stringContaining(message) }]);
  });

  test("does not overflow the stack on deep args", () => {
    let args: unknown = { $ref: "x" };
    for (let level = 0; level < 5000; level++) {
      args = [args];
    }
    expect(findRefs(args).refs).toMatchObject([{ id: "x" }]);
  });
});

describe("binding references", () => {
  const outputs = { x: { list: [{ n: 1 }, null], text: "t" }, zero: 0, none: null };

  test.each<[Json, Json]>([
    [{ $ref: "x" }, outputs.x],
    [{ $ref: "x", path: "" }, outputs.x],
    [{ $ref: "x", path: "list.1" }, null],
    [{ $ref: "zero" }, 0],
    [{ $ref: "none" }, null],
    [
      [{ $ref: "x", path: "text" }, { deep: { $ref: "x", path: "list[0]" } }],
      ["t", { deep: { n: 1 } }],
    ],
  ])("%j becomes %j", (args, bound) => {
    expect(bindRefs(args, outputs)).toEqual(bound);
  });

  test.each([
    [{ $ref: "unknown" }, 'task "unknown", which has no output here'],
    [{ $ref: "toString" }, "has no output here"],
    [{ $ref: "x", path: "text.length" }, 'there is no "length" in "text"; it is a string'],
    [{ $ref: "x", path: "list.7" }, "it is an array of 2"],
    [{ $ref: "x", path: "constructor" }, "it has: list, text"],
    [{ $ref: "none", path: "a" }, "it is null"],
  ])("%j is INVALID_INPUT", (args, message) => {
    expect(() => bindRefs(args, outputs)).toThrow(
      expect.objectContaining({ code: "INVALID_INPUT", message: expect.stringContaining(message) }),
    );
  });

  test("leaves args without references as they are, whatever they are", () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        fc.pre(!toJson(value, "args").includes("$ref"));
        expect(bindRefs(value as Json, outputs)).toEqual(value);
      }),
    );
  });

  test("puts outputs in whole, whatever they hold, and does not look through them again", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string(), (output, trap) => {
        const tricky = { output, trap: { $ref: trap } } as Json;
        expect(bindRefs({ in: { $ref: "made" } }, { made: tricky })).toEqual({ in: tricky });
      }),
    );
  });
});
