import { describe, expect, test } from "vitest";
import type { FlowFunctions, FlowMapOptions, FlowResult } from "../../src/index.ts";
import type { TestGoalpost } from "../../src/testing/index.ts";
import { describeOnEachBackend } from "./backends.ts";

interface MapRun {
  readonly input?: unknown;
  readonly steps: FlowFunctions;
}

async function finish(t: TestGoalpost, flow: string, { input = null, steps }: MapRun): Promise<FlowResult> {
  const handle = await t.gp.startDynamic(flow, input, steps);
  await t.settle();
  return handle.result();
}

describeOnEachBackend("map steps of flows", (backend) => {
  // For an engine that carries out maps.
  describe("given a map", () => {
    async function build(t: TestGoalpost, name: string, map: FlowMapOptions): Promise<void> {
      await t.gp.flows.create(name);
      if (map.over !== undefined) {
        await t.gp.flows.addStep(name, map.over);
      }
      await t.gp.flows.addMapStep(name, "each", map);
    }

    test("each item of the step it goes over is carried out, and outputs are in the order of the items", async () => {
      const t = await backend.client();
      await build(t, "map_over", { over: "list" });
      const items = [1, "two", null, [3], { four: 4 }, 1];
      const seen: unknown[] = [];
      const { output } = await finish(t, "map_over", {
        steps: {
          list: () => items,
          each: (item, ctx) => {
            seen[ctx.index ?? -1] = item;
            return [ctx.index, item];
          },
        },
      });
      expect(output).toEqual({ each: items.map((item, index) => [index, item]) });
      expect(seen).toEqual(items);
    });

    test("without a source it goes over the run's input", async () => {
      const t = await backend.client();
      await build(t, "map_input", {});
      const steps: FlowFunctions = { each: (item) => item * 2 };
      expect((await finish(t, "map_input", { input: [1, 2, 3], steps })).output).toEqual({ each: [2, 4, 6] });
    });

    test("fixed items are gone over in every run", async () => {
      const t = await backend.client();
      await build(t, "map_items", { items: ["a", "b"] });
      const steps: FlowFunctions = { each: (item, ctx) => `${item}${ctx.index}` };
      for (const input of [null, [1, 2, 3]]) {
        expect((await finish(t, "map_items", { input, steps })).output).toEqual({ each: ["a0", "b1"] });
      }
    });

    test("no items are an empty array, and what comes after runs", async () => {
      const t = await backend.client();
      await build(t, "map_empty", { items: [] });
      await t.gp.flows.addStep("map_empty", "after", { after: ["each"] });
      const steps: FlowFunctions = { each: () => "never", after: ({ each }) => each.length };
      expect((await finish(t, "map_empty", { steps })).output).toEqual({ after: 0 });
    });

    test("a map over a map has as many items", async () => {
      const t = await backend.client();
      await build(t, "map_map", { over: "list" });
      await t.gp.flows.addMapStep("map_map", "again", { over: "each" });
      const steps: FlowFunctions = {
        list: () => [1, 2],
        each: (item) => item + 1,
        again: (item) => item * 10,
      };
      expect((await finish(t, "map_map", { steps })).output).toEqual({ again: [20, 30] });
    });

    test("a step after which a map comes only in order is finished before any item begins", async () => {
      const t = await backend.client();
      await t.gp.flows.create("map_after");
      await t.gp.flows.addStep("map_after", "first");
      await t.gp.flows.addMapStep("map_after", "each", { items: [1, 2], after: ["first"] });
      const order: string[] = [];
      const note = (_: unknown, ctx: { taskId: string }): number => order.push(ctx.taskId);
      await finish(t, "map_after", { steps: { first: note, each: note } });
      expect(order).toEqual(["first", "each", "each"]);
    });

    test("no more items than its concurrency are carried out at once", async () => {
      const t = await backend.client();
      await build(t, "map_concurrency", { items: [1, 2, 3, 4, 5, 6], concurrency: 2 });
      let running = 0;
      let most = 0;
      const steps: FlowFunctions = {
        each: async () => {
          running++;
          most = Math.max(most, running);
          await new Promise(setImmediate);
          running--;
        },
      };
      await finish(t, "map_concurrency", { steps });
      expect(most).toBe(2);
    });
  });
});
