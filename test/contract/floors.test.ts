import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { describeOnEachBackend } from "./backends.ts";

const SOON = 4_000_000_000;

describeOnEachBackend("floors of lanes", (backend) => {
  async function fill(lane: string, keys: readonly number[]): Promise<void> {
    await backend.query(
      `insert into goalpost.ready (lane, prio, key, rank, run_id, position, item)
       select $1, 0, k, 0, gen_random_uuid(), 0, -1 from unnest($2::float8[]) k`,
      [lane, keys],
    );
  }

  /** The best key of a lane, read by a worker that has a floor at 5 which holds until then. */
  async function bestKey(lane: string, until: number, whole: boolean): Promise<number | null> {
    const worker = randomUUID();
    await backend.query("insert into goalpost.floors values ($1::uuid, $2, $3::float8, 0, 5, 0)", [
      worker,
      lane,
      until,
    ]);
    const [place] = await backend.query<{ key: number | null }>(
      "select (goalpost.best_place($1::uuid, array[$2], $3::boolean)).key",
      [worker, lane, whole],
    );
    return place?.key ?? null;
  }

  /** The floor that a read leaves which began so long ago. */
  async function floorAfter(seconds: number): Promise<Record<string, number> | undefined> {
    const worker = randomUUID();
    await backend.query(
      `select goalpost.keep_floor($1::uuid, 'a lane', (-2147483648, '-infinity', '-infinity')::goalpost.place,
         (0, 3, 1)::goalpost.place, clock_timestamp() - make_interval(secs => $2::float8))`,
      [worker, seconds],
    );
    const [floor] = await backend.query<Record<string, number>>(
      `select prio, key, rank, until - extract(epoch from clock_timestamp())::float8 as left
       from goalpost.floors where worker = $1::uuid`,
      [worker],
    );
    return floor;
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

  test("a read that took long leaves a floor where it ended, for 20 times as long", async () => {
    const floor = await floorAfter(10);
    expect(floor).toMatchObject({ prio: 0, key: 3, rank: 1 });
    expect(floor?.left).toBeGreaterThan(150);
    expect(floor?.left).toBeLessThan(250);
  });

  test("a read that was quick leaves none", async () => {
    expect(await floorAfter(-60)).toBeUndefined();
  });
});
