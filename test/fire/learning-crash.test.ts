import { expect, inject, onTestFinished, test } from "vitest";
import type { Driver } from "../../src/core/driver.ts";
import { Goalpost, Hub, silentLogger } from "../../src/index.ts";
import { openDriver } from "../../src/store/open-driver.ts";
import { createDatabase } from "../contract/backends.ts";
import { killProcess, startProcess } from "./start-process.ts";

const fixture = new URL("../fixtures/learner.ts", import.meta.url).pathname;

async function connect(url: string): Promise<Driver> {
  const { driver } = await openDriver(url, silentLogger);
  onTestFinished(() => driver.close());
  return driver;
}

test("whoever is killed, the hub loses no sample that was published, and counts none twice", {
  timeout: 180_000,
}, async () => {
  const template = inject("postgresTemplate");
  const [hubUrl, url] = [await createDatabase({ template }), await createDatabase({ template })];
  const [hubDriver, driver] = [await connect(hubUrl), await connect(url)];
  let hub = await startProcess(fixture, ["hub", hubUrl], 1);
  for (let round = 1; round <= 3; round++) {
    const learner = await startProcess(fixture, [url, hubUrl], 2 + round);
    // At whatever it is doing right now; the other one goes on.
    await killProcess(round === 2 ? learner : hub);
    await killProcess(round === 2 ? hub : learner);
    hub = await startProcess(fixture, ["hub", hubUrl], 1);
  }
  await killProcess(hub);

  /** Samples of the step, and what of them was published in the end. */
  const samplesAt = async (db: Driver, statement: string): Promise<number> =>
    Number((await db.query<{ samples: string }>(statement))[0]?.samples ?? 0);
  const published = await samplesAt(
    driver,
    `select max((e->>'samples')::int) as samples from goalpost.fleet_outbox o, json_array_elements(o.body->'evidence') e
     where e->>'kind' = 'measure'`,
  );
  await using last = await Hub.open({ database: hubUrl, start: false, logger: silentLogger });
  await using gp = await Goalpost.open({
    database: url,
    workers: false,
    logger: silentLogger,
    hub: { database: hubUrl, start: false },
  });
  await gp.learning.fleet?.publish();
  await last.tick();
  await gp.learning.fleet?.publish();
  const measured = await samplesAt(
    driver,
    "select samples from goalpost.step_stats where key = 'kind/measure' and origin = ''",
  );
  const known = await samplesAt(
    hubDriver,
    "select sum((body::json->>'samples')::int) as samples from goalpost.fleet_evidence where kind = 'measure'",
  );
  expect(known).toBe(measured);
  expect(known).toBeGreaterThanOrEqual(published);
  expect(known).toBeGreaterThanOrEqual(5 * (3 + 4 + 5));
  expect(await gp.learning.fleet?.status()).toMatchObject({ waiting: 0 });
  expect((await last.status()).sources).toHaveLength(1);
});
