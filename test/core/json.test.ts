import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isObject, MAX_JSON_DEPTH, toJson } from "../../src/core/json.ts";

const refused = (value: unknown): unknown => {
  try {
    toJson(value, "it is");
  } catch (error) {
    return (error as { details?: { path?: unknown } }).details?.path;
  }
  throw new Error("it was not refused");
};

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) {
    value = [value];
  }
  return value;
}

describe("toJson", () => {
  test("gives the text that JSON.stringify gives, for whatever JSON can hold", () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        expect(toJson(value, "it is")).toBe(JSON.stringify(value));
      }),
    );
  });

  test("throws OUTPUT_NOT_JSON or gives a text that is read back the same a second time, for anything", () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true }),
        (value) => {
          let text: string;
          try {
            text = toJson(value, "it is");
          } catch (error) {
            expect(error).toMatchObject({ code: "OUTPUT_NOT_JSON" });
            return;
          }
          expect(toJson(JSON.parse(text), "it is")).toBe(text);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("makes null of undefined at the top, and leaves it out of objects", () => {
    expect(toJson(undefined, "it is")).toBe("null");
    expect(toJson({ a: undefined, b: { c: undefined } }, "it is")).toBe('{"b":{}}');
  });

  test("leaves undefined out of objects under any key", () => {
    expect(toJson({ "a]": undefined, "": undefined, "[0]": undefined }, "it is")).toBe("{}");
  });

  test("honours toJSON, also when it gives undefined", () => {
    const absent = { toJSON: () => undefined };
    expect(toJson({ at: new Date(0), absent }, "it is")).toBe('{"at":"1970-01-01T00:00:00.000Z"}');
    expect(refused([absent])).toBe("$[0]");
  });

  test("takes one object in two places for what it is: no cycle", () => {
    const shared = { n: 1 };
    expect(toJson([shared, { shared }], "it is")).toBe('[{"n":1},{"shared":{"n":1}}]');
  });

  test("names the path of the first value that JSON cannot hold", () => {
    expect(refused({ a: [{ b: 1 }, { b: Number.NaN }], c: 1n })).toBe("$.a[1].b");
    expect(refused(Object(1n))).toBe("$");
  });

  test("says what the value is and what is allowed", () => {
    expect(() => toJson({ f: () => 1 }, 'step "price" returned')).toThrow(
      'step "price" returned a value that JSON cannot hold: a function at $.f. Allowed are',
    );
  });

  test(`takes ${MAX_JSON_DEPTH} levels of nesting and no more`, () => {
    expect(toJson(nested(MAX_JSON_DEPTH), "it is")).toHaveLength(2 * MAX_JSON_DEPTH + 1);
    expect(refused(nested(MAX_JSON_DEPTH + 1))).toMatch(/^\$\[0\]/);
    expect(refused(nested(100_000))).toMatch(/^\$\[0\]/);
  });
});

describe("isObject", () => {
  test.each([
    [{}, true],
    [Object.create(null), true],
    [[], false],
    [null, false],
    ["text", false],
  ])("of %j is %j", (value, is) => {
    expect(isObject(value)).toBe(is);
  });
});
