import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inject } from "vitest";
import type { Driver } from "../../src/core/driver.ts";
import type { Estimate, Estimates } from "../../src/core/estimates.ts";
import { type Evidence, keyText } from "../../src/fleet/evidence.ts";
import { FleetHub } from "../../src/fleet/fleet-hub.ts";
import type { UseHub } from "../../src/fleet/hub-link.ts";
import { LearningSync } from "../../src/fleet/learning-sync.ts";
import { ResultAggregator } from "../../src/fleet/result-aggregator.ts";
import type { LogFields, Logger } from "../../src/index.ts";
import { silentLogger } from "../../src/index.ts";
import { openDriver } from "../../src/store/open-driver.ts";
import { timedDriver } from "../../src/store/timed-driver.ts";
import { FakeClock } from "../../src/testing/index.ts";
import { createDatabase, makeDirectory } from "./backends.ts";

/** What nothing is known of. */
export const UNKNOWN: Estimate = {
  samples: 0,
  medianMs: 1000,
  meanMs: 1000,
  sigma: 1,
  quantilesMs: [],
  p95Ms: null,
  p99Ms: null,
  successRate: 0.5,
  retries: {},
  costUsd: 0,
  queueWaitMs: 0,
  drift: 0,
  level: "default",
};

/** A database that learns: what it knows is what the test says. */
export class Learner {
  readonly driver: Driver;
  readonly known = new Map<string, Evidence>();
  /** What it tells of its own estimates, by step. */
  readonly own = new Map<string, Estimate>();
  readonly warnings: LogFields[] = [];
  readonly aggregator: ResultAggregator;
  readonly sync: LearningSync;

  constructor(driver: Driver, useHub: UseHub, clock: FakeClock) {
    this.driver = timedDriver(driver, clock);
    const logger: Logger = { ...silentLogger, warn: (fields) => this.warnings.push(fields) };
    const statistics = {
      stamps: async () => [...this.known.values()].map((one) => ({ ...one, stamp: JSON.stringify(one) })),
      load: async (_: unknown, keys: readonly Parameters<typeof keyText>[0][]) =>
        keys.flatMap((key) => this.known.get(keyText(key)) ?? []),
    };
    const parts = { driver: this.driver, useHub, clock, logger };
    this.aggregator = new ResultAggregator({ ...parts, statistics });
    this.sync = new LearningSync({ ...parts, estimates: () => this.estimates });
  }

  get estimates(): Estimates {
    return { snapshotId: "own", of: ({ step }) => this.own.get(step) ?? UNKNOWN };
  }

  learns(...evidence: readonly Evidence[]): void {
    for (const one of evidence) {
      this.known.set(keyText(one), one);
    }
  }
}

/** Three databases that learn, and a hub. Nothing moves by itself. */
export class LearningWorld {
  readonly clock = new FakeClock();
  readonly hubDriver: Driver;
  readonly hub: FleetHub;
  readonly learners: readonly [Learner, Learner, Learner];
  readonly hubWarnings: LogFields[] = [];
  /** True: the hub's database cannot be reached. */
  isAway = false;

  constructor(drivers: readonly Driver[]) {
    const [hub, ...others] = drivers as [Driver, Driver, Driver, Driver];
    this.hubDriver = timedDriver(hub, this.clock);
    this.hub = this.anotherHub();
    const useHub: UseHub = (work) =>
      this.isAway ? Promise.reject(new Error("connect ECONNREFUSED")) : work(this.hubDriver);
    this.learners = others.map((driver) => new Learner(driver, useHub, this.clock)) as never;
  }

  anotherHub(): FleetHub {
    const logger: Logger = { ...silentLogger, warn: (fields) => this.hubWarnings.push(fields) };
    return new FleetHub({ driver: this.hubDriver, clock: this.clock, logger });
  }

  /** Everybody publishes, the hub takes a turn, everybody applies. */
  async round(): Promise<void> {
    for (const { aggregator } of this.learners) {
      await aggregator.tick();
    }
    await this.hub.tick();
    for (const { sync } of this.learners) {
      await sync.tick();
    }
  }

  /** How many samples of a kind the hub knows of, over all sources. */
  async samplesAtHub(kind: string): Promise<number> {
    const [row] = await this.hubDriver.query<{ samples: number }>(
      `select coalesce(sum((body::json->>'samples')::float8), 0) as samples
       from goalpost.fleet_evidence where kind = $1`,
      [kind],
    );
    return row?.samples ?? 0;
  }
}

/** Databases of one kind, empty before each test. */
export interface Databases {
  readonly drivers: readonly Driver[];
  empty(): Promise<void>;
  close(): Promise<void>;
}

/** Empties what a database keeps of learning with others, and its channels. */
export async function forgetLearning(driver: Driver): Promise<void> {
  const tables = ["self", "outbox", "published", "guidance", "ignored", "hub", "sources", "evidence"];
  const names = tables.map((table) => `goalpost.fleet_${table}`).join(", ");
  await driver.query(`truncate goalpost.channels, goalpost.messages, ${names}`);
}

/** Makes four migrated databases. */
export async function openDatabases(kind: "PGlite" | "PostgreSQL"): Promise<Databases> {
  const folder = mkdtempSync(join(tmpdir(), "goalpost-learning-"));
  const open = async (name: string): Promise<Driver> => {
    if (kind === "PostgreSQL") {
      const url = await createDatabase({ template: inject("postgresTemplate") });
      return (await openDriver(url, silentLogger)).driver;
    }
    makeDirectory(join(folder, name));
    return (await openDriver(`pglite:${join(folder, name)}`, silentLogger)).driver;
  };
  const drivers = [await open("hub"), await open("one"), await open("two"), await open("three")];
  return {
    drivers,
    empty: async () => {
      await Promise.all(drivers.map(forgetLearning));
    },
    close: async () => {
      await Promise.all(drivers.map((driver) => driver.close()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
