import { Goalpost, silentLogger } from "goalpost";
import type { BenchContext } from "./section.ts";
import { inFlight, median, round, time } from "./statistics.ts";
import { runThreeSteps } from "./three-steps.ts";
import { withDatabase } from "./with-postgres.ts";

export interface LearningFigures {
  readonly onPerSecond: number;
  readonly offPerSecond: number;
  /** The median over rounds of what both did in turn. */
  readonly ratio: number;
}

const ROUNDS = 9;
const CONCURRENCY = 100;

/** Three-step runs with statistics and without, in turn on the same database. */
export function measureLearning({ server, size }: BenchContext): Promise<LearningFigures> {
  return withDatabase(server, async (database) => {
    const open = (learning: boolean): Promise<Goalpost> =>
      Goalpost.open({
        database,
        logger: silentLogger,
        learning,
        workers: { concurrency: 2 * CONCURRENCY },
      });
    await using on = await open(true);
    await using off = await open(false);
    const count = size(3000);
    const rateOf = async (gp: Goalpost): Promise<number> => {
      const run = (x: number): Promise<void> => runThreeSteps(gp, x);
      return count / ((await time(() => inFlight({ count, concurrency: CONCURRENCY }, run))) / 1000);
    };
    const rates = { on: [] as number[], off: [] as number[], ratio: [] as number[] };
    for (let turn = 0; turn <= ROUNDS; turn++) {
      const isOnFirst = turn % 2 === 0;
      const first = await rateOf(isOnFirst ? on : off);
      const second = await rateOf(isOnFirst ? off : on);
      const [with_, without] = isOnFirst ? [first, second] : [second, first];
      // The first turn warms both up.
      if (turn > 0) {
        rates.on.push(with_);
        rates.off.push(without);
        rates.ratio.push(with_ / without);
      }
    }
    return {
      onPerSecond: Math.round(median(rates.on)),
      offPerSecond: Math.round(median(rates.off)),
      ratio: round(median(rates.ratio)),
    };
  });
}
