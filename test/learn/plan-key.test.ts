import { describe, expect, test } from "vitest";
import { hashesOfUsed, hashOfTools, hashSteps, keyOfGoal, textOfGoal } from "../../src/learn/plan-key.ts";

const steps = [
  { name: "read", description: "reads", argsSchema: { type: "object" } },
  { name: "write", description: "writes" },
];

describe("the key of a goal", () => {
  test("spaces do not count, everything else does", () => {
    const key = keyOfGoal({ text: "ship  the\n order " });
    expect(keyOfGoal({ text: "ship the order" })).toBe(key);
    expect(keyOfGoal({ text: "Ship the order" })).not.toBe(key);
    expect(keyOfGoal({ text: "ship the order", context: { id: 1 } })).not.toBe(key);
    expect(keyOfGoal({ text: "ship the order", context: null })).toBe(key);
  });

  test("the order of the context's keys does not count", () => {
    const context = { a: 1, b: [1, { c: 2, d: 3 }] };
    const turned = { b: [1, { d: 3, c: 2 }], a: 1 };
    expect(keyOfGoal({ text: "g", context })).toBe(keyOfGoal({ text: "g", context: turned }));
  });

  test("a goal of any length has a text that embedders take", () => {
    expect(textOfGoal({ text: ` ${"x".repeat(50_000)} ` })).toHaveLength(8000);
  });
});

describe("the hashes of steps", () => {
  test("are of what they take and give, not of how they are described or what is known of them", () => {
    const [read] = steps;
    const other = hashSteps([{ ...read, name: "read", description: "reads a file" }]);
    expect(other).toEqual({ read: hashSteps(steps).read });
    expect(hashSteps([{ name: "read", argsSchema: { type: "string" } }])).not.toEqual(other);
  });

  test("a plan uses the steps of its leaves", () => {
    const known = hashSteps(steps);
    const leaf = { id: "read", description: "" };
    const whole = {
      id: "all",
      description: "",
      subtasks: [leaf, { id: "w", description: "", step: "write" }],
    };
    const late = { id: "late", description: "", decompose: true };
    expect(hashesOfUsed([whole, late], known)).toEqual(known);
    expect(hashesOfUsed([{ id: "x", description: "", step: "toString" }], known)).toBeNull();
  });

  test("agents come and go: they change neither the set of steps nor a plan's", () => {
    const agent = { name: "agent:writer", description: "writes" };
    expect(hashOfTools([...steps, agent])).toBe(hashOfTools(steps));
    const used = hashesOfUsed([{ id: "a", description: "", step: "agent:writer" }], {});
    expect(used).toEqual(hashSteps([agent]));
  });
});
