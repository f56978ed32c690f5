import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import pg from "pg";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { Driver } from "../../src/core/driver.ts";
import { Goalpost, silentLogger, workflow } from "../../src/index.ts";
import { createLedger } from "../../src/store/ledger.ts";
import { migrate } from "../../src/store/migrate.ts";
import { createPgDriver } from "../../src/store/pg-driver.ts";
import { createDatabase } from "../contract/backends.ts";
import { CENT, call, FREE, outcome, scopeOf } from "../ledger-calls.ts";

const spender = new URL("../fixtures/spender.ts", import.meta.url).pathname;

async function openPool(url: string, max = 10): Promise<Driver> {
  const pool = new pg.Pool({ connectionString: url, max });
  onTestFinished(() => pool.end());
  const driver = createPgDriver(pool, { logger: silentLogger, ownsPool: false });
  await migrate(driver);
  return driver;
}

async function openGoalpost(database: string): Promise<Goalpost> {
  const gp = await Goalpost.open({ database, logger: silentLogger });
  onTestFinished(() => gp.close({ graceMs: 0 }));
  return gp;
}

function start(...args: string[]): { child: ChildProcess; said: () => string; ended: Promise<unknown> } {
  const child = spawn(process.execPath, ["--import", "jiti/register", spender, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let out = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    out += chunk;
  });
  return { child, said: () => out.trim(), ended: once(child, "close") };
}

const sumsOf = async (
  driver: Driver,
  team: string,
): Promise<{ calls: number; nanoUsd: bigint; open: number }> => {
  const [row] = await driver.query<{ calls: number; nano: string; open: number }>(
    `select count(*)::int as calls, coalesce(sum(charged_nano_usd), 0)::text as nano,
       (count(*) filter (where ended_at is null))::int as open
     from goalpost.llm_calls where labels->>'team' = $1`,
    [team],
  );
  return { calls: row?.calls ?? 0, nanoUsd: BigInt(row?.nano ?? 0), open: row?.open ?? 0 };
};

describe("two processes with 50 callers each", () => {
  test("never spend more than a shared budget, but for the error of the estimate", {
    timeout: 60_000,
  }, async () => {
    const url = await createDatabase();
    const gp = await openGoalpost(url);
    const driver = await openPool(url);
    await gp.budgets.set({ label: { team: "usd" } }, { usd: 1 });
    const both = [start(url, "usd", "spend"), start(url, "usd", "spend")];
    await Promise.all(both.map((one) => one.ended));
    const sums = await sumsOf(driver, "usd");
    expect(sums.calls).toBe(both.reduce((sum, one) => sum + Number(one.said()), 0));
    // As many as have room at once may each be a tenth dearer than it was thought.
    expect(sums.nanoUsd).toBeLessThanOrEqual(110n * CENT);
    expect(sums.nanoUsd).toBeGreaterThan(98n * CENT);
    expect(await gp.budgets.get({ label: { team: "usd" } })).toMatchObject({
      usd: { limit: 1, spent: Number(sums.nanoUsd) / 1e9, reserved: 0 },
    });
  });

  test("make exactly as many calls as a budget in calls has", { timeout: 60_000 }, async () => {
    const url = await createDatabase();
    const gp = await openGoalpost(url);
    const driver = await openPool(url);
    await gp.budgets.set({ label: { team: "calls" } }, { calls: 137 });
    const both = [start(url, "calls", "spend"), start(url, "calls", "spend")];
    await Promise.all(both.map((one) => one.ended));
    expect(both.reduce((sum, one) => sum + Number(one.said()), 0)).toBe(137);
    expect((await sumsOf(driver, "calls")).calls).toBe(137);
  });
});

test("what a killed process had reserved is settled when it is found lost", { timeout: 60_000 }, async () => {
  const url = await createDatabase();
  const gp = await openGoalpost(url);
  const driver = await openPool(url);
  await gp.budgets.set({ label: { team: "killed" } }, { calls: 10, usd: 1 });
  const holder = start(url, "killed", "hold");
  await vi.waitFor(() => expect(holder.said()).not.toBe(""), { timeout: 30_000, interval: 20 });
  expect(await gp.budgets.get({ label: { team: "killed" } })).toMatchObject({
    calls: { spent: 0, reserved: 1 },
  });
  holder.child.kill("SIGKILL");
  await vi.waitFor(async () => expect((await sumsOf(driver, "killed")).open).toBe(0), {
    timeout: 20_000,
    interval: 50,
  });
  expect(await gp.budgets.get({ label: { team: "killed" } })).toMatchObject({
    calls: { spent: 1, reserved: 0 },
    usd: { spent: 0.01, reserved: 0 },
  });
  const [row] = await driver.query(
    "select status, recovered, estimated from goalpost.llm_calls where id = $1",
    [holder.said()],
  );
  expect(row).toEqual({ status: "aborted", recovered: true, estimated: true });
});

