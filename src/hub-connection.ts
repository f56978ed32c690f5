import type { Clock } from "./core/clock.ts";
import type { Driver } from "./core/driver.ts";
import type { Logger } from "./core/logger.ts";
import type { UseHub } from "./fleet/hub-link.ts";
import { type Database, openDriver } from "./store/open-driver.ts";
import { timedDriver } from "./store/timed-driver.ts";

/** A hub that does not answer for so long is away. */
const ANSWER_MS = 20_000;

/** The connection to the hub's database: opened when it is needed, and anew after it failed. */
export class HubConnection {
  readonly #database: Database;
  readonly #parts: { readonly clock: Clock; readonly logger: Logger };
  #opened: Promise<Driver> | undefined;

  constructor(database: Database, parts: { readonly clock: Clock; readonly logger: Logger }) {
    this.#database = database;
    this.#parts = parts;
  }

  /** Whether the last use went well. */
  get isThere(): boolean {
    return this.#opened !== undefined;
  }

  readonly use: UseHub = async (work) => {
    const { clock } = this.#parts;
    let callOff: (() => void) | undefined;
    const late = new Promise<never>((_, reject) => {
      callOff = clock.timer(ANSWER_MS, () => reject(new Error(`no answer within ${ANSWER_MS} ms`)));
    });
    try {
      return await Promise.race([this.#driver().then((driver) => work(timedDriver(driver, clock))), late]);
    } catch (error) {
      void this.close();
      throw error;
    } finally {
      callOff?.();
    }
  };

  #driver(): Promise<Driver> {
    this.#opened ??= openDriver(this.#database, this.#parts.logger).then(({ driver }) => driver);
    return this.#opened;
  }

  /** Never throws: what cannot be opened need not be closed. */
  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    await opened?.then((driver) => driver.close()).catch(() => undefined);
  }
}
