import { Goalpost, silentLogger } from "goalpost";
import { openCountingPool } from "./counting-pool.ts";
import type { BenchContext } from "./section.ts";
import { inFlight, round } from "./statistics.ts";
import { runThreeSteps, STEPS_PER_RUN } from "./three-steps.ts";
import { runOn, withDatabase } from "./with-postgres.ts";

/** What one step costs between worker and database. */
export interface StepCost {
  readonly statementsPerStep: number;
  readonly walBytesPerStep: number;
}

export interface WireFigures {
  /** 100 runs at once. */
  readonly busy: StepCost;
  /** One run after the other. */
  readonly alone: StepCost;
}

/** Statements (round trips) and write-ahead log of three-step runs on PostgreSQL. */
export function measureWire({ server, size }: BenchContext): Promise<WireFigures> {
  return withDatabase(server, async (database) => {
    const counting = openCountingPool(database);
    const gp = await Goalpost.open({
      database: counting.pool,
      logger: silentLogger,
      workers: { concurrency: 200 },
    });
    const cost = async (count: number, concurrency: number): Promise<StepCost> => {
      const before = { statements: counting.statements(), wal: await walPosition(database) };
      await inFlight({ count, concurrency }, (x) => runThreeSteps(gp, x));
      const steps = count * STEPS_PER_RUN;
      return {
        statementsPerStep: round((counting.statements() - before.statements) / steps),
        walBytesPerStep: Math.round(((await walPosition(database)) - before.wal) / steps),
      };
    };
    try {
      // The first writes to a page after a checkpoint log all of it: not what later ones cost.
      await inFlight({ count: size(2000), concurrency: 100 }, (x) => runThreeSteps(gp, x));
      return { busy: await cost(size(3000), 100), alone: await cost(size(500), 1) };
    } finally {
      await gp.close();
      await counting.end();
    }
  });
}

async function walPosition(database: string): Promise<number> {
  const [row] = await runOn(database, "select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::text as bytes");
  return Number(row?.bytes);
}
