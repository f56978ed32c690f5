import type { Clock } from "../core/clock.ts";
import type { Driver, Queryable, Row } from "../core/driver.ts";

const SET_NOW = "select set_config('goalpost.fake_now', $1, true)";

/**
 * The driver for whoever shares a clock with the database. As long as the clock is the database's own that is the
 * driver as it is; else every statement is told the time first, in one transaction with it.
 */
export function timedDriver(driver: Driver, clock: Clock): Driver {
  const tell = async (tx: Queryable, now: Date): Promise<void> => {
    await tx.query(SET_NOW, [now.toISOString()]);
  };
  return {
    ...driver,
    query<R extends Row>(text: string, values?: readonly unknown[]): Promise<R[]> {
      const now = clock.databaseNow();
      if (now === null) {
        return driver.query<R>(text, values);
      }
      return driver.transaction(async (tx) => {
        await tell(tx, now);
        return tx.query<R>(text, values);
      });
    },
    transaction: (work) =>
      driver.transaction(async (tx) => {
        const now = clock.databaseNow();
        if (now !== null) {
          await tell(tx, now);
        }
        return work(tx);
      }),
  };
}
