import type { Clock } from "./core/clock.ts";
import type { Driver } from "./core/driver.ts";
import { GoalpostError } from "./core/errors.ts";
import type { Estimates } from "./core/estimates.ts";
import type { Logger } from "./core/logger.ts";
import { check } from "./core/policy.ts";
import type { Lesson } from "./fleet/guidance.ts";
import { type IgnoredCount, listIgnored } from "./fleet/ignored.ts";
import { LearningSync, type Synced } from "./fleet/learning-sync.ts";
import type { FleetLessons } from "./fleet/lessons.ts";
import { Repeater } from "./fleet/repeater.ts";
import { type Published, ResultAggregator } from "./fleet/result-aggregator.ts";
import { countOutbox, sourceState } from "./fleet/source-store.ts";
import { stepStatistics } from "./fleet-statistics.ts";
import { HubConnection } from "./hub-connection.ts";
import { readSnapshot } from "./learn/snapshot.ts";
import { modelStatistics, together } from "./model-statistics.ts";
import type { Database } from "./store/open-driver.ts";
import { timedDriver } from "./store/timed-driver.ts";

/** With whom a database learns: see {@link Hub}. */
export interface HubLink {
  /** The hub's database: `postgres://…`, `pglite:DIR`, a pg pool or a PGlite database (which the caller closes). */
  readonly database: Database;
  /** Milliseconds between two publications of what was learned here. Default 30 s. */
  readonly publishMs?: number | undefined;
  /** Milliseconds between two looks at what was learned elsewhere. Default 10 s. */
  readonly syncMs?: number | undefined;
  /** False: only by `gp.learning.fleet.publish()` and `.sync()`. Default true. */
  readonly start?: boolean | undefined;
}

export const DEFAULT_PUBLISH_MS = 30_000;
export const DEFAULT_SYNC_MS = 10_000;
const MOST_MS = 86_400_000;

/** Reads the option `hub`. @throws INVALID_INPUT */
export function readHubLink(hub: Database | HubLink | undefined): HubLink | undefined {
  if (hub === undefined) {
    return undefined;
  }
  const link: HubLink =
    typeof hub === "object" && hub !== null && "database" in hub ? hub : { database: hub };
  const { database } = link;
  const fits = typeof database === "string" ? /^(postgres(ql)?:\/\/|pglite:.)/.test(database) : !!database;
  if (!fits || (typeof database !== "string" && typeof database !== "object")) {
    throw new GoalpostError(
      "INVALID_INPUT",
      'hub is no database that others can reach. Allowed: "postgres://…", "pglite:DIR", a pg pool, a PGlite database, ' +
        "or { database, publishMs?, syncMs? }.",
    );
  }
  check(link.publishMs, { what: "hub.publishMs", least: 1, most: MOST_MS });
  check(link.syncMs, { what: "hub.syncMs", least: 1, most: MOST_MS });
  return link;
}

/** How learning with others is going. */
export interface FleetStatus {
  /** What this database is called at the hub. */
  readonly source: string;
  /** The hub that it speaks to; null before the first time. */
  readonly hub: string | null;
  /** Publications so far, and those of them that the hub has merged. */
  readonly published: number;
  readonly acknowledged: number;
  /** Publications that wait to be sent or acknowledged. */
  readonly waiting: number;
  /** The version of what the hub sent that is gone by; 0 for none. */
  readonly version: number;
  /** What was ignored, and why. */
  readonly ignored: readonly IgnoredCount[];
}

/** `gp.learning.fleet`: what a client that was opened with `hub` does to learn with other databases. */
export class Fleet {
  readonly #driver: Driver;
  readonly #connection: HubConnection;
  readonly #aggregator: ResultAggregator;
  readonly #sync: LearningSync;
  readonly #repeaters: readonly Repeater[];

  constructor(
    link: HubLink,
    parts: { readonly driver: Driver; readonly clock: Clock; readonly logger: Logger },
  ) {
    const { clock, logger } = parts;
    const driver = timedDriver(parts.driver, clock);
    this.#driver = driver;
    this.#connection = new HubConnection(link.database, parts);
    const useHub = this.#connection.use;
    this.#aggregator = new ResultAggregator({
      driver,
      statistics: together(stepStatistics, modelStatistics),
      useHub,
      clock,
      logger,
    });
    const estimates = (steps: readonly string[]): Promise<Estimates> =>
      readSnapshot(driver, { steps, now: clock.now() });
    this.#sync = new LearningSync({ driver, useHub, estimates, logger });
    const { publishMs = DEFAULT_PUBLISH_MS, syncMs = DEFAULT_SYNC_MS, start = true } = link;
    const repeat = (work: () => Promise<unknown>, everyMs: number, what: string): Repeater =>
      new Repeater({ work, everyMs, what }, parts);
    this.#repeaters = start
      ? [
          repeat(() => this.publish(), publishMs, "publishing what was learned"),
          repeat(() => this.sync(), syncMs, "looking for what others learned"),
        ]
      : [];
  }

  /** Publishes what is new now; otherwise that happens every 30 s. */
  publish(): Promise<Published> {
    return this.#aggregator.tick();
  }

  /** Applies what the hub has sent until now; otherwise that happens every 10 s. */
  sync(): Promise<Synced> {
    return this.#sync.tick();
  }

  /** What others have learned of steps and models, as far as it is news here. */
  get lessons(): readonly Lesson[] {
    return this.#sync.lessons.all;
  }

  async status(): Promise<FleetStatus> {
    const { source, hub, seq, acked } = await sourceState(this.#driver);
    const waiting = await countOutbox(this.#driver);
    const ignored = await listIgnored(this.#driver);
    const { version } = this.#sync.lessons;
    return { source, hub, published: seq, acknowledged: acked, waiting, version, ignored };
  }

  /** What others learned, below what is known here. @internal */
  get advice(): FleetLessons {
    return this.#sync.lessons;
  }

  /** Publishes what is left, if the hub is there; else it is published by whoever opens the database next. @internal */
  async close(): Promise<void> {
    await Promise.all(this.#repeaters.map((repeater) => repeater.close()));
    if (this.#repeaters.length > 0 && this.#connection.isThere) {
      await this.publish().catch(() => undefined);
    }
    await this.#connection.close();
  }
}
