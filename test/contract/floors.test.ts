import { expect, test } from "vitest";
import { describeOnEachBackend } from "./backends.ts";

interface Place {
  readonly key: number | null;
}

const SOON = 4_000_000_000;

describeOnEachBackend("floors of lanes", (backend) => {
  async function fill(lane: string, keys: readonly number[]): Promise<void> {
    await backend.query(
      `insert into goalpost.ready (lane, prio, key, rank, run_id, position, item)
       select $1, 0, k, 0, gen_random_uuid(), 0, -1 from unnest($2::float8[]) k`,
      [lane, keys],
    );
  }

  /** The best key of a lane, read with a floor at 5 that holds until then. */
  async function bestKey(lane: string, until: number, whole: boolean): Promise<number | null> {
    const floors = JSON.stringify({ [lane]: [until, 0, 5, 0] });
    const [place] = await backend.query<{ best: Place }>(
      `select row_to_json(b) as best
       from (select set_config('goalpost.floors', $1, true) offset 0) s
       cross join lateral goalpost.best_place(array[$2], $3::boolean) b`,
      [floors, lane, whole],
    );
    return place?.best.key ?? null;
  }

  test("a lane is read from its floor while that holds", async () => {
    await fill("floor-holds", [1, 7]);
    expect(await bestKey("floor-holds", SOON, false)).toBe(7);
  });

  test("a look that polls reads the whole lane", async () => {
    await fill("floor-polled", [1, 7]);
    expect(await bestKey("floor-polled", SOON, true)).toBe(1);
  });

  test("a floor that is over is not looked at", async () => {
    await fill("floor-over", [1, 7]);
    expect(await bestKey("floor-over", 1, false)).toBe(1);
  });

  test("a read that took long leaves a floor for 20 times as long, where it ended", async () => {
    const [kept] = await backend.query<{ floor: [number, number, number, number]; now: number }>(
      `select nullif(current_setting('goalpost.floors', true), '')::json->'slow' as floor,
         extract(epoch from clock_timestamp())::float8 as now
       from (select goalpost.keep_floor('slow', (-2147483648, '-infinity', '-infinity')::goalpost.place,
         (0, 3, 1)::goalpost.place, clock_timestamp() - interval '1 second') offset 0) k`,
    );
    expect(kept?.floor.slice(1)).toEqual([0, 3, 1]);
    expect((kept?.floor[0] ?? 0) - (kept?.now ?? 0)).toBeCloseTo(20, 0);
  });

  test("a read that was quick leaves none", async () => {
    const [kept] = await backend.query<{ floor: unknown }>(
      `select nullif(current_setting('goalpost.floors', true), '')::json->'quick' as floor
       from (select goalpost.keep_floor('quick', (-2147483648, '-infinity', '-infinity')::goalpost.place,
         (0, 3, 1)::goalpost.place, clock_timestamp()) offset 0) k`,
    );
    expect(kept?.floor ?? null).toBeNull();
  });
});
