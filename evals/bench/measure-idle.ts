import { setTimeout as sleep } from "node:timers/promises";
import { Goalpost, silentLogger } from "goalpost";
import { openCountingPool } from "./counting-pool.ts";
import type { BenchContext } from "./section.ts";
import { round } from "./statistics.ts";
import { withDatabase } from "./with-postgres.ts";

export interface IdleFigures {
  readonly statementsPerSecond: number;
}

const SETTLE_MS = 2000;
const WATCH_MS = 5000;

/** What a client sends that has nothing to do. */
export function measureIdle({ server }: BenchContext): Promise<IdleFigures> {
  return withDatabase(server, async (database) => {
    const counting = openCountingPool(database);
    const gp = await Goalpost.open({ database: counting.pool, logger: silentLogger });
    try {
      await sleep(SETTLE_MS);
      const before = counting.statements();
      const begin = performance.now();
      await sleep(WATCH_MS);
      const seconds = (performance.now() - begin) / 1000;
      return { statementsPerSecond: round((counting.statements() - before) / seconds) };
    } finally {
      await gp.close();
      await counting.end();
    }
  });
}
