import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Estimate } from "../../src/core/estimates.ts";
import type { TaskSpec } from "../../src/core/goal.ts";
import type { OptimizedOutcome } from "../../src/core/optimizer.ts";
import { optimize } from "../../src/optimize/optimize.ts";
import { about, anyGraph, estimatesOf } from "./random-graph.ts";

const oddNumber = fc.oneof(
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1, 0, 1e300),
  fc.double(),
);

describe("given estimates that cannot be", () => {
  test("nothing throws, and every rank is a number", () => {
    const odd = fc.record<Partial<Estimate>>({
      samples: oddNumber,
      medianMs: oddNumber,
      meanMs: oddNumber,
      sigma: oddNumber,
      p95Ms: oddNumber,
      p99Ms: oddNumber,
      quantilesMs: fc.array(oddNumber, { maxLength: 4 }),
      successRate: oddNumber,
      costUsd: oddNumber,
      drift: oddNumber,
    });
    fc.assert(
      fc.property(anyGraph, odd, (tasks, estimate) => {
        const { graph } = optimize({ tasks }, estimatesOf({ s0: estimate, s1: about(500) }), {
          level: "aggressive",
        });
        for (const { rank, timeoutMs = 1 } of graph.hints.values()) {
          expect(Number.isFinite(rank) && Number.isFinite(timeoutMs)).toBe(true);
        }
        expect(Number.isFinite(graph.runKeyDelayMs)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("what is refused is said, and the graph is dispatched as without estimates", () => {
    const tasks = [task("a"), task("b", ["a"])];
    const wrong = estimatesOf({ work: { ...about(100), p99Ms: 3 } });
    const { graph, decisions } = optimize({ tasks }, wrong, { level: "advanced" });
    const basic = optimize({ tasks }, wrong).graph;
    expect(graph).toEqual(basic);
    expect(decisions).toContainEqual(
      expect.objectContaining({ adopted: false, reason: "its p95 or p99 lies below its median" }),
    );
  });

  test("estimates that throw count as unknown", () => {
    const broken = {
      snapshotId: "broken",
      of: () => {
        throw new Error("no");
      },
    };
    expect(optimize({ tasks: [task("a")] }, broken, { level: "advanced" }).graph.level).toBe("basic");
  });
});

describe("given estimates that tell much", () => {
  const long = [task("x1", [], "short"), task("x2", [], "short"), task("x3", [], "short")];
  const tasks = [...long, task("y", [], "long")];
  const known = estimatesOf({ short: about(100), long: about(1000) });

  test("the longest task starts first, with the predicted gain", () => {
    const { graph, decisions } = optimize({ tasks }, known, { level: "advanced", slots: 2 });
    const order = [...graph.hints].sort((one, other) => other[1].rank - one[1].rank).map(([id]) => id);
    expect(order[0]).toBe("y");
    const rank = decisions.find(({ kind }) => kind === "rank");
    expect(rank?.adopted).toBe(true);
    expect(rank?.predicted?.makespanMs?.after).toBeLessThan(rank?.predicted?.makespanMs?.before ?? 0);
  });

  test("the run stands behind its start by half of its work", () => {
    expect(optimize({ tasks }, known, { level: "advanced" }).graph.runKeyDelayMs).toBe(650);
  });

  test("the same inputs have the same answer", () => {
    const once = optimize({ tasks }, known, { level: "aggressive", slots: 2 });
    expect(optimize({ tasks }, known, { level: "aggressive", slots: 2 })).toEqual(once);
  });

  test("a timeout comes from p95 and p99, unless the task has its own or there are few samples", () => {
    const timed = (estimate: Partial<Estimate>, spec: Partial<TaskSpec> = {}): number | undefined =>
      optimize({ tasks: [{ ...task("a"), ...spec }] }, estimatesOf({ work: estimate }), {
        level: "advanced",
      }).graph.hints.get("a")?.timeoutMs;
    const slow = { ...about(5000), p95Ms: 8000, p99Ms: 11_000 };
    expect(timed(slow)).toBe(13_000);
    expect(timed(slow, { timeoutMs: 60_000 })).toBeUndefined();
    expect(timed({ ...slow, samples: 99 })).toBeUndefined();
    expect(timed({ ...slow, drift: 1 })).toBeUndefined();
  });

  test("after three regressions in a row aggressive is advanced, for some runs", () => {
    const past = Array.from({ length: 3 }, () => ({
      level: "aggressive" as const,
      predictedBeforeMs: 100,
      realisedMs: 120,
    }));
    const since = (runs: number): OptimizedOutcome[] =>
      Array.from({ length: runs }, () => ({ level: "advanced", predictedBeforeMs: 100, realisedMs: 90 }));
    const levelAfter = (count: number, runs = 0): string =>
      optimize({ tasks }, known, {
        level: "aggressive",
        slots: 2,
        past: [...past.slice(0, count), ...since(runs)],
      }).graph.level;
    expect([levelAfter(2), levelAfter(3), levelAfter(3, 19)]).toEqual(["aggressive", "advanced", "advanced"]);
    expect(levelAfter(3, 20)).toBe("aggressive");
  });
});

function task(id: string, dependsOn: readonly string[] = [], step = "work"): TaskSpec {
  return { id, description: id, step, dependsOn };
}
