import { describe, expectTypeOf, test } from "vitest";
import { z } from "zod";
import {
  defineStep,
  defineSteps,
  executeGoal,
  type GoalInput,
  type Goalpost,
  type GoalResult,
  type Json,
  type RunResult,
  rule,
  type Step,
  type StepMap,
  type Stored,
  type ValidTaskGraph,
  type Workflow,
  workflow,
} from "../../src/index.ts";

declare const gp: Goalpost;

describe("Stored", () => {
  test("is what JSON gives back", () => {
    expectTypeOf<Stored<string>>().toEqualTypeOf<string>();
    expectTypeOf<Stored<Date>>().toEqualTypeOf<string>();
    expectTypeOf<Stored<undefined>>().toEqualTypeOf<null>();
    expectTypeOf<Stored<void>>().toEqualTypeOf<null>();
    expectTypeOf<Stored<bigint>>().toEqualTypeOf<never>();
    expectTypeOf<Stored<() => void>>().toEqualTypeOf<never>();
    expectTypeOf<Stored<"a" | 1 | null>>().toEqualTypeOf<"a" | 1 | null>();
    expectTypeOf<Stored<Date[]>>().toEqualTypeOf<string[]>();
    expectTypeOf<Stored<readonly [number, Date]>>().toEqualTypeOf<readonly [number, string]>();
    expectTypeOf<Stored<{ at: Date; list: { n: number }[] }>>().toEqualTypeOf<{
      at: string;
      list: { n: number }[];
    }>();
    expectTypeOf<Stored<{ note?: Date }>>().toEqualTypeOf<{ note?: string | undefined }>();
    expectTypeOf<Stored<unknown>>().toEqualTypeOf<unknown>();
  });

  test("of Json is Json", () => {
    expectTypeOf<Stored<Json>>().toEqualTypeOf<Json>();
  });
});

describe("a workflow's builder", () => {
  const built = workflow<{ orderId: string }>("ship")
    .step("fetch", async ({ run }) => ({
      id: run.orderId,
      at: new Date(),
      note: undefined as string | undefined,
    }))
    .step("count", () => 3)
    .step("label", { after: ["fetch", "count"] }, (input) => {
      expectTypeOf(input.run).toEqualTypeOf<{ orderId: string }>();
      expectTypeOf(input.fetch).toEqualTypeOf<{ id: string; at: string; note: string | undefined }>();
      expectTypeOf(input.count).toEqualTypeOf<number>();
      return `${input.fetch.id} ${input.count}` as const;
    })
    .step("log", () => undefined);

  test("types the inputs of steps by what they come after, and the output by the leaves", () => {
    expectTypeOf(built).toExtend<
      Workflow<{ orderId: string }, { readonly label: `${string} ${number}`; readonly log: null }>
    >();
    expectTypeOf(() => gp.execute(built, { orderId: "o1" })).returns.resolves.toEqualTypeOf<
      RunResult<{ readonly label: `${string} ${number}`; readonly log: null }>
    >();
  });

  test("can be annotated by input and output alone", () => {
    const annotated: Workflow<number, { readonly double: number }> = workflow<number>("annotated").step(
      "double",
      ({ run }) => run * 2,
    );
    expectTypeOf(annotated.types).not.toBeAny();
  });

  test("does not let a step see what it does not come after", () => {
    workflow("w")
      .step("a", () => 1)
      .step("b", () => 2)
      // @ts-expect-error: b comes after nothing
      .step("c", { after: ["a"] }, ({ b }) => b);
  });

  test("refuses names that are taken, reserved or unknown", () => {
    const one = workflow("w").step("a", () => 1);
    const attempts = [
      // @ts-expect-error: step "a" is already there
      () => one.step("a", () => 2),
      // @ts-expect-error: the name run is reserved
      () => one.step("run", () => 2),
      // @ts-expect-error: there is no step "z"
      () => one.step("b", { after: ["z"] }, () => 2),
    ];
    expectTypeOf(attempts).toBeArray();
  });

  test("refuses an input of another type", () => {
    // @ts-expect-error: orderId is missing
    expectTypeOf(() => gp.execute(built, {})).toBeFunction();
  });

  test("types ctx and what ctx.once gives back", () => {
    workflow("ctx").step("a", async (_, ctx) => {
      expectTypeOf(ctx.args).toEqualTypeOf<null>();
      expectTypeOf(ctx.signal).toEqualTypeOf<AbortSignal>();
      expectTypeOf(await ctx.once("k", () => new Date())).toEqualTypeOf<string>();
      expectTypeOf(await ctx.once("k", async () => undefined)).toEqualTypeOf<null>();
    });
  });

  test("takes steps that return Json", () => {
    const made = workflow("json").step("a", (): Json => ({ any: [1] }));
    expectTypeOf(made).toExtend<Workflow<null, { readonly a: Json }>>();
  });
});

