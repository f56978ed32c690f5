import { expect, onTestFinished, test } from "vitest";
import { type FlowFunctions, Goalpost, isGoalpostError, silentLogger } from "../../src/index.ts";
import { createDatabase } from "../contract/backends.ts";
import { rejection } from "../promises.ts";

/** Clients with connections of their own to one new database. */
async function openClients(count: number): Promise<readonly Goalpost[]> {
  const database = await createDatabase();
  const clients = await Promise.all(
    Array.from({ length: count }, () => Goalpost.open({ database, logger: silentLogger })),
  );
  onTestFinished(async () => {
    await Promise.all(clients.map((gp) => gp.close({ graceMs: 0 })));
  });
  return clients;
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
/** A flow of 20 steps, each after the one before it and after the first. */
const STEPS = numbers(20).map((index) => ({
  name: `s${index}`,
  after: [...new Set(index === 0 ? [] : ["s0", `s${index - 1}`])].sort(),
}));

test("clients that build the same flow at once all succeed, and it is there once", async () => {
  const clients = await openClients(8);
  const built = await Promise.all(
    numbers(24).map(async (index) => {
      const gp = clients[index % clients.length] as Goalpost;
      const { options } = await gp.flows.create("same", { maxAttempts: index + 1 });
      for (const { name, after } of STEPS) {
        await gp.flows.addStep("same", name, { after, timeoutMs: index + 1 });
      }
      return options.maxAttempts;
    }),
  );
  expect(new Set(built).size).toBe(1);
  for (const gp of clients) {
    const flow = await gp.flows.get("same");
    expect(flow.options.maxAttempts).toBe(built[0]);
    expect(flow.steps.map(({ name, after, position }) => ({ name, after, position }))).toEqual(
      STEPS.map((step, position) => ({ ...step, position })),
    );
  }
});

test("steps that are added to one flow at once all get a position, without gaps", async () => {
  const clients = await openClients(8);
  await clients[0]?.flows.create("wide");
  await clients[0]?.flows.addStep("wide", "root");
  const added = await Promise.all(
    numbers(200).map((index) =>
      (clients[index % clients.length] as Goalpost).flows.addStep("wide", `s${index}`, { after: ["root"] }),
    ),
  );
  expect(added.map((step) => step.position).toSorted((a, b) => a - b)).toEqual(
    numbers(200).map((n) => n + 1),
  );
  const flow = await clients[1]?.flows.get("wide");
  expect(flow?.stepCount).toBe(201);
  expect(flow?.steps.map((step) => step.position)).toEqual(numbers(201));
});

test("runs that are started while a flow grows have the steps of some moment, and all end", async () => {
  const clients = await openClients(4);
  const steps: FlowFunctions = Object.fromEntries(STEPS.map(({ name }) => [name, () => name]));
  await clients[0]?.flows.create("grows");
  await clients[0]?.flows.addStep("grows", "s0");
  const growing = (async () => {
    for (const { name, after } of STEPS.slice(1)) {
      await clients[0]?.flows.addStep("grows", name, { after });
    }
  })();
  const results = await Promise.all(
    numbers(60).map((index) =>
      (clients[index % clients.length] as Goalpost).executeDynamic("grows", null, steps),
    ),
  );
  await growing;
  for (const { output } of results) {
    const [leaf] = Object.keys(output);
    expect(Object.keys(output)).toHaveLength(1);
    expect(output).toEqual({ [leaf as string]: leaf });
  }
  const last = await clients[1]?.executeDynamic("grows", null, steps);
  expect(last?.output).toEqual({ s19: "s19" });
});

test("a flow that is made, run and deleted by several clients at once leaves no run behind that does not end", async () => {
  const clients = await openClients(4);
  let fine = 0;
  const unexpected: string[] = [];
  /** Fails, if at all, because somebody else has just deleted or made the flow. */
  const attempt = async (work: Promise<unknown>, allowed: readonly string[]): Promise<void> => {
    await work.then(
      () => fine++,
      (error: unknown) => {
        if (!isGoalpostError(error) || !allowed.includes(error.code)) {
          unexpected.push(String(error));
        }
      },
    );
  };
  const steps = { a: () => 1, b: () => 2 };
  await Promise.all(
    clients.map(async (gp, client) => {
      for (let round = 0; round < 25; round++) {
        await attempt(gp.flows.create("churn"), ["FLOW_NOT_FOUND"]);
        await attempt(gp.flows.addStep("churn", "a"), ["FLOW_NOT_FOUND"]);
        await attempt(gp.flows.addStep("churn", "b", { after: ["a"] }), ["FLOW_NOT_FOUND", "INVALID_INPUT"]);
        await attempt(gp.executeDynamic("churn", round, steps), [
          "FLOW_NOT_FOUND",
          "INVALID_INPUT",
          "RUN_FAILED",
          "RUN_NOT_FOUND",
        ]);
        if (client < 2) {
          await attempt(gp.flows.delete("churn", { force: true }), ["FLOW_NOT_FOUND"]);
        }
      }
    }),
  );
  expect(unexpected).toEqual([]);
  expect(fine).toBeGreaterThan(100);
  const gp = clients[1] as Goalpost;
  const runs = await gp.runs.list({ workflow: "churn", limit: 1000 });
  expect(runs.filter((run) => run.finishedAt === null)).toEqual([]);
  await gp.flows.create("churn");
  await gp.flows.delete("churn");
  expect(await gp.runs.list({ workflow: "churn" })).toEqual([]);
});

test("who waits for a run of a flow that another client deletes is told", async () => {
  const [one, other] = (await openClients(2)) as [Goalpost, Goalpost];
  await one.flows.create("deleted");
  await one.flows.addStep("deleted", "wait");
  let begin = (): void => undefined;
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const ended = rejection(
    one.executeDynamic("deleted", null, {
      wait: () => {
        begin();
        return new Promise<never>(() => undefined);
      },
    }),
  );
  await begun;
  await other.flows.delete("deleted", { force: true });
  // Told of the cancellation if that was seen before the run was gone.
  expect(["RUN_FAILED", "RUN_NOT_FOUND"]).toContain((await ended).code);
});
