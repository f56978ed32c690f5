import type { Json } from "../core/json.ts";
import { check } from "../core/policy.ts";
import { type Member, outOfRounds, type PatternContext, type PatternOptions, takeTurn } from "./member.ts";

export interface MapReduceOptions extends PatternOptions {
  readonly items: readonly Json[];
  readonly map: Member<Json, Json>;
  /** Makes one of several. It is not called for a single one. */
  readonly reduce: Member<readonly Json[], Json>;
  /** Turns of `map` at once. Default 10. */
  readonly concurrency?: number | undefined;
  /** How many `reduce` is given at once. Default: all. */
  readonly fanIn?: number | undefined;
  /** Rounds of reducing at most. Default 10. */
  readonly maxRounds?: number | undefined;
}

/**
 * Does something for each of several items, and makes one result of what comes of it: of all at once, or `fanIn` at a
 * time, round by round.
 * @returns the result; null without items
 * @throws STEP_FAILED if there is more than one left after `maxRounds`
 */
export async function mapReduce(ctx: PatternContext, options: MapReduceOptions): Promise<Json> {
  const {
    items,
    map,
    reduce,
    concurrency = 10,
    maxRounds = 10,
    key = "map-reduce",
    timeoutMs,
    budget,
  } = options;
  const fanIn = options.fanIn ?? Math.max(2, items.length);
  check(concurrency, { what: "mapReduce: concurrency", least: 1, whole: true });
  check(fanIn, { what: "mapReduce: fanIn", least: 2, whole: true });
  check(maxRounds, { what: "mapReduce: maxRounds", least: 1, whole: true });
  let left: readonly Json[] = await eachOf(items, concurrency, (input, index) =>
    takeTurn(ctx, map, { key: `${key}/0/${index}`, input, timeoutMs, budget }),
  );
  for (let round = 1; left.length > 1; round++) {
    if (round > maxRounds) {
      throw outOfRounds("mapReduce", maxRounds, "a single result");
    }
    left = await eachOf(groupsOf(left, fanIn), concurrency, (input, index) =>
      input.length === 1
        ? Promise.resolve(input[0] ?? null)
        : takeTurn(ctx, reduce, { key: `${key}/${round}/${index}`, input, timeoutMs, budget }),
    );
  }
  return left[0] ?? null;
}

function groupsOf(all: readonly Json[], size: number): (readonly Json[])[] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, index) =>
    all.slice(index * size, (index + 1) * size),
  );
}

async function eachOf<T>(
  all: readonly T[],
  concurrency: number,
  work: (one: T, index: number) => Promise<Json>,
): Promise<Json[]> {
  const results: Json[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < all.length) {
      const index = next++;
      results[index] = await work(all[index] as T, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, all.length) }, lane));
  return results;
}
