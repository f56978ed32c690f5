import { describe, expect, test } from "vitest";
import { fromErrorRecord, toErrorRecord } from "../../src/core/error-record.ts";
import {
  GoalpostError,
  InvalidGraphError,
  isGoalpostError,
  NonRetryableError,
  RetryAfterError,
  RunFailedError,
} from "../../src/index.ts";

const throughStorage = (error: unknown): GoalpostError =>
  fromErrorRecord(JSON.parse(JSON.stringify(toErrorRecord(error))));

describe("an error that is stored and read back", () => {
  test("keeps its code, message and details, if it is one of ours", () => {
    const error = new GoalpostError("OUTPUT_NOT_JSON", "not JSON at $.a", { details: { path: "$.a" } });
    const back = throughStorage(error);
    expect(back).toBeInstanceOf(GoalpostError);
    expect(back).toMatchObject({
      code: "OUTPUT_NOT_JSON",
      message: "not JSON at $.a",
      details: { path: "$.a" },
    });
  });

  test("keeps its issues, if it is about a graph", () => {
    const issues = [{ code: "CYCLE" as const, message: "round", taskId: "a", cycle: ["a", "b", "a"] }];
    const back = throughStorage(new InvalidGraphError(issues));
    expect(back).toBeInstanceOf(InvalidGraphError);
    expect(back).toMatchObject({ code: "INVALID_GRAPH", issues });
  });

  test("keeps name, message and the top of the stack, if it is another's", () => {
    const error = new TypeError("x is not a function");
    expect(toErrorRecord(error)).toMatchObject({ code: "STEP_FAILED", name: "TypeError" });
    const back = throughStorage(error);
    expect(back.message).toBe("x is not a function");
    expect(back.stack?.split("\n")[0]).toBe("TypeError: x is not a function");
    expect(back.stack?.split("\n").length).toBeLessThanOrEqual(12);
  });

  test("is given the code that the caller says", () => {
    expect(toErrorRecord(new Error("x"), "DECOMPOSER_FAILED").code).toBe("DECOMPOSER_FAILED");
  });

  test("has a message even if it came without", () => {
    expect(toErrorRecord(new RangeError()).message).toBe("RangeError");
  });

  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  test.each([
    ["a text", "oops", "oops"],
    ["undefined", undefined, "undefined"],
    ["null", null, "null"],
    ["an object", { code: 7 }, '{"code":7}'],
    ["a symbol", Symbol("s"), "Symbol(s)"],
    ["a cycle", cycle, "[object Object]"],
    ["a BigInt", 7n, "[object BigInt]"],
  ])("says what was thrown if it is %s", (_, thrown, described) => {
    expect(toErrorRecord(thrown).message).toBe(`something that is not an Error was thrown: ${described}`);
  });

  test("can be stored whatever its details are", () => {
    const error = new GoalpostError("STEP_FAILED", "odd", { details: { big: 1n, cycle } });
    expect(JSON.parse(JSON.stringify(toErrorRecord(error)))).toMatchObject({
      code: "STEP_FAILED",
      message: "odd",
    });
  });
});

describe("errors", () => {
  test("of another copy of the library are known", () => {
    const foreign = Object.assign(new Error("x"), { [Symbol.for("goalpost.error")]: true });
    expect(isGoalpostError(foreign)).toBe(true);
    expect(isGoalpostError(new Error("x"))).toBe(false);
    expect(isGoalpostError(null)).toBe(false);
  });

  test("that another try would meet again are not retryable, others are, and the thrower decides", () => {
    expect(new GoalpostError("OUTPUT_NOT_JSON", "").retryable).toBe(false);
    expect(new GoalpostError("STEP_FAILED", "").retryable).toBe(true);
    expect(new GoalpostError("STEP_FAILED", "", { retryable: false }).retryable).toBe(false);
    expect(new NonRetryableError("").retryable).toBe(false);
  });

  test("keep their cause and have their own names", () => {
    const cause = new Error("inner");
    expect(new NonRetryableError("outer", { cause })).toMatchObject({ cause, name: "NonRetryableError" });
    expect(new GoalpostError("CLOSED", "x")).not.toHaveProperty("cause");
  });

  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY])("a RetryAfterError does not take %d ms", (ms) => {
    expect(() => new RetryAfterError(ms)).toThrow(expect.objectContaining({ code: "INVALID_INPUT" }));
  });

  test("of a run say which task failed, why, and whether it was cancelled", () => {
    const task = { id: "price", step: "sum", attempt: 3 };
    const failed = new RunFailedError("r1", task, new GoalpostError("STEP_FAILED", "no price"));
    expect(failed.message).toBe(
      'run r1 failed at task "price" (step "sum", attempt 3): STEP_FAILED: no price',
    );
    const cancelled = new RunFailedError("r1", null, new GoalpostError("CANCELLED", "enough"));
    expect(cancelled.message).toBe("run r1 was cancelled: CANCELLED: enough");
  });

  test("of a graph list ten issues in their message and count the rest", () => {
    const issues = Array.from({ length: 12 }, (_, n) => ({ code: "CYCLE" as const, message: `issue ${n}` }));
    const { message } = new InvalidGraphError(issues);
    expect(message).toContain("12 problems");
    expect(message).toContain("issue 9");
    expect(message).not.toContain("issue 10");
    expect(message).toContain("and 2 more");
  });
});
