import { expect, test } from "vitest";
import type { Goalpost } from "../../src/index.ts";
import { rejection } from "../promises.ts";
import { type Backend, describeOnEachBackend } from "./backends.ts";

const open = async (backend: Backend): Promise<Goalpost> => (await backend.client()).gp;

describeOnEachBackend("flows", (backend) => {
  test("a flow is made empty, with its options", async () => {
    const gp = await open(backend);
    const made = await gp.flows.create("made", { maxAttempts: 5, retry: { baseMs: 10 }, priority: 2 });
    expect(made).toEqual({
      name: "made",
      options: { maxAttempts: 5, retry: { baseMs: 10 }, priority: 2 },
      stepCount: 0,
      steps: [],
      createdAt: expect.any(Date),
    });
    expect(await gp.flows.get("made")).toEqual(made);
  });

  test("making a flow again returns it as it is, and leaves its options", async () => {
    const gp = await open(backend);
    const first = await gp.flows.create("twice", { maxAttempts: 5 });
    expect(await gp.flows.create("twice", { maxAttempts: 7, timeoutMs: 1 })).toEqual(first);
    expect((await gp.flows.list({ limit: 1000 })).filter((flow) => flow.name === "twice")).toHaveLength(1);
  });

  test("options that are undefined or null are left out", async () => {
    const gp = await open(backend);
    const flow = await gp.flows.create("empty_options", {
      maxAttempts: null,
      timeoutMs: undefined,
      retry: { factor: 3 },
    });
    expect(flow.options).toEqual({ retry: { factor: 3 } });
    const step = await gp.flows.addStep("empty_options", "a", { after: null, maxAttempts: null });
    expect(step).toEqual({
      name: "a",
      kind: "step",
      position: 0,
      after: [],
      over: null,
      items: null,
      concurrency: null,
    });
    expect((await gp.flows.create("no_options", null)).options).toEqual({});
  });

  test("steps are numbered from 0 in the order in which they were added, in each flow by itself", async () => {
    const gp = await open(backend);
    for (const flow of ["numbers_one", "numbers_two"]) {
      await gp.flows.create(flow);
      for (const step of ["z", "a", "m"]) {
        await gp.flows.addStep(flow, step);
      }
    }
    for (const flow of ["numbers_one", "numbers_two"]) {
      const { steps, stepCount } = await gp.flows.get(flow);
      expect(steps.map(({ name, position }) => [name, position])).toEqual([
        ["z", 0],
        ["a", 1],
        ["m", 2],
      ]);
      expect(stepCount).toBe(3);
    }
  });

  test("dependencies are sorted, and each is there once", async () => {
    const gp = await open(backend);
    const flow = await gp.flows.create("sorted");
    for (const step of ["b", "a", "c"]) {
      await gp.flows.addStep(flow, step);
    }
    const step = await gp.flows.addStep(flow, "d", { after: ["c", "a", "c", "b", "a"] });
    expect(step.after).toEqual(["a", "b", "c"]);
    expect((await gp.flows.get(flow)).steps[3]).toEqual(step);
  });

  test("adding a step again returns it as it is", async () => {
    const gp = await open(backend);
    await gp.flows.create("again");
    await gp.flows.addStep("again", "a");
    const first = await gp.flows.addStep("again", "b", { after: ["a"], maxAttempts: 2, timeoutMs: 10 });
    expect(await gp.flows.addStep("again", "b", { maxAttempts: 9, timeoutMs: 20 })).toEqual(first);
    expect(await gp.flows.addMapStep("again", "b", { items: [1] })).toEqual(first);
    expect((await gp.flows.get("again")).steps).toHaveLength(2);
  });

  test("what a flow was built with comes back whole", async () => {
    const gp = await open(backend);
    const items = [null, 1, "zero \u0000 and half a pair \ud800", [[]], { a: { b: [true] } }];
    await gp.flows.create("whole");
    await gp.flows.addStep("whole", "list", { maxAttempts: 4, retry: { jitter: false, maxDelayMs: 0 } });
    await gp.flows.addStep("whole", "other");
    await gp.flows.addMapStep("whole", "each", { over: "list", after: ["other", "list"], concurrency: 3 });
    await gp.flows.addMapStep("whole", "fixed", { items, timeoutMs: 5 });
    await gp.flows.addMapStep("whole", "input");
    const map = { kind: "map", over: null, items: null, concurrency: null, after: [] };
    const step = { kind: "step", over: null, items: null, concurrency: null, after: [] };
    expect((await gp.flows.get("whole")).steps).toEqual([
      { ...step, name: "list", position: 0, maxAttempts: 4, retry: { jitter: false, maxDelayMs: 0 } },
      { ...step, name: "other", position: 1 },
      { ...map, name: "each", position: 2, over: "list", after: ["other"], concurrency: 3 },
      { ...map, name: "fixed", position: 3, items, timeoutMs: 5 },
      { ...map, name: "input", position: 4 },
    ]);
  });

  test("flows are listed by name, a page at a time", async () => {
    const gp = await open(backend);
    for (const name of ["page_b", "Page_b", "page_a", "page_10", "page_9"]) {
      await gp.flows.create(name);
    }
    await gp.flows.addStep("page_9", "a");
    const all = await gp.flows.list({ limit: 1000 });
    const names = all.map((flow) => flow.name);
    expect(names).toEqual(names.toSorted());
    expect(all.find((flow) => flow.name === "page_9")).toEqual({
      name: "page_9",
      options: {},
      stepCount: 1,
      createdAt: expect.any(Date),
    });
    const offset = names.indexOf("page_10");
    const page = await gp.flows.list({ limit: 2, offset });
    expect(page.map((flow) => flow.name)).toEqual(["page_10", "page_9"]);
  });

  test.for<[string, unknown]>([
    ["is empty", ""],
    ["is null", null],
    ["is a number", 7],
    ["begins with a digit", "1a"],
    ["has a dash first", "-a"],
    ["has a space", "a b"],
    ["ends with a line break", "a\n"],
    ["is reserved", "run"],
    ["is a key that is not like others", "__proto__"],
    ["has a slash", "a/b"],
    ["has 129 characters", "a".repeat(129)],
  ])("a name that %s is refused", async ([, name]) => {
    const gp = await open(backend);
    await gp.flows.create("names");
    const given = name as string;
    for (const refused of [
      () => gp.flows.create(given),
      () => gp.flows.get(given),
      () => gp.flows.delete(given),
      () => gp.flows.addStep(given, "a"),
      () => gp.flows.addStep("names", given),
      () => gp.flows.addMapStep("names", given),
      () => gp.flows.addStep("names", "after_it", { after: [given] }),
      () => gp.executeDynamic(given, null, {}),
    ]) {
      expect(await rejection(refused())).toMatchObject({ code: "INVALID_INPUT" });
    }
    expect((await gp.flows.get("names")).steps).toEqual([]);
  });

  test("a name of 128 characters is fine", async () => {
    const gp = await open(backend);
    const name = "n".repeat(128);
    await gp.flows.create(name);
    expect((await gp.flows.addStep(name, name)).name).toBe(name);
  });

  test.for<[string, object]>([
    ["maxAttempts", { maxAttempts: 0 }],
    ["maxAttempts", { maxAttempts: -1 }],
    ["maxAttempts", { maxAttempts: 1.5 }],
    ["maxAttempts", { maxAttempts: "3" }],
    ["timeoutMs", { timeoutMs: 0 }],
    ["timeoutMs", { timeoutMs: -5 }],
    ["timeoutMs", { timeoutMs: Number.POSITIVE_INFINITY }],
    ["retry.baseMs", { retry: { baseMs: -1 } }],
    ["retry.factor", { retry: { factor: 0.5 } }],
    ["retry.maxDelayMs", { retry: { maxDelayMs: -1 } }],
    ["retry.jitter", { retry: { jitter: "yes" } }],
    ["retry", { retry: { delay: 1 } }],
    ["retry", { retry: 5 }],
    ["maxAttempt", { maxAttempt: 3 }],
  ])("an option %s that is out of range is refused: %j", async ([option, options]) => {
    const gp = await open(backend);
    await gp.flows.create("ranges");
    for (const refused of [
      () => gp.flows.create("out_of_range", options),
      () => gp.flows.addStep("ranges", "a", options),
      () => gp.flows.addMapStep("ranges", "b", options),
    ]) {
      const error = await rejection(refused());
      expect(error.code).toBe("INVALID_INPUT");
      expect(error.message).toContain(option);
    }
    expect((await gp.flows.get("ranges")).steps).toEqual([]);
    expect(await rejection(gp.flows.get("out_of_range"))).toMatchObject({ code: "FLOW_NOT_FOUND" });
  });

  test.for<[string, object]>([
    ["priority", { priority: 0.5 }],
    ["priority", { priority: 2 ** 31 }],
    ["deadlineMs", { deadlineMs: 0 }],
    ["deadlineMs", { deadlineMs: -1 }],
  ])("a flow's %s that is out of range is refused: %j", async ([option, options]) => {
    const gp = await open(backend);
    const error = await rejection(gp.flows.create("bad_run_option", options));
    expect(error.code).toBe("INVALID_INPUT");
    expect(error.message).toContain(option);
  });

  test.for<[string, object]>([
    ["two sources", { over: ["a", "b"] }],
    ["a source and items", { over: "a", items: [1] }],
    ["items that are an object", { items: { length: 1 } }],
    ["items that are a text", { items: "abc" }],
    ["an item that JSON cannot hold", { items: [1, Number.NaN] }],
    ["an item that is missing", { items: [undefined] }],
    ["too many items", { items: new Array(10_001).fill(0) }],
    ["no concurrency", { concurrency: 0 }],
    ["a negative concurrency", { concurrency: -1 }],
    ["a concurrency beyond the limit", { concurrency: 10_001 }],
    ["dependencies that are no array", { after: "a" }],
  ])("a map with %s is refused", async ([, options]) => {
    const gp = await open(backend);
    await gp.flows.create("maps");
    await gp.flows.addStep("maps", "a");
    await gp.flows.addStep("maps", "b");
    const refused = () => gp.flows.addMapStep("maps", "m", options);
    expect(await rejection(refused())).toMatchObject({ code: "INVALID_INPUT" });
    expect((await gp.flows.get("maps")).steps).toHaveLength(2);
  });

  test("a plain step has no source, items or concurrency", async () => {
    const gp = await open(backend);
    await gp.flows.create("plain");
    for (const options of [{ over: "a" }, { items: [] }, { concurrency: 1 }]) {
      const refused = () => gp.flows.addStep("plain", "a", options as object);
      expect(await rejection(refused())).toMatchObject({ code: "INVALID_INPUT" });
    }
  });

  test("a flow that is not there is told by its own code", async () => {
    const gp = await open(backend);
    for (const refused of [
      () => gp.flows.get("absent"),
      () => gp.flows.addStep("absent", "a"),
      () => gp.flows.addMapStep({ name: "absent" }, "a"),
      () => gp.flows.delete("absent"),
      () => gp.executeDynamic("absent", null, {}),
      () => gp.startDynamic("absent", null, {}),
    ]) {
      const error = await rejection(refused());
      expect(error.code).toBe("FLOW_NOT_FOUND");
      expect(error.message).toContain('"absent"');
    }
  });

  test("a step that comes after itself is refused", async () => {
    const gp = await open(backend);
    await gp.flows.create("itself");
    for (const refused of [
      () => gp.flows.addStep("itself", "a", { after: ["a"] }),
      () => gp.flows.addMapStep("itself", "a", { over: "a" }),
    ]) {
      expect(await rejection(refused())).toMatchObject({
        code: "INVALID_INPUT",
        details: { issue: "SELF_DEPENDENCY", names: ["a"] },
      });
    }
    expect((await gp.flows.get("itself")).steps).toEqual([]);
  });

  test("dependencies that are not there are named, all of them, and nothing is added", async () => {
    const gp = await open(backend);
    await gp.flows.create("unknown");
    await gp.flows.addStep("unknown", "a");
    await gp.flows.create("unknown_other");
    await gp.flows.addStep("unknown_other", "x");
    const refused = gp.flows.addMapStep("unknown", "b", { over: "y", after: ["x", "a"] });
    expect(await rejection(refused)).toMatchObject({
      code: "INVALID_INPUT",
      details: { issue: "UNKNOWN_DEPENDENCY", names: ["x", "y"] },
    });
    expect((await gp.flows.get("unknown")).steps).toHaveLength(1);
  });

  test("a cycle cannot be made row by row", async () => {
    const gp = await open(backend);
    await gp.flows.create("cycle");
    const early = gp.flows.addStep("cycle", "a", { after: ["c"] });
    expect(await rejection(early)).toMatchObject({ details: { issue: "UNKNOWN_DEPENDENCY" } });
    await gp.flows.addStep("cycle", "a");
    await gp.flows.addStep("cycle", "b", { after: ["a"] });
    await gp.flows.addMapStep("cycle", "c", { over: "b" });
    const closing = await rejection(gp.flows.addStep("cycle", "a", { after: ["c"] }));
    expect(closing).toMatchObject({ code: "INVALID_INPUT", details: { issue: "CYCLE", names: ["c"] } });
    expect((await gp.flows.get("cycle")).steps[0]?.after).toEqual([]);
  });

  test("a cycle cannot be stored, whoever writes the row", async () => {
    const gp = await open(backend);
    await gp.flows.create("raw_cycle");
    await gp.flows.addStep("raw_cycle", "a");
    await gp.flows.addStep("raw_cycle", "b", { after: ["a"] });
    const back = backend.query(
      "insert into goalpost.flow_edges (flow_id, src, dst) select id, 1, 0 from goalpost.flows where name = 'raw_cycle'",
    );
    expect(await rejection<Error>(back)).toMatchObject({
      message: expect.stringContaining("edge_leads_forward"),
    });
  });

  test("10,000 steps are the most", async () => {
    const gp = await open(backend);
    await gp.flows.create("large");
    await backend.query(
      `insert into goalpost.flow_steps (flow_id, position, name, kind, options)
       select f.id, n, 'step_' || n, 'step', '{}' from goalpost.flows f, generate_series(0, 9998) n where f.name = 'large'`,
    );
    await backend.query("update goalpost.flows set step_count = 9999 where name = 'large'");
    expect(await gp.flows.addStep("large", "last", { after: ["step_0"] })).toMatchObject({ position: 9999 });
    expect(await rejection(gp.flows.addStep("large", "more"))).toMatchObject({
      code: "INVALID_INPUT",
      details: { issue: "TOO_LARGE" },
    });
    expect(await gp.flows.addStep("large", "last")).toMatchObject({ position: 9999, after: ["step_0"] });
    expect((await gp.flows.get("large")).stepCount).toBe(10_000);
  });
});