describe("steps of goals", () => {
  test("infer args and output from their schemas", () => {
    const search = defineStep({
      description: "",
      args: z.object({ q: z.string(), limit: z.number().default(10) }),
      output: z.object({ hits: z.array(z.string()) }),
      execute: async (args, ctx) => {
        expectTypeOf(args).toEqualTypeOf<{ q: string; limit: number }>();
        expectTypeOf(ctx.args).toEqualTypeOf<{ q: string; limit: number }>();
        expectTypeOf(ctx.input.run.goal).toEqualTypeOf<string>();
        return { hits: [args.q] };
      },
    });
    expectTypeOf(search).toEqualTypeOf<Step<{ q: string; limit: number }, { hits: string[] }>>();
  });

  test("must return what their output schema takes", () => {
    const wrong = {
      description: "",
      args: z.object({}),
      output: z.number(),
    };
    // @ts-expect-error: a text is no number
    expectTypeOf(() => defineStep({ ...wrong, execute: () => "text" })).toBeFunction();
  });

  test("as plain functions have typed parameters, also in a map of their own", () => {
    const steps = defineSteps({
      analyze: async (input, ctx) => {
        expectTypeOf(input.run.goal).toEqualTypeOf<string>();
        expectTypeOf(ctx.attempt).toEqualTypeOf<number>();
        return { n: 1 };
      },
      typed: ({ analyze }: GoalInput<{ analyze: { n: number } }>) => analyze.n,
      search: defineStep({ description: "", args: z.object({ q: z.string() }), execute: ({ q }) => q }),
    });
    expectTypeOf(steps).toExtend<StepMap>();
    expectTypeOf(steps.analyze).returns.resolves.toEqualTypeOf<{ n: number }>();
  });

  test("can be written where they are used", () => {
    const run = () =>
      executeGoal("g", () => [{ id: "a", description: "" }], {
        a: async (input, ctx) => [input.b, ctx.args],
      });
    expectTypeOf(run).returns.resolves.toEqualTypeOf<GoalResult>();
  });
});

describe("rules", () => {
  test("type the holes of a template", () => {
    rule("build {what} in {dir}", (groups) => {
      expectTypeOf(groups).toEqualTypeOf<Readonly<Record<"what" | "dir", string>>>();
      return [];
    });
    rule("no holes", (groups) => {
      expectTypeOf<keyof typeof groups>().toEqualTypeOf<never>();
      return [];
    });
  });

  test("type the groups that are named for a regular expression", () => {
    rule<"what">(/^fix (?<what>.+)$/i, ({ what }) => {
      expectTypeOf(what).toEqualTypeOf<string>();
      return [];
    });
  });
});

describe("graphs", () => {
  test("that were not validated are no ValidTaskGraph", () => {
    expectTypeOf<{ tasks: [] }>().not.toExtend<ValidTaskGraph>();
    expectTypeOf(() => gp.decomposeGoal("g")).returns.resolves.toEqualTypeOf<ValidTaskGraph>();
  });
});