describe("connections that race", () => {
  test("pausing, raising and calling at once leave no run paused for ever", { timeout: 60_000 }, async () => {
    const url = await createDatabase();
    const gp = await openGoalpost(url);
    const ledgers = await Promise.all(
      [1, 2].map(async () =>
        createLedger({ driver: await openPool(url), logger: silentLogger, worker: randomUUID() }),
      ),
    );
    const waiting = workflow("waiting").step("a", (_, ctx) => ctx.waitFor("end"));
    const below = workflow("above").step("a", (_, ctx) => ctx.execute(waiting, null, { key: "c" }));
    const top = await gp.start(below, null, { budget: { calls: 1, onExceed: "pause" } });
    let child: string | undefined;
    await vi.waitFor(async () => {
      [child] = (await gp.runs.list({ workflow: "waiting" })).map((run) => run.id);
      expect(child).toBeDefined();
    });
    let made = 0;
    let done = false;
    const callers = ledgers.flatMap((ledger) =>
      [top.runId, child ?? ""].map(async (runId) => {
        while (!done) {
          const planned = call({ scope: scopeOf(runId) });
          if ((await ledger.reserve(planned)).outcome === "reserved") {
            made += 1;
            await ledger.settle(outcome(planned.callId));
          }
          await sleep(1);
        }
      }),
    );
    for (let limit = 2; limit <= 40; limit++) {
      await gp.budgets.raise(top.runId, { calls: limit });
      await sleep(2);
    }
    await vi.waitFor(() => expect(made).toBe(40), { timeout: 10_000 });
    done = true;
    await Promise.all(callers);
    await gp.budgets.raise(top.runId, { calls: 1000 });
    expect((await gp.runs.get(top.runId)).status).toBe("running");
    expect((await gp.runs.get(child ?? "")).status).toBe("running");
    await gp.runs.signal(child ?? "", "end");
    expect((await top.result()).usage.calls).toBe(40);
  });

  test("settling, recovering and closing one call at once charge it once", async () => {
    const url = await createDatabase();
    const gp = await openGoalpost(url);
    const driver = await openPool(url);
    const ledger = createLedger({ driver, logger: silentLogger, worker: randomUUID() });
    await gp.budgets.set({ label: { team: "once" } }, { calls: 1000, usd: 100 });
    const scope = { ...FREE, labels: { team: "once" } };
    for (let round = 0; round < 20; round++) {
      const planned = call({ scope });
      await ledger.reserve(planned);
      const close = (): Promise<unknown> =>
        driver.query("select goalpost.close_calls($1::text[])", [[planned.callId]]);
      const settle = (): Promise<unknown> =>
        ledger.settle(outcome(planned.callId, { costNanoUsd: 3n * CENT }));
      await Promise.all([close(), settle(), close(), settle(), settle()]);
    }
    expect(await gp.budgets.get({ label: { team: "once" } })).toMatchObject({
      calls: { spent: 20, reserved: 0 },
      usd: { spent: 0.6, reserved: 0 },
    });
  });

  test("tell of each share of a budget once", async () => {
    const url = await createDatabase();
    const gp = await openGoalpost(url);
    const told: unknown[] = [];
    const driver = await openPool(url, 20);
    const logger = { ...silentLogger, warn: (fields: object) => told.push(fields) };
    const ledger = createLedger({ driver, logger, worker: randomUUID() });
    const waiting = workflow("waiting").step("a", (_, ctx) => ctx.waitFor("end"));
    const { runId } = await gp.start(waiting, null, { budget: { calls: 40 }, events: true });
    const calls = Array.from({ length: 40 }, () => call({ scope: scopeOf(runId) }));
    for (const planned of calls) {
      await ledger.reserve(planned);
    }
    await Promise.all(calls.map((planned) => ledger.settle(outcome(planned.callId))));
    expect(told).toMatchObject([{ percent: 50 }, { percent: 80 }]);
    const events = await driver.query(
      "select data->>'percent' as percent from goalpost.events where run_id = $1::uuid and type = 'budget_warning' order by seq",
      [runId],
    );
    expect(events).toEqual([{ percent: "50" }, { percent: "80" }]);
  });
});

type Step =
  | { readonly do: "reserve"; readonly cents: number }
  | { readonly do: "settle"; readonly at: number; readonly error: number; readonly known: boolean }
  | { readonly do: "close"; readonly at: number }
  | { readonly do: "raise"; readonly usd: number };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant("reserve" as const), cents: fc.integer({ min: 0, max: 40 }) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant("settle" as const),
        at: fc.nat(50),
        error: fc.integer({ min: -40, max: 5 }),
        known: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("close" as const), at: fc.nat(50) }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant("raise" as const), usd: fc.integer({ min: 1, max: 300 }) }),
    },
  ),
  { minLength: 5, maxLength: 40 },
);

