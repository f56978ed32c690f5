import type { Clock } from "./core/clock.ts";
import type { Driver } from "./core/driver.ts";
import type { Logger } from "./core/logger.ts";
import { check } from "./core/policy.ts";
import { systemClock } from "./engine/system-clock.ts";
import { databaseFromEnvironment } from "./environment.ts";
import { FleetHub, type HubTurn } from "./fleet/fleet-hub.ts";
import { findHub, listSources, type SourceSummary } from "./fleet/hub-store.ts";
import { type IgnoredCount, listIgnored } from "./fleet/ignored.ts";
import { Repeater } from "./fleet/repeater.ts";
import { migrate } from "./store/migrate.ts";
import { type Database, openDriver } from "./store/open-driver.ts";
import { timedDriver } from "./store/timed-driver.ts";
import { stderrLogger } from "./telemetry/stderr-logger.ts";

/** How a hub is opened. */
export interface HubOptions {
  /** Where it works: see `OpenOptions.database`. Processes on other machines reach it there, so usually `postgres://…`. */
  readonly database?: Database | undefined;
  /** Milliseconds between two turns. Default 10 s. */
  readonly intervalMs?: number | undefined;
  /** False: it only works by `tick()`. Default true. */
  readonly start?: boolean | undefined;
  /** Default: warnings and errors to standard error. */
  readonly logger?: Logger | undefined;
  /** For tests. Default: the machine's clock. */
  readonly clock?: Clock | undefined;
}

/** How a hub is doing. */
export interface HubStatus {
  /** The id of its database; null before the first turn. */
  readonly id: string | null;
  /** The version that it sent last; 0 for none. */
  readonly version: number;
  /** The databases that have published, those heard of last first. */
  readonly sources: readonly SourceSummary[];
  /** What was ignored, and why; the most frequent first. */
  readonly ignored: readonly IgnoredCount[];
}

export const DEFAULT_HUB_INTERVAL_MS = 10_000;

/**
 * The place where databases learn from each other: it merges what they publish (`Goalpost.open({ hub })`) and sends
 * each what the others have learned. All its state is in its database, any number of hubs may work on one (they take
 * turns), and none is needed for anything but learning: without it everybody goes on by what they know.
 *
 * Whoever can write to its database can tell it anything; what is out of bounds is ignored, and where three or more
 * databases know the same kind of work no single one decides.
 */
export class Hub implements AsyncDisposable {
  readonly #driver: Driver;
  readonly #hub: FleetHub;
  readonly #repeater: Repeater | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(driver: Driver, options: HubOptions) {
    const { clock = systemClock, logger = stderrLogger, intervalMs = DEFAULT_HUB_INTERVAL_MS } = options;
    this.#driver = timedDriver(driver, clock);
    this.#hub = new FleetHub({ driver: this.#driver, clock, logger });
    const repeated = { work: () => this.tick(), everyMs: intervalMs, what: "a turn of the hub" };
    this.#repeater = options.start === false ? undefined : new Repeater(repeated, { clock, logger });
  }

  /**
   * Opens the hub's database, brings its schema up to date and begins to work.
   * @throws INVALID_INPUT, DATABASE_BUSY, DATABASE_UNAVAILABLE, DATABASE_AHEAD
   */
  static async open(options: HubOptions = {}): Promise<Hub> {
    check(options.intervalMs, { what: "intervalMs", least: 1, most: 86_400_000 });
    const database = options.database ?? databaseFromEnvironment();
    const { driver } = await openDriver(database, options.logger ?? stderrLogger);
    try {
      await migrate(driver);
      return new Hub(driver, options);
    } catch (error) {
      await driver.close();
      throw error;
    }
  }

  /** One turn: merges what was published until now, and sends what is new. Turns of one hub follow each other. */
  tick(): Promise<HubTurn> {
    const turn = this.#turn.then(() => this.#hub.tick());
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async status(): Promise<HubStatus> {
    const state = await findHub(this.#driver);
    const [sources, ignored] = [await listSources(this.#driver), await listIgnored(this.#driver)];
    return { id: state?.id ?? null, version: state?.version ?? 0, sources, ignored };
  }

  /** Ends the turn under way, and closes the database if the hub opened it. */
  async close(): Promise<void> {
    await this.#repeater?.close();
    await this.#turn;
    await this.#driver.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