test("a chain of 100 steps compiles", () => {
  const s = (before: { readonly run: null }): number => Object.keys(before).length;
  const chain = workflow("hundred")
    .step("s0", s)
    .step("s1", { after: ["s0"] }, s)
    .step("s2", { after: ["s1"] }, s)
    .step("s3", { after: ["s2"] }, s)
    .step("s4", { after: ["s3"] }, s)
    .step("s5", { after: ["s4"] }, s)
    .step("s6", { after: ["s5"] }, s)
    .step("s7", { after: ["s6"] }, s)
    .step("s8", { after: ["s7"] }, s)
    .step("s9", { after: ["s8"] }, s)
    .step("s10", { after: ["s9"] }, s)
    .step("s11", { after: ["s10"] }, s)
    .step("s12", { after: ["s11"] }, s)
    .step("s13", { after: ["s12"] }, s)
    .step("s14", { after: ["s13"] }, s)
    .step("s15", { after: ["s14"] }, s)
    .step("s16", { after: ["s15"] }, s)
    .step("s17", { after: ["s16"] }, s)
    .step("s18", { after: ["s17"] }, s)
    .step("s19", { after: ["s18"] }, s)
    .step("s20", { after: ["s19"] }, s)
    .step("s21", { after: ["s20"] }, s)
    .step("s22", { after: ["s21"] }, s)
    .step("s23", { after: ["s22"] }, s)
    .step("s24", { after: ["s23"] }, s)
    .step("s25", { after: ["s24"] }, s)
    .step("s26", { after: ["s25"] }, s)
    .step("s27", { after: ["s26"] }, s)
    .step("s28", { after: ["s27"] }, s)
    .step("s29", { after: ["s28"] }, s)
    .step("s30", { after: ["s29"] }, s)
    .step("s31", { after: ["s30"] }, s)
    .step("s32", { after: ["s31"] }, s)
    .step("s33", { after: ["s32"] }, s)
    .step("s34", { after: ["s33"] }, s)
    .step("s35", { after: ["s34"] }, s)
    .step("s36", { after: ["s35"] }, s)
    .step("s37", { after: ["s36"] }, s)
    .step("s38", { after: ["s37"] }, s)
    .step("s39", { after: ["s38"] }, s)
    .step("s40", { after: ["s39"] }, s)
    .step("s41", { after: ["s40"] }, s)
    .step("s42", { after: ["s41"] }, s)
    .step("s43", { after: ["s42"] }, s)
    .step("s44", { after: ["s43"] }, s)
    .step("s45", { after: ["s44"] }, s)
    .step("s46", { after: ["s45"] }, s)
    .step("s47", { after: ["s46"] }, s)
    .step("s48", { after: ["s47"] }, s)
    .step("s49", { after: ["s48"] }, s)
    .step("s50", { after: ["s49"] }, s)
    .step("s51", { after: ["s50"] }, s)
    .step("s52", { after: ["s51"] }, s)
    .step("s53", { after: ["s52"] }, s)
    .step("s54", { after: ["s53"] }, s)
    .step("s55", { after: ["s54"] }, s)
    .step("s56", { after: ["s55"] }, s)
    .step("s57", { after: ["s56"] }, s)
    .step("s58", { after: ["s57"] }, s)
    .step("s59", { after: ["s58"] }, s)
    .step("s60", { after: ["s59"] }, s)
    .step("s61", { after: ["s60"] }, s)
    .step("s62", { after: ["s61"] }, s)
    .step("s63", { after: ["s62"] }, s)
    .step("s64", { after: ["s63"] }, s)
    .step("s65", { after: ["s64"] }, s)
    .step("s66", { after: ["s65"] }, s)
    .step("s67", { after: ["s66"] }, s)
    .step("s68", { after: ["s67"] }, s)
    .step("s69", { after: ["s68"] }, s)
    .step("s70", { after: ["s69"] }, s)
    .step("s71", { after: ["s70"] }, s)
    .step("s72", { after: ["s71"] }, s)
    .step("s73", { after: ["s72"] }, s)
    .step("s74", { after: ["s73"] }, s)
    .step("s75", { after: ["s74"] }, s)
    .step("s76", { after: ["s75"] }, s)
    .step("s77", { after: ["s76"] }, s)
    .step("s78", { after: ["s77"] }, s)
    .step("s79", { after: ["s78"] }, s)
    .step("s80", { after: ["s79"] }, s)
    .step("s81", { after: ["s80"] }, s)
    .step("s82", { after: ["s81"] }, s)
    .step("s83", { after: ["s82"] }, s)
    .step("s84", { after: ["s83"] }, s)
    .step("s85", { after: ["s84"] }, s)
    .step("s86", { after: ["s85"] }, s)
    .step("s87", { after: ["s86"] }, s)
    .step("s88", { after: ["s87"] }, s)
    .step("s89", { after: ["s88"] }, s)
    .step("s90", { after: ["s89"] }, s)
    .step("s91", { after: ["s90"] }, s)
    .step("s92", { after: ["s91"] }, s)
    .step("s93", { after: ["s92"] }, s)
    .step("s94", { after: ["s93"] }, s)
    .step("s95", { after: ["s94"] }, s)
    .step("s96", { after: ["s95"] }, s)
    .step("s97", { after: ["s96"] }, s)
    .step("s98", { after: ["s97"] }, s)
    .step("s99", { after: ["s98"] }, s);
  expectTypeOf(chain).toExtend<Workflow<null, { readonly s99: number }>>();
});