test("whatever is reserved, settled, recovered and raised, budgets hold and agree with the rows", {
  timeout: 120_000,
}, async () => {
  const url = await createDatabase();
  const gp = await openGoalpost(url);
  const driver = await openPool(url);
  const ledger = createLedger({ driver, logger: silentLogger, worker: randomUUID() });
  await fc.assert(
    fc.asyncProperty(steps, async (todo) => {
      const team = randomUUID();
      const label = { label: { team } };
      await gp.budgets.set(label, { usd: 1, calls: 1000 });
      const scope = { ...FREE, labels: { team } };
      const calls: { id: string; cents: number; settled: boolean }[] = [];
      let limit = 100;
      let errors = 0;
      for (const step of todo) {
        const target = "at" in step && calls.length > 0 ? calls[step.at % calls.length] : undefined;
        if (step.do === "reserve") {
          const planned = call({ scope, costNanoUsd: BigInt(step.cents) * CENT });
          if ((await ledger.reserve(planned)).outcome === "reserved") {
            calls.push({ id: planned.callId, cents: step.cents, settled: false });
          }
        } else if (step.do === "settle" && target) {
          const cents = Math.max(0, target.cents + step.error);
          const known = outcome(target.id, { costNanoUsd: BigInt(cents) * CENT });
          await ledger.settle(
            step.known ? known : { ...known, usage: null, costNanoUsd: null, priceSource: "estimate" },
          );
          // Of a call that others closed only the truth counts; of one that is settled, nothing.
          errors += step.known && !target.settled ? Math.max(0, cents - target.cents) : 0;
          target.settled ||= step.known;
        } else if (step.do === "close" && target) {
          await driver.query("select goalpost.close_calls($1::text[])", [[target.id]]);
        } else if (step.do === "raise") {
          await gp.budgets.raise(label, { usd: step.usd / 100 }).then(
            () => {
              limit = step.usd;
            },
            () => undefined,
          );
        }
        const state = await gp.budgets.get(label);
        const used = Math.round(((state?.usd?.spent ?? 0) + (state?.usd?.reserved ?? 0)) * 100);
        const sums = await sumsOf(driver, team);
        expect(used).toBeLessThanOrEqual(
          Math.max(limit, 100, ...todo.map((one) => ("usd" in one ? one.usd : 0))) + errors,
        );
        expect(state).toMatchObject({
          usd: { limit: limit / 100, spent: Number(sums.nanoUsd) / 1e9 },
          calls: { spent: sums.calls - sums.open, reserved: sums.open },
        });
      }
    }),
    { numRuns: 25 },
  );
});

/** Measured with a million as well: nothing else, only slower to make. */
const HISTORY = 100_000;

test("a long history of calls changes no plan: what a call needs is found by keys", {
  timeout: 120_000,
}, async () => {
  const url = await createDatabase();
  const gp = await openGoalpost(url);
  const driver = await openPool(url, 1);
  await driver.query(
    `insert into goalpost.llm_calls (id, request_id, run_id, root_run_id, attempt, instance, worker, kind,
      provider, model, status, input_tokens, output_tokens, cost_nano_usd, reserved_tokens, started_at, ended_at)
    select i::text, (i / 3)::text, r, r, 1, 'i', gen_random_uuid(), 'chat', 'p', 'm', 'ok', 1, 1, 1, 2,
      now() - make_interval(secs => $1::int - i), now()
    from generate_series(1, $1::int) i cross join lateral (select md5((i / 10)::text)::uuid as r) k`,
    [HISTORY],
  );
  await driver.query(`insert into goalpost.budgets (scope, key, limit_calls, on_exceed, changed_at)
    select 'request', i::text, 1, 'fail', now() from generate_series(1, 100000) i`);
  const waiting = workflow("waiting").step("a", (_, ctx) => ctx.waitFor("end"));
  const { runId } = await gp.start(waiting, null, { budget: { calls: 5 }, labels: { team: "x" } });
  const ledger = createLedger({ driver, logger: silentLogger, worker: randomUUID() });
  const scanned = async (): Promise<unknown> => {
    await driver.query("select pg_stat_force_next_flush()");
    return driver.query(
      `select relname, seq_tup_read::int as read from pg_stat_user_tables where schemaname = 'goalpost'
         and relname in ('llm_calls', 'budgets', 'runs') order by 1`,
    );
  };
  const before = await scanned();
  const planned = call({ scope: scopeOf(runId), requestId: "7", budget: { calls: 9 } });
  const started = performance.now();
  expect((await ledger.reserve(planned)).outcome).toBe("reserved");
  expect((await ledger.reserve({ ...planned, callId: randomUUID() })).outcome).toBe("exceeded");
  const within = call({ scope: scopeOf(runId) });
  expect((await ledger.reserve(within)).outcome).toBe("reserved");
  await ledger.settle(outcome(within.callId));
  expect(await ledger.usageOf("5")).toMatchObject({ calls: 3 });
  expect(await gp.usage.run(runId)).toMatchObject({ calls: 1, estimated: false });
  await driver.query("select goalpost.recover_calls(false)");
  expect(performance.now() - started).toBeLessThan(1000);
  expect(await scanned()).toEqual(before);
});
