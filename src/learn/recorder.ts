import type { Clock } from "../core/clock.ts";
import type { Driver } from "../core/driver.ts";
import type { Logger } from "../core/logger.ts";
import { Summary } from "../core/summary.ts";
import { Collector, type Delta, type Waited } from "./collector.ts";
import { GLOBAL } from "./stat-key.ts";
import { addDeltas, forgetOld, readWaits } from "./stats-table.ts";

/** Old rows are looked for once in so many times of storing. */
const FORGET_EVERY = 200;

/** Gathers what the workers of a client see, and stores it. */
export function makeRecorder(parts: { driver: Driver; clock: Clock; logger: Logger }): Collector {
  const { driver, clock } = parts;
  let stored = 0;
  return new Collector({
    ...parts,
    async store(deltas, waited) {
      await addDeltas(driver, await withWaits(driver, deltas, waited));
      stored += 1;
      if (stored % FORGET_EVERY === 0) {
        await forgetOld(driver, new Date(clock.now()));
      }
    },
  });
}

/** How long tasks had waited is no part of how they went, and known to the database only. */
async function withWaits(
  driver: Driver,
  deltas: readonly Delta[],
  waited: readonly Waited[],
): Promise<readonly Delta[]> {
  if (waited.length === 0) {
    return deltas;
  }
  const waits = await readWaits(driver, waited);
  return deltas.map(({ key, summary }) => {
    const own = waits.filter(
      ({ step }) => key.text === GLOBAL.text || (key.level === "kind" && key.step === step),
    );
    // Rows of one batch may share a summary.
    const copy = own.length > 0 ? Summary.merge(summary, new Summary()) : summary;
    for (const { waitMs } of own) {
      copy.addQueueWait(waitMs);
    }
    return { key, summary: copy };
  });
}
