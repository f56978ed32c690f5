import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkName, nameProblem } from "../../src/core/names.ts";
import { workflow } from "../../src/index.ts";

describe("names", () => {
  test.each(["a", "_", "A1", "a.b:c-d_e", "x".repeat(128), "constructor", "runs"])("%j is fine", (name) => {
    expect(nameProblem(name)).toBeUndefined();
  });

  test.each([
    ["", "is empty"],
    ["run", "is reserved"],
    ["1a", "not allowed"],
    ["-a", "not allowed"],
    ["a b", "not allowed"],
    ["a/b", "not allowed"],
    ["ä", "not allowed"],
    ["a\n", "not allowed"],
    ["x".repeat(129), "129 characters"],
    [undefined, "is empty"],
    [7, "is empty"],
  ])("%j is refused: %s", (name, problem) => {
    expect(nameProblem(name)).toContain(problem);
  });

  test("that are fine are of letters, digits and four signs, and begin with no digit or sign", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 130 }), (name) => {
        const fine = /^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$/.test(name) && !name.endsWith("\n");
        fc.pre(name !== "run" && name !== "__proto__");
        expect(nameProblem(name) === undefined).toBe(fine);
      }),
    );
  });

  test("are refused with INVALID_INPUT, the name and the rule", () => {
    expect(() => checkName("no way", "workflow")).toThrow(
      expect.objectContaining({
        code: "INVALID_INPUT",
        message: expect.stringMatching(/workflow name "no way" has a character.*Allowed: a letter/),
      }),
    );
  });

  test("of workflows and steps are checked", () => {
    expect(() => workflow("no way")).toThrow(expect.objectContaining({ code: "INVALID_INPUT" }));
    expect(() => workflow("ok").step("no way", () => 1)).toThrow(
      expect.objectContaining({ code: "INVALID_INPUT" }),
    );
  });

  test("that every object has stand for themselves only", () => {
    for (const name of ["constructor", "toString", "__proto__", "hasOwnProperty"]) {
      const refusedOr = (): string => {
        try {
          const { steps } = workflow("w").step(name as "constructor", () => 1);
          return steps.map((step) => step.name).join();
        } catch (error) {
          return (error as { code: string }).code;
        }
      };
      expect([name, "INVALID_INPUT"]).toContain(refusedOr());
    }
  });
});
